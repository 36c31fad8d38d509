// What the commands that change names and states of releases have in common.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "dray/cli/context.h"
#include "dray/release/aliases.h"

namespace dray::cli {

/// --reason and --dry-run.
std::vector<Option> change_options();

/// The NAME:VERSION of the first argument; Code::usage for anything less exact.
Reference exact_version(const Context& context);

/// After a change: says so where the store cannot exclude two writers at once, and notes it in
/// `json`.
void tell_single_writer(Context& context, Store& store, nlohmann::json& json);

/// The registry that is to show a change, opened before the store changes: a wrong address stops
/// the command, a registry that is down does not.
class Shown {
 public:
  explicit Shown(Context& context);
  /// Runs `project` on the registry, if one is used and could be opened; keeps what it throws.
  void show(const std::function<void(Registry&)>& project);
  /// "registry": its address and what went wrong, where one is used.
  void add_to(nlohmann::json& json) const;
  /// Throws Code::partial, with how to show it later, if the registry does not show the change.
  void finish(const std::string& name) const;

 private:
  Context& context_;
  std::unique_ptr<Registry> registry_;
  std::optional<Error> failed_;
};

/// The result of moving an alias, for people and programs. `verb`: "points", "points again".
void tell_move(Context& context, Store& store, const MovedAlias& moved, const std::string& alias,
               const std::string& verb, nlohmann::json json);

}  // namespace dray::cli
