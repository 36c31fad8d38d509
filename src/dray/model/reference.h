// Names of releases: NAME, NAME:VERSION, NAME@ALIAS.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

struct Reference {
  std::string name;
  std::string version;  // "" if not given
  std::string alias;    // "" if not given; never both
  std::string text() const;
  bool operator==(const Reference&) const = default;
};

/// Throws Code::usage with an example when malformed.
Reference parse_reference(std::string_view text);
/// Letters, digits, `._-`; 1 to 128 characters; starts and ends with a letter or digit. Throws
/// Code::usage.
void check_name(std::string_view name, std::string_view what);
/// Two names that differ but are equal here would clash in some store or registry (case, '_' vs
/// '-').
std::string fold_name(std::string_view name);
/// "1.0.0" when `existing` is empty, else the highest x.y.z with its patch number raised; versions
/// that are not x.y.z numbers do not count.
std::string next_version(const std::vector<std::string>& existing);
/// Orders versions: numeric x.y.z by value, others after them by text.
bool version_less(std::string_view a, std::string_view b);

}  // namespace dray
