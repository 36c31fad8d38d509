#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

/// The version that the alias points to; "" if to none.
std::string current_version(Context& context, Store& store, const std::string& name,
                            const std::string& alias) {
  for (const auto& move : list_aliases(store, name, context.stop()))
    if (move.alias == alias) return move.version;
  return "";
}

int run(Context& context) {
  const Args& args = context.args();
  const Reference reference = parse_reference(args.positional(0));
  const std::string alias = args.positional(1);
  check_name(alias, "name of an alias");
  const auto store = context.open_store();
  const bool dry_run = args.flag("dry-run");
  Manifest manifest;
  std::string before;
  bool changes = false;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase("moving the alias");
    manifest = resolve_release(*store, reference, context.stop());
    before = current_version(context, *store, manifest.name, alias);
    changes = before != manifest.version;
    if (changes && !dry_run)
      move_alias(*store, manifest.name, alias, manifest.version, Context::actor(),
                 args.text("reason"), context.stop());
  }
  Output& out = context.out();
  Json json = release_json(
      manifest,
      store->serving_uri(release_prefix(manifest.name, manifest.version, context.place())),
      changes && !dry_run);
  json["alias"] = alias;
  json["previous"] = before;
  if (dry_run) json["dry_run"] = true;
  out.json(json);
  if (out.is_quiet()) {
    out.line(fmt::format("{}:{}", manifest.name, manifest.version));
    return 0;
  }
  const std::string pointed = fmt::format("{}@{}", manifest.name, alias);
  out.line(!changes ? fmt::format("{} points to {} already", pointed, manifest.version)
                    : fmt::format("{} {} to {}{}", pointed, dry_run ? "would point" : "now points",
                                  manifest.version,
                                  before.empty() ? "" : fmt::format(", before to {}", before)));
  if (changes && !before.empty() && !dry_run)
    out.note(fmt::format("to go back: dray promote {}:{} {}{}", manifest.name, before, alias,
                         context.store_flag()));
  return 0;
}

}  // namespace

Command promote_command() {
  return {.name = "promote",
          .group = "Change",
          .summary = "let an alias point to a version; its history is kept",
          .positionals = {{"REF", "NAME:VERSION, NAME (the newest) or NAME@ALIAS"},
                          {"ALIAS", "the alias to move, like production"}},
          .options = join({store_options(),
                           {{.name = "reason", .value = "TEXT", .help = "why, for the history"},
                            {.name = "dry-run", .value = "", .help = "print what would change"}}}),
          .examples = {{"dray promote llama:1.0.1 production --reason \"evaluation passed\"",
                        "move it, and say why"},
                       {"dray promote llama@staging production",
                        "what is in staging goes to production"}},
          .run = run};
}

}  // namespace dray::cli
