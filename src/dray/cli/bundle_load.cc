#include "dray/release/bundle_load.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/actor.h"
#include "dray/cli/bundle_text.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/import_plan.h"
#include "dray/cli/report.h"

namespace dray::cli {

namespace {

namespace fs = std::filesystem;

ImportRequest read_request(const Context& context, Store& store, Registry* registry) {
  const Args& args = context.args();
  ImportRequest request;
  request.store = &store;
  request.registry = registry;
  request.alias = args.text("alias");
  if (!request.alias.empty()) check_name(request.alias, "--alias");
  request.note = note_of(args.text("reason"));
  request.place = context.place();
  check_place(request.place);
  request.transfer = context.transfer_options();
  return request;
}

/// An alias is a name for one version.
void check_alias(const ImportRequest& request, const BundleRecord& record) {
  if (request.alias.empty()) return;
  std::set<std::string_view> models;
  for (const BundleRelease& release : record.releases)
    if (!models.insert(release.name).second)
      throw Error(Code::usage,
                  fmt::format("the bundle holds several versions of {}, and --alias means one",
                              release.name))
          .hint(fmt::format("load without it; then: dray promote {}:VERSION {}", release.name,
                            request.alias));
}

struct Loaded {
  std::vector<ImportResult> results;
  std::uint64_t fetched = 0, stored = 0, reused = 0;
  std::chrono::milliseconds time{0};
  bool changed() const {
    return std::ranges::any_of(results, [](const ImportResult& r) { return r.changed; });
  }
};

void print_result(Context& context, const OpenBundle& bundle, const Loaded& loaded,
                  const Store& store) {
  Output& out = context.out();
  Json json = bundle_json(bundle.record, bundle.name);
  Json releases = Json::array();
  for (const ImportResult& result : loaded.results) {
    Json release = release_json(result.manifest, result.uri, result.changed);
    release["registered"] = result.registered.has_value();
    releases.push_back(std::move(release));
    const std::string reference =
        fmt::format("{}:{}", result.manifest.name, result.manifest.version);
    if (out.is_quiet())
      out.line(reference);
    else
      out.line(fmt::format("{} {}", out.strong(reference),
                           result.changed ? "is loaded" : "was already there"));
  }
  json["releases"] = std::move(releases);
  json["store"] = store.properties().uri;
  json["changed"] = loaded.changed();
  json["bytes_fetched"] = loaded.fetched;
  json["bytes_stored"] = loaded.stored;
  json["bytes_reused"] = loaded.reused;
  json["seconds"] = static_cast<double>(loaded.time.count()) / 1000;
  if (!out.is_quiet()) {
    print_facts(
        out, {{"store", store.properties().uri},
              {"moved", loaded.fetched == 0 ? "nothing" : moved_text(loaded.fetched, loaded.time)},
              {"alias", context.args().text("alias")}});
  }
  out.json(json);
}

void print_plan(Context& context, const OpenBundle& bundle, const BundleLoad& load) {
  Output& out = context.out();
  for (const ReleaseLoad& release : load.releases)
    cli::print_plan(out, release.plan, release.request, context.args().times("verbose") > 0);
  Json json = bundle_json(bundle.record, bundle.name);
  json["changed"] = false;
  json["dry_run"] = true;
  out.json(json);
}

/// Not registered is not lost: the releases are there.
void check_registered(const Context& context, const Loaded& loaded) {
  for (const ImportResult& result : loaded.results)
    if (result.registry_error)
      throw Error(Code::partial, "the releases are complete, but not all are registered")
          .from(Side::registry)
          .because(*result.registry_error)
          .hint("when the registry is back: dray registry rebuild" + context.store_flag());
}

int run(Context& context) {
  const fs::path path = expand_home(context.args().positional(0));
  const auto store = context.open_store();
  const auto registry = context.open_registry();
  const ImportRequest request = read_request(context, *store, registry.get());
  OpenBundle bundle;
  BundleLoad load;
  Loaded loaded;
  const bool dry = context.args().flag("dry-run");
  {
    ShownProgress shown(context, path.filename().string());
    Progress& progress = shown.get();
    try {
      progress.phase("checking the bundle");
      bundle = open_bundle(path, context.stop());
      check_alias(request, bundle.record);
      progress.phase("planning");
      load = plan_bundle_load(bundle, request, progress, context.stop());
      for (std::size_t i = 0; !dry && i < load.releases.size(); ++i) {
        loaded.results.push_back(run_bundle_load(load, i, progress, context.stop()));
        loaded.fetched += loaded.results.back().stats.fetched;
        loaded.stored += loaded.results.back().stats.stored;
        loaded.reused += loaded.results.back().stats.reused;
      }
    } catch (...) {
      throw with_way_on(current_error(), progress.view(), store->properties().uri, context.again());
    }
    loaded.time = progress.view().elapsed;
  }
  if (dry) {
    print_plan(context, bundle, load);
    return 0;
  }
  print_result(context, bundle, loaded, *store);
  check_registered(context, loaded);
  const Manifest& first = loaded.results.front().manifest;
  context.out().next(fmt::format("dray promote {}:{} production{}", first.name, first.version,
                                 context.store_flag()));
  return 0;
}

}  // namespace

Command bundle_load_command() {
  return {
      .name = "bundle load",
      .group = "Carry over an air gap",
      .summary = "the releases of a bundle into a store, where no network goes",
      .details =
          "The bundle is read where it lies; nothing is unpacked. All its volumes and files must "
          "be there before anything is changed, and all that is missing is named at once. Each "
          "release is imported as from any source: every byte is checked, what is there is not "
          "sent again, the release exists when all of it is there, with the version, origin and "
          "root digest that it had. Files that the bundle leaves out are taken from the store, "
          "which must hold them. Aliases are not carried over: what is in production here is "
          "decided here.",
      .positionals = {{"BUNDLE",
                       "a folder, an archive, or the index of volumes (FILE.json, FILE)"}},
      .options = join({store_options("to"),
                       {{.name = "alias",
                         .value = "ALIAS",
                         .help = "let this alias point to each release afterwards"},
                        {.name = "reason", .value = "TEXT", .help = "why, for the alias's history"},
                        {.name = "dry-run",
                         .value = "",
                         .help = "check the bundle, print what would be loaded, and do nothing"},
                        wait_option("release")},
                       image_options(),
                       registry_options(),
                       transfer_options()}),
      .examples = {{"dray bundle load /media/disk/llama --to s3://models", "a folder"},
                   {"dray bundle load /mnt/models.tar --to s3://models --alias staging",
                    "volumes models.tar.000 …, side by side with models.tar.json"},
                   {"dray bundle load models.tar --to dir:/srv/models --registry none --dry-run",
                    "only whether all is there"}},
      .run = run};
}

}  // namespace dray::cli
