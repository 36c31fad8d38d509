// registry backup and registry restore: the embedded registry's file, while it is in use.
#include <fmt/format.h>

#include <filesystem>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/registry/records.h"

namespace dray::cli {

namespace {

/// The file of the embedded registry; Code::usage for another kind.
std::filesystem::path registry_file(const Context& context) {
  const std::string text = context.registry_text();
  std::string_view path = text;
  if (!path.starts_with("sqlite:"))
    throw Error(Code::usage, fmt::format("'{}' is no embedded registry", text))
        .hint("only a file can be backed up here: --registry sqlite:PATH");
  path.remove_prefix(7);
  if (path.starts_with("//")) path.remove_prefix(2);
  return expand_home(path);
}

void tell(Context& context, const char* what, const std::filesystem::path& file,
          const std::filesystem::path& registry) {
  std::error_code unknown;
  context.out().json({{"registry", {{"address", "sqlite:" + registry.string()}}},
                      {"file", file.string()},
                      {"bytes", std::filesystem::file_size(file, unknown)},
                      {"changed", true}});
  context.out().line(fmt::format("{}: {}", what, printable(file.string())));
}

int run_backup(Context& context) {
  const auto registry = registry_file(context);
  const auto file = expand_home(context.args().positional(0));
  if (!std::filesystem::exists(registry))
    throw Error(Code::not_found, "there is no such registry")
        .on("back up", registry.string())
        .from(Side::registry);
  {
    ShownProgress shown(context, "registry");
    shown.get().phase("copying");
    Records(registry).backup(file, context.stop());
  }
  tell(context, "backup written", file, registry);
  return 0;
}

int run_restore(Context& context) {
  const auto registry = registry_file(context);
  const auto file = expand_home(context.args().positional(0));
  {
    ShownProgress shown(context, "registry");
    shown.get().phase("restoring");
    restore_records(file, registry, context.stop());
  }
  tell(context, "restored from", file, registry);
  return 0;
}

}  // namespace

Command registry_backup_command() {
  return {.name = "registry backup",
          .group = "Change",
          .summary = "copy the embedded registry into a file, while it is in use",
          .positionals = {{"FILE", "where to; replaced when the copy is complete"}},
          .options = registry_options(),
          .examples = {{"dray registry backup /backup/registry.db", "the default registry"}},
          .run = run_backup};
}

Command registry_restore_command() {
  return {.name = "registry restore",
          .group = "Change",
          .summary = "put a backup in the place of the embedded registry, in one step",
          .details =
              "What was registered since the backup is lost from it; `dray registry rebuild` "
              "brings back what the stores hold.",
          .positionals = {{"FILE", "a backup"}},
          .options = registry_options(),
          .examples = {{"dray registry restore /backup/registry.db", "the default registry"}},
          .run = run_restore};
}

}  // namespace dray::cli
