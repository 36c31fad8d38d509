#include "dray/cli/changes.h"

#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/report.h"
#include "dray/release/project.h"
#include "dray/store/layout.h"
#include "dray/store/races.h"

namespace dray::cli {

std::vector<Option> change_options() {
  return {{.name = "reason", .value = "TEXT", .help = "why, for the history"},
          {.name = "dry-run", .value = "", .help = "print what would change"}};
}

Reference exact_version(const Context& context) {
  const std::string text = context.args().positional(0);
  Reference reference = parse_reference(text);
  if (reference.version.empty())
    throw Error(Code::usage, fmt::format("'{}' names no version", text))
        .hint(fmt::format("name one: dray {} {}:1.0.0", context.command().name, reference.name));
  return reference;
}

void tell_single_writer(Context& context, Store& store, nlohmann::json& json) {
  if (excludes_races(store.state(), context.stop())) return;
  json["single_writer"] = true;
  context.out().note(
      "This endpoint honours no conditional writes: writers take turns with marker objects. Do not "
      "change one model from machines that may be suspended.");
}

Shown::Shown(Context& context) : context_(context) {
  try {
    registry_ = context.open_registry();
  } catch (const Error& error) {
    if (error.code() == Code::usage || error.code() == Code::cancelled) throw;
    failed_ = error;
  }
}

void Shown::show(const std::function<void(Registry&)>& project) {
  if (registry_ != nullptr) failed_ = told([&] { project(*registry_); });
}

void Shown::add_to(nlohmann::json& json) const {
  if (registry_ == nullptr && !failed_) return;
  json["registry"] = {{"address", context_.registry_text()}, {"shown", !failed_}};
  if (failed_) json["registry"]["error"] = error_json(*failed_)["error"];
}

void Shown::finish(const std::string& name) const {
  if (!failed_) return;
  throw Error(Code::partial, "it is done in the store, but the registry does not show it")
      .from(Side::registry)
      .because(*failed_)
      .hint(fmt::format("when the registry is back: dray registry rebuild {} --from {}", name,
                        shell_word(context_.store_text())));
}

void tell_move(Context& context, Store& store, const MovedAlias& moved, const std::string& alias,
               const std::string& verb, nlohmann::json json) {
  Output& out = context.out();
  const bool dry_run = context.args().flag("dry-run");
  const Manifest& manifest = moved.manifest;
  Json whole = release_json(
      manifest, store.serving_uri(release_prefix(manifest.name, manifest.version, context.place())),
      moved.changed && !dry_run);
  whole["alias"] = alias;
  whole["previous"] = moved.previous;
  if (dry_run) whole["dry_run"] = true;
  whole.update(json);
  if (!dry_run) tell_single_writer(context, store, whole);
  out.json(whole);
  if (out.is_quiet()) {
    out.line(fmt::format("{}:{}", manifest.name, manifest.version));
    return;
  }
  const std::string pointed = fmt::format("{}@{}", manifest.name, alias);
  out.line(!moved.changed
               ? fmt::format("{} points to {} already", pointed, manifest.version)
               : fmt::format(
                     "{} {} to {}{}", pointed, dry_run ? "would point" : verb, manifest.version,
                     moved.previous.empty() ? "" : fmt::format(", before to {}", moved.previous)));
}

}  // namespace dray::cli
