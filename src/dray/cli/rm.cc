#include <fmt/format.h>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/actor.h"
#include "dray/cli/changes.h"
#include "dray/cli/commands.h"
#include "dray/cli/report.h"
#include "dray/release/project.h"
#include "dray/release/remove.h"

namespace dray::cli {

namespace {

/// NAME@ALIAS: the alias goes, the release stays.
int remove_alias(Context& context, const Reference& reference) {
  const Args& args = context.args();
  const bool yes = args.flag("yes");
  const auto store = context.open_store();
  Shown in_registry(context);
  const std::string version = drop_alias(*store, reference.name, reference.alias,
                                         note_of(args.text("reason")), !yes, context.stop());
  Output& out = context.out();
  Json json = {{"name", reference.name},
               {"alias", reference.alias},
               {"previous", version},
               {"dry_run", !yes},
               {"changed", yes}};
  if (yes) {
    in_registry.show([&](Registry& registry) {
      project_aliases(*store, registry, reference.name, context.stop());
    });
    in_registry.add_to(json);
    tell_single_writer(context, *store, json);
  }
  out.json(json);
  out.line(fmt::format("{} {}, it pointed to {}", reference.text(),
                       yes ? "is removed" : "would be removed", version));
  if (!yes)
    out.next(fmt::format("dray rm {} --yes{}", reference.text(), context.store_flag()));
  else
    out.note(fmt::format("its history stays; to set it again: dray rollback {} {}{}",
                         reference.name, reference.alias, context.store_flag()));
  in_registry.finish(reference.name);
  return 0;
}

void tell(Context& context, Store& store, const ChangeResult& result, const Shown& in_registry,
          bool yes) {
  Output& out = context.out();
  const Manifest& manifest = result.manifest;
  Json json = release_json(
      manifest, store.serving_uri(release_prefix(manifest.name, manifest.version, context.place())),
      result.changed && yes);
  json["state"] = state_name(yes ? result.now : result.before);
  json["purge_after"] = rfc3339(result.purge_after);
  json["dry_run"] = !yes;
  if (yes && result.changed) tell_single_writer(context, store, json);
  if (yes) in_registry.add_to(json);
  out.json(json);
  const std::string release = fmt::format("{}:{}", manifest.name, manifest.version);
  if (out.is_quiet()) {
    out.line(release);
    return;
  }
  if (!result.changed) {
    out.line(fmt::format("{} is {} already", release, state_name(result.now)));
    return;
  }
  out.line(fmt::format("{} {}: {}, {}", release, yes ? "is removed" : "would be removed",
                       count_of(manifest.files.size(), "file"),
                       human_size(manifest.total_bytes())));
  if (yes) {
    out.note(
        fmt::format("Its files stay until `dray gc` runs after {}.", rfc3339(result.purge_after)));
    out.note(fmt::format("to bring it back: dray restore {}{}", release, context.store_flag()));
  } else {
    out.next(fmt::format("dray rm {} --yes{}", release, context.store_flag()));
  }
}

int run(Context& context) {
  const Args& args = context.args();
  const Reference named = parse_reference(args.positional(0));
  if (!named.alias.empty()) return remove_alias(context, named);
  const Reference reference = exact_version(context);
  const bool yes = args.flag("yes");
  const auto store = context.open_store();
  Shown in_registry(context);
  ChangeRequest request{.store = store.get(), .name = reference.name, .version = reference.version};
  request.note = note_of(args.text("reason"));
  request.place = context.place();
  request.dry_run = !yes;
  ChangeResult result;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase("removing");
    result = remove_release(
        request, std::chrono::duration_cast<std::chrono::seconds>(args.duration("grace")),
        context.stop());
    if (yes)
      in_registry.show([&](Registry& registry) {
        project_state(*store, registry, reference.name, reference.version, context.stop());
      });
  }
  tell(context, *store, result, in_registry, yes);
  in_registry.finish(reference.name);
  return 0;
}

}  // namespace

Command rm_command() {
  return {.name = "rm",
          .group = "Change",
          .summary = "remove a release that no alias points to, or an alias",
          .details =
              "The manifest goes first, so that the release does not exist any more; its files "
              "stay for the time of grace, in which `dray restore` brings it back, and are "
              "deleted by `dray gc` after it. Without --yes nothing is removed. The number of "
              "a removed version is not given to another release.",
          .positionals = {{"REF", "NAME:VERSION, or NAME@ALIAS for the alias alone"}},
          .options = join({store_options(),
                           registry_options(),
                           {{.name = "reason", .value = "TEXT", .help = "why, for the history"},
                            {.name = "grace",
                             .value = "TIME",
                             .help = "how long it can be restored",
                             .standard = "7d",
                             .kind = Kind::duration,
                             .in_config = true},
                            yes_option("remove, instead of only telling")}}),
          .examples = {{"dray rm llama:1.0.0", "tell"},
                       {"dray rm llama:1.0.0 --yes --reason \"licence withdrawn\"", "remove"},
                       {"dray rm llama@staging --yes", "the alias; the release stays"}},
          .run = run};
}

}  // namespace dray::cli
