#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/cli/actor.h"
#include "dray/cli/changes.h"
#include "dray/cli/commands.h"
#include "dray/release/project.h"

namespace dray::cli {

namespace {

int run(Context& context) {
  const Args& args = context.args();
  const Reference reference = parse_reference(args.positional(0));
  const std::string alias = args.positional(1);
  const auto store = context.open_store();
  Shown in_registry(context);
  const bool dry_run = args.flag("dry-run");
  MovedAlias moved;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase("moving the alias");
    moved =
        promote(*store, reference, alias, note_of(args.text("reason")), dry_run, context.stop());
    if (!dry_run) {
      shown.get().phase("registering");
      in_registry.show([&](Registry& registry) {
        project_release(*store, registry, moved.manifest, context.place(), context.stop());
      });
    }
  }
  Json json = Json::object();
  in_registry.add_to(json);
  tell_move(context, *store, moved, alias, "now points", std::move(json));
  if (moved.changed && !moved.previous.empty() && !dry_run)
    context.out().note(fmt::format("to go back: dray rollback {} {}{}", moved.manifest.name, alias,
                                   context.store_flag()));
  in_registry.finish(moved.manifest.name);
  return 0;
}

}  // namespace

Command promote_command() {
  return {.name = "promote",
          .group = "Change",
          .summary = "let an alias point to a version; its history is kept",
          .positionals = {{"REF", "NAME:VERSION, NAME (the newest) or NAME@ALIAS"},
                          {"ALIAS", "the alias to move, like production"}},
          .options = join({store_options(), registry_options(), change_options()}),
          .examples = {{"dray promote llama:1.0.1 production --reason \"evaluation passed\"",
                        "move it, and say why"},
                       {"dray promote llama@staging production",
                        "what is in staging goes to production"}},
          .run = run};
}

}  // namespace dray::cli
