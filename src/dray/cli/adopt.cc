#include <fmt/format.h>

#include <optional>
#include <utility>

#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/location.h"
#include "dray/cli/report.h"
#include "dray/release/verify.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

using Release = std::pair<std::string, std::string>;  // name, version

/// The store of the location, by the settings of --to where both are given.
std::unique_ptr<Store> open_target(Context& context, const Location& target) {
  const Setting* to = context.args().find("to");
  const bool flag = to != nullptr && to->origin.starts_with("--");
  if (target.store.empty() || flag) {
    auto store = context.open_store();
    if (!target.store.empty() && store->properties().uri != target.store)
      throw Error(Code::usage, fmt::format("{} is not in the store {}",
                                           context.args().positional(0), store->properties().uri))
          .hint("give the location, or --to, or a location below it");
    return store;
  }
  return context.open_store(target.store);
}

std::vector<Release> wanted(Context& context, Store& store, const Location& target) {
  const Args& args = context.args();
  const std::string name = args.text("name"), version = args.text("version");
  const bool all = args.flag("all");
  if (name.empty() != version.empty())
    throw Error(Code::usage, "--name and --version belong together");
  if (static_cast<int>(all) + static_cast<int>(!name.empty()) +
          static_cast<int>(target.release.has_value()) >
      1)
    throw Error(Code::usage, "more than one way to say what to adopt")
        .hint("keep one: the folder of a version, --name with --version, or --all");
  if (target.release) return {*target.release};
  if (!name.empty()) return {{name, version}};
  return find_adoptable(store, context.place(), context.stop());
}

/// Tells what could be adopted.
void tell(Context& context, const Store& store, const std::vector<Release>& found) {
  Output& out = context.out();
  Json list = Json::array();
  for (const auto& [name, version] : found) list.push_back({{"name", name}, {"version", version}});
  out.json({{"store", store.properties().uri},
            {"adoptable", std::move(list)},
            {"dry_run", true},
            {"changed", false}});
  for (const auto& [name, version] : found) out.line(fmt::format("{}:{}", name, version));
  if (found.empty()) {
    out.note(fmt::format("Nothing to adopt in {}.", store.properties().uri));
  } else {
    out.note("Nothing was written.");
    out.next(fmt::format("dray adopt {} --all", shell_word(store.properties().uri)));
  }
}

void adopt(Context& context, Store& store, const Release& release) {
  AdoptResult result;
  ProgressView stats;
  const std::string reference = fmt::format("{}:{}", release.first, release.second);
  {
    ShownProgress shown(context, reference);
    shown.get().phase("reading");
    result = adopt_release(store, release.first, release.second, context.place(),
                           context.transfer_options(), shown.get(), context.stop());
    stats = shown.get().view();
  }
  const std::string uri =
      store.serving_uri(release_prefix(release.first, release.second, context.place()));
  Output& out = context.out();
  out.json(release_json(result.manifest, uri, result.changed));
  if (out.is_quiet()) {
    out.line(reference);
    return;
  }
  out.line(fmt::format("{} {}", out.strong(reference),
                       result.changed ? "is adopted" : "was adopted before"));
  print_facts(out, {{"where", uri},
                    {"read", moved_text(result.manifest.total_bytes(), stats.elapsed)},
                    {"root digest", result.manifest.root_digest}});
}

int run(Context& context) {
  check_place(context.place());
  const Location target = read_location(context.args().positional(0), context.place());
  const auto store = open_target(context, target);
  require_folder(*store);
  const auto releases = wanted(context, *store, target);
  const bool named_one = target.release.has_value() || !context.args().text("name").empty();
  if (context.args().flag("dry-run") || (!named_one && !context.args().flag("all"))) {
    tell(context, *store, releases);
    return 0;
  }
  std::vector<std::string> failed;
  for (const auto& release : releases) {
    try {
      adopt(context, *store, release);
    } catch (...) {
      const Error error = current_error();
      if (error.code() == Code::cancelled || releases.size() == 1) throw error;
      failed.push_back(fmt::format("{}:{}", release.first, release.second));
      context.out().error(error);
    }
  }
  if (releases.empty()) tell(context, *store, releases);
  if (!failed.empty())
    throw Error(Code::partial, fmt::format("{} of {} could not be adopted", failed.size(),
                                           count_of(releases.size(), "release")))
        .hint("the others are adopted; run the same command again for these");
  return 0;
}

}  // namespace

Command adopt_command() {
  return {.name = "adopt",
          .group = "Change",
          .summary = "record models that already lie in a store: hashed in place, nothing moves",
          .details =
              "Reads every byte below the folder of a version and writes the manifest that dray "
              "would have "
              "written. Without --all or a version it only tells what could be adopted.",
          .positionals = {{"LOCATION",
                           "the folder of all models (s3://BUCKET/model-data/), of one version "
                           "(s3://BUCKET/model-data/llama/1.0.0/), or a store; by default --to",
                           false}},
          .options = join(
              {store_options("to"),
               {{.name = "all", .value = "", .help = "adopt everything that has no manifest yet"},
                {.name = "name", .value = "NAME", .help = "adopt this model; with --version"},
                {.name = "version", .value = "VERSION", .help = "adopt this version; with --name"},
                {.name = "dry-run", .value = "", .help = "only tell what would be adopted"}},
               transfer_options()}),
          .examples = {{"dray adopt s3://bucket/model-data/", "tell what could be adopted"},
                       {"dray adopt s3://bucket/model-data/ --all", "adopt it"},
                       {"dray adopt s3://bucket/model-data/llama/1.0.0/", "one version"}},
          .run = run};
}

}  // namespace dray::cli
