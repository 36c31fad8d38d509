#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/actor.h"
#include "dray/cli/changes.h"
#include "dray/cli/commands.h"
#include "dray/release/project.h"

namespace dray::cli {

namespace {

RollbackRequest request_of(Context& context, Store& store) {
  const Args& args = context.args();
  const Reference reference = parse_reference(args.positional(0));
  if (!reference.version.empty())
    throw Error(Code::usage, "a rollback goes to what the alias pointed to before")
        .hint(fmt::format("to choose the version: dray promote {} ALIAS", reference.text()));
  RollbackRequest request;
  request.store = &store;
  request.name = reference.name;
  request.alias = args.positional(1).empty() ? reference.alias : args.positional(1);
  request.note = note_of(args.text("reason"));
  request.place = context.place();
  request.check = args.flag("force")              ? BytesCheck::none
                  : args.text("verify") == "full" ? BytesCheck::full
                                                  : BytesCheck::quick;
  request.transfer = context.transfer_options();
  request.dry_run = args.flag("dry-run");
  return request;
}

int run(Context& context) {
  const auto store = context.open_store();
  RollbackRequest request = request_of(context, *store);
  Shown in_registry(context);
  RolledBack result;
  {
    ShownProgress shown(context, request.name);
    if (request.alias.empty()) request.alias = only_alias(*store, request.name, context.stop());
    result = roll_back(request, shown.get(), context.stop());
    if (!request.dry_run) {
      shown.get().phase("registering");
      in_registry.show([&](Registry& registry) {
        project_release(*store, registry, result.moved.manifest, context.place(), context.stop());
      });
    }
  }
  const AliasMove& undone = result.undone;
  Json json = {
      {"undone", {{"seq", undone.seq}, {"by", undone.actor}, {"time", rfc3339(undone.time)}}},
      {"checked", request.check == BytesCheck::none   ? Json()
                  : request.check == BytesCheck::full ? Json("full")
                                                      : Json("quick")}};
  in_registry.add_to(json);
  tell_move(context, *store, result.moved, request.alias, "points again", std::move(json));
  Output& out = context.out();
  out.note(fmt::format("taken back: {} by {} at {}{}",
                       undone.version.empty() ? "its removal" : "the move to " + undone.version,
                       undone.actor, rfc3339(undone.time),
                       undone.reason.empty() ? "" : fmt::format(" ({})", undone.reason)));
  if (!request.dry_run && !result.moved.previous.empty())
    out.note(fmt::format("to go forward again: dray promote {}:{} {}{}", request.name,
                         result.moved.previous, request.alias, context.store_flag()));
  in_registry.finish(request.name);
  return 0;
}

}  // namespace

Command rollback_command() {
  return {
      .name = "rollback",
      .group = "Change",
      .summary = "let an alias point to where it pointed before its last move",
      .details =
          "Done again it goes one more step back: what was taken back does not count as a move. "
          "The move and the rollback both stay in the history. Before the alias moves, the files "
          "of "
          "the version are compared with its manifest; --force leaves that out.",
      .positionals = {{"NAME", "a model, or NAME@ALIAS"},
                      {"ALIAS", "the alias; may be left out where there is only one", false}},
      .options = join({store_options(),
                       registry_options(),
                       change_options(),
                       {{.name = "verify",
                         .value = "HOW",
                         .help = "quick: sizes and the store's own checksums; full: every byte",
                         .standard = "quick",
                         .choices = {"quick", "full"}},
                        {.name = "force",
                         .value = "",
                         .help = "go back to files that are damaged, or to an archived version",
                         .typed = true}},
                       transfer_options()}),
      .examples = {{"dray rollback llama", "the only alias goes one step back"},
                   {"dray rollback llama production --reason \"bad answers\"", "say why"},
                   {"dray rollback llama@production --verify full", "read every byte first"}},
      .run = run};
}

}  // namespace dray::cli
