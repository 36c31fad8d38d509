// Rights at a registry's token service (distribution's docs/content/spec/auth/scope.md).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dray::oci {

/// A set of rights, each an action on a resource: "repository:org/name:pull,push". A value; two
/// sets of the same rights are equal, however they were written.
class Scopes {
 public:
  Scopes() = default;
  /// Of one repository; `actions` as in "pull" or "pull,push".
  static Scopes repository(std::string_view name, std::string_view actions);
  /// Reads what a challenge asks for: scopes separated by spaces. What has not the form
  /// TYPE:NAME:ACTIONS stays one right as it is.
  static Scopes parse(std::string_view text);

  void add(const Scopes& other);
  /// Whether all rights of `other` are among these; "*" stands for every action.
  bool cover(const Scopes& other) const;
  /// Names of the repositories with this action.
  std::vector<std::string> repositories(std::string_view action) const;
  bool empty() const { return actions_.empty(); }
  std::size_t size() const { return actions_.size(); }
  /// One scope for each resource, in a fixed order.
  std::vector<std::string> list() const;
  /// The list with spaces between.
  std::string text() const;
  bool operator==(const Scopes&) const = default;

 private:
  std::map<std::string, std::set<std::string>> actions_;  // by "repository:org/name"
};

}  // namespace dray::oci
