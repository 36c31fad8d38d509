#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/diff_text.h"
#include "dray/cli/found.h"
#include "dray/cli/report.h"

namespace dray::cli {

namespace {

Json side_json(const DiffSide& side) {
  const Manifest& manifest = side.manifest;
  Json json = release_json(
      manifest,
      side.store->serving_uri(release_prefix(manifest.name, manifest.version, side.place)), false);
  json.erase("changed");
  return json;
}

int run(Context& context) {
  const Args& args = context.args();
  Found first, second;
  DiffSide before{.place = context.place()};
  DiffSide after{.place = context.place()};
  ReleaseDifference difference;
  {
    ShownProgress shown(context, "diff");
    shown.get().phase("reading the catalogue");
    first = find_release(context, args.positional(0));
    second = find_release(context, args.positional(1), args.text("other-store"));
    before.store = first.store.get();
    before.manifest = *first.manifest;
    after.store = second.store.get();
    after.manifest = *second.manifest;
    shown.get().phase("comparing");
    difference = diff_releases(before, after, context.stop());
  }
  Output& out = context.out();
  Json json = difference_json(difference);
  json["before"] = side_json(before);
  json["after"] = side_json(after);
  json["changed"] = false;
  out.json(json);
  if (out.is_quiet()) {
    for (const auto& file : difference.files) out.line(printable(file.path));
    return 0;
  }
  print_difference(out, before.manifest, after.manifest, difference, args.flag("all"));
  return 0;
}

}  // namespace

Command diff_command() {
  return {.name = "diff",
          .group = "Look",
          .summary = "compare two releases: files, settings, tensors, chat templates, evaluations",
          .details =
              "Of weights only the headers are read. Files of the same content are told as "
              "renamed. Settings are those of config.json, generation_config.json, "
              "tokenizer_config.json and their like.",
          .positionals = {{"A", std::string("the release before: ") + kRefHelp},
                          {"B", "the release after"}},
          .options = join(
              {store_options(),
               {{.name = "other-store", .value = "STORE", .help = "where B is kept, if elsewhere"},
                {.name = "all", .value = "", .help = "show every difference, however many"}}}),
          .examples = {{"dray diff llama:1.0.0 llama:1.1.0", "two versions"},
                       {"dray diff llama@production llama", "what would change with the newest"},
                       {"dray diff llama llama --store dir:/a --other-store s3://bucket",
                        "two stores"}},
          .run = run};
}

}  // namespace dray::cli
