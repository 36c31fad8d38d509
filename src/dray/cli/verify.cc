#include "dray/release/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/findings.h"
#include "dray/cli/found.h"
#include "dray/cli/report.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

struct Checked {
  Manifest manifest;
  std::string uri;
  VerifyResult result;
  std::chrono::milliseconds time{0};
};

void check_arguments(const Context& context) {
  const std::string text = context.args().positional(0);
  const bool all = context.args().flag("all");
  if (all != text.empty())
    throw Error(Code::usage, all ? "a release and --all were given" : "no release was given")
        .hint(all ? "leave one of them out: --all means every release of the store"
                  : "name one, `dray list` shows them, or say --all");
}

std::vector<Manifest> all_releases(Context& context, Store& store) {
  std::vector<Manifest> manifests;
  for (const auto& name : list_models(store, context.stop()))
    for (const auto& version : list_versions(store, name, context.stop()))
      if (auto manifest = find_manifest(store, name, version, context.stop()))
        manifests.push_back(std::move(*manifest));
  return manifests;
}

Checked check(Context& context, Store& store, Manifest manifest) {
  Checked checked;
  ShownProgress shown(context, fmt::format("{}:{}", manifest.name, manifest.version));
  shown.get().phase("verifying");
  checked.result = verify_release(store, manifest, context.place(), context.args().flag("quick"),
                                  context.transfer_options(), shown.get(), context.stop());
  checked.time = shown.get().view().elapsed;
  checked.uri = store.serving_uri(release_prefix(manifest.name, manifest.version, context.place()));
  checked.manifest = std::move(manifest);
  return checked;
}

Json checked_json(const Checked& checked, bool quick) {
  Json json = release_json(checked.manifest, checked.uri, false);
  json["quick"] = quick;
  json["intact"] = checked.result.problems.empty();
  json["files_checked"] = checked.result.files;
  json["bytes_checked"] = checked.result.bytes;
  json["seconds"] = static_cast<double>(checked.time.count()) / 1000;
  Json problems = Json::array();
  for (const auto& problem : checked.result.problems)
    problems.push_back({{"path", problem.path}, {"what", problem.what}});
  json["problems"] = std::move(problems);
  return json;
}

void print(Output& out, const Checked& checked, bool quick, bool all) {
  const std::string reference =
      fmt::format("{}:{}", checked.manifest.name, checked.manifest.version);
  const bool intact = checked.result.problems.empty();
  if (out.is_quiet()) {
    if (!intact) out.line(reference);
    return;
  }
  const std::string looked = quick ? fmt::format("{}: names, sizes and the store's checksums",
                                                 count_of(checked.result.files, "file"))
                                   : fmt::format("{}, {}", count_of(checked.result.files, "file"),
                                                 moved_text(checked.result.bytes, checked.time));
  out.line(fmt::format("{} {} ({})", reference,
                       intact ? out.good("is intact") : out.bad("is damaged"), looked));
  const auto& problems = checked.result.problems;
  const std::size_t shown = all ? problems.size() : std::min(problems.size(), kMostRows);
  for (std::size_t i = 0; i < shown; ++i)
    out.line(fmt::format("  {}: {}", printable(problems[i].path), printable(problems[i].what)));
  if (shown < problems.size())
    out.line(fmt::format("  and {} more (-v shows all, --json too)", problems.size() - shown));
  if (intact && !checked.manifest.root_digest.empty())
    print_facts(out, {{"root digest", checked.manifest.root_digest}});
}

/// Of the registry too, if one was named: an import without one is nothing wrong.
std::vector<Finding> catalogue_problems(Context& context, Store& store) {
  const Setting* named = context.args().find("registry");
  const auto registry = named == nullptr ? nullptr : context.open_registry();
  auto findings = find_problems(context, store, registry.get());
  // The bytes were looked at more closely already.
  std::erase_if(findings, [](const Finding& finding) { return finding.kind == "files-missing"; });
  return findings;
}

Error records_differ(const std::vector<Finding>& findings) {
  return Error(Code::verification,
               fmt::format("{} in the records", count_of(open_findings(findings), "problem")))
      .from(Side::destination)
      .hint("all files are intact; what can be mended without guessing, --fix mends");
}

int run(Context& context) {
  check_arguments(context);
  const bool all = context.args().flag("all");
  const Found found = all ? Found{context.open_store(), std::nullopt, nullptr}
                          : find_release(context, context.args().positional(0));
  const auto& store = found.store;
  const bool quick = context.args().flag("quick");
  Output& out = context.out();
  const auto manifests = all ? all_releases(context, *store) : std::vector{*found.manifest};
  std::vector<std::string> damaged;
  for (const auto& manifest : manifests) {
    const Checked checked = check(context, *store, manifest);
    print(out, checked, quick, context.args().times("verbose") > 0);
    if (!checked.result.problems.empty())
      damaged.push_back(fmt::format("{}:{}", manifest.name, manifest.version));
    out.json(checked_json(checked, quick));
  }
  if (all) {
    const auto findings = catalogue_problems(context, *store);
    print_findings(out, findings);
    out.json({{"store", store->properties().uri},
              {"releases", manifests.size()},
              {"damaged", damaged},
              {"findings", findings_json(findings)},
              {"changed", open_findings(findings) < findings.size()}});
    if (damaged.empty() && open_findings(findings) > 0) throw records_differ(findings);
    if (manifests.empty()) out.note(fmt::format("No releases in {}.", store->properties().uri));
  }
  if (damaged.empty()) return 0;
  throw Error(Code::verification,
              damaged.size() == 1
                  ? fmt::format("{} is not what its manifest states", damaged.front())
                  : fmt::format("{} of {} releases are not what their manifests state",
                                damaged.size(), manifests.size()))
      .from(Side::destination)
      .hint(
          "import the same source again under a new version; a version's files are never replaced");
}

}  // namespace

Command verify_command() {
  return {
      .name = "verify",
      .group = "Look",
      .summary = "read a release's bytes again and compare them with its manifest",
      .positionals = {{"REF", kRefHelp, false}},
      .options = join({store_options(),
                       {{.name = "quick",
                         .value = "",
                         .help = "only names, sizes and the store's own checksums; reads no bytes"},
                        {.name = "all",
                         .value = "",
                         .help = "every release of the store, and whether its records agree"},
                        {.name = "fix",
                         .value = "",
                         .help = "with --all: mend records that can be mended without guessing",
                         .typed = true}},
                       registry_options(),
                       transfer_options()}),
      .examples = {{"dray verify llama:1.0.0", "every byte"},
                   {"dray verify --all --quick --store s3://bucket", "the whole store in seconds"}},
      .run = run};
}

}  // namespace dray::cli
