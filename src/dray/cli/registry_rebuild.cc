#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/release/project.h"

namespace dray::cli {

namespace {

int run(Context& context) {
  const std::string text = context.args().positional(0);
  const std::string only = text.empty() ? "" : parse_reference(text).name;
  const auto store = context.open_store();
  const auto registry = context.open_registry();
  if (registry == nullptr)
    throw Error(Code::usage, "there is no registry to rebuild: it is 'none'")
        .hint("name one: --registry https://HOST, or --registry sqlite:PATH");
  RebuildResult result;
  {
    ShownProgress shown(context, "registry");
    shown.get().phase("reading the catalogue");
    result = rebuild_registry(*store, *registry, only, context.place(), context.stop());
  }
  if (result.releases == 0 && !only.empty())
    throw Error(Code::not_found, "there is no such model")
        .on("rebuild", only)
        .hint(fmt::format("`dray list{}` shows what is there", context.store_flag()));
  Output& out = context.out();
  out.json({{"store", store->properties().uri},
            {"registry", {{"address", registry->name()}}},
            {"models", result.models},
            {"releases", result.releases},
            {"archived", result.archived},
            {"aliases", result.aliases},
            {"changed", result.changed > 0}});
  out.line(fmt::format("{} shows {} of {} and {}{}", registry->name(),
                       count_of(result.releases, "release"), count_of(result.models, "model"),
                       result.aliases == 1 ? "1 alias" : fmt::format("{} aliases", result.aliases),
                       result.changed == 0 ? ", as before" : ""));
  return 0;
}

}  // namespace

Command registry_rebuild_command() {
  return {
      .name = "registry rebuild",
      .group = "Change",
      .summary = "make a registry show what a store holds: releases, aliases, states",
      .details =
          "From the manifests and logs of the store, which are what counts. Removed versions are "
          "shown as archived. What the registry holds besides stays, and doing it again changes "
          "nothing.",
      .positionals = {{"NAME", "one model; without it, all of them", false}},
      .options = join({store_options("from"), registry_options()}),
      .examples = {{"dray registry rebuild --from s3://bucket", "after the file was lost"},
                   {"dray registry rebuild llama --from s3://bucket --registry https://HOST",
                    "one model, into a Kubeflow or OpenShift AI Model Registry"}},
      .run = run};
}

}  // namespace dray::cli
