// archive and restore: a version is put away, or brought back.
#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/cli/actor.h"
#include "dray/cli/changes.h"
#include "dray/cli/commands.h"
#include "dray/cli/report.h"
#include "dray/release/project.h"
#include "dray/release/remove.h"

namespace dray::cli {

namespace {

using Change = ChangeResult (*)(const ChangeRequest&, const std::stop_token&);

int change(Context& context, Change action, const char* phase) {
  const Args& args = context.args();
  const Reference reference = exact_version(context);
  const bool dry_run = args.flag("dry-run");
  const auto store = context.open_store();
  Shown in_registry(context);
  ChangeRequest request{.store = store.get(), .name = reference.name, .version = reference.version};
  request.note = note_of(args.text("reason"));
  request.place = context.place();
  request.dry_run = dry_run;
  ChangeResult result;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase(phase);
    result = action(request, context.stop());
    if (!dry_run) {
      shown.get().phase("registering");
      in_registry.show([&](Registry& registry) {
        if (result.now == VersionState::live)
          project_release(*store, registry, result.manifest, context.place(), context.stop());
        else
          project_state(*store, registry, reference.name, reference.version, context.stop());
      });
    }
  }
  Output& out = context.out();
  const Manifest& manifest = result.manifest;
  Json json = release_json(
      manifest,
      store->serving_uri(release_prefix(manifest.name, manifest.version, context.place())),
      result.changed && !dry_run);
  json["state"] = state_name(dry_run ? result.before : result.now);
  json["before"] = state_name(result.before);
  if (dry_run) json["dry_run"] = true;
  if (result.changed && !dry_run) tell_single_writer(context, *store, json);
  if (!dry_run) in_registry.add_to(json);
  out.json(json);
  if (out.is_quiet())
    out.line(reference.text());
  else
    out.line(fmt::format("{} {} {}{}", reference.text(), dry_run ? "would be" : "is",
                         state_name(result.now), result.changed ? "" : " already"));
  in_registry.finish(reference.name);
  return 0;
}

int run_archive(Context& context) { return change(context, archive_release, "archiving"); }
int run_restore(Context& context) { return change(context, restore_release, "restoring"); }

}  // namespace

Command archive_command() {
  return {.name = "archive",
          .group = "Change",
          .summary = "put a version away: kept, but no longer what the bare name means",
          .details =
              "Its files stay and can be pulled by their exact version. An alias cannot be "
              "moved to it, and a version that an alias points to is not archived.",
          .positionals = {{"REF", "NAME:VERSION"}},
          .options = join({store_options(), registry_options(), change_options()}),
          .examples = {{"dray archive llama:1.0.0 --reason \"replaced by 1.1.0\"", "and say why"}},
          .run = run_archive};
}

Command restore_command() {
  return {.name = "restore",
          .group = "Change",
          .summary = "bring back a version that was archived or removed",
          .details =
              "A removed version is there again as it was, if its time of grace is not over: "
              "`dray list NAME --removed` shows until when.",
          .positionals = {{"REF", "NAME:VERSION"}},
          .options = join({store_options(), registry_options(), change_options()}),
          .examples = {{"dray restore llama:1.0.0", "as it was"}},
          .run = run_restore};
}

}  // namespace dray::cli
