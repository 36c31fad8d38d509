#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

int run(Context& context) {
  const Args& args = context.args();
  const Reference reference = parse_reference(args.positional(0));
  const auto store = context.open_store();
  const auto registry = context.open_registry();
  if (registry == nullptr)
    throw Error(Code::usage, "there is no registry to register in: it is 'none'")
        .hint("name one: --registry https://HOST, or --registry sqlite:PATH");
  Manifest manifest;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase("reading the catalogue");
    manifest = resolve_release(*store, reference, context.stop());
  }
  const std::string uri =
      store->serving_uri(release_prefix(manifest.name, manifest.version, context.place()));
  const Registration registration = registration_of(manifest, uri);
  Output& out = context.out();
  const std::string text = fmt::format("{}:{}", manifest.name, manifest.version);
  if (args.flag("dry-run")) {
    Json json = release_json(manifest, uri, false);
    json["dry_run"] = true;
    json["registry"] = {{"address", registry->name()}};
    json["properties"] = registration.properties;
    out.json(json);
    out.line(
        fmt::format("{} would be registered in {}", out.strong(text), printable(registry->name())));
    std::vector<std::pair<std::string, std::string>> facts(registration.properties.begin(),
                                                           registration.properties.end());
    print_facts(out, facts);
    return 0;
  }
  RegisteredIds ids;
  {
    ShownProgress shown(context, text);
    shown.get().phase("registering");
    ids = registry->put(registration, context.stop());
  }
  Json json = release_json(manifest, uri, ids.changed);
  json["registry"] = {{"address", registry->name()},
                      {"model_id", ids.model_id},
                      {"version_id", ids.version_id},
                      {"artifact_id", ids.artifact_id},
                      {"changed", ids.changed}};
  out.json(json);
  if (out.is_quiet()) {
    out.line(text);
    return 0;
  }
  out.line(fmt::format("{} {} registered in {}", out.strong(text),
                       ids.changed ? "is now" : "was already", printable(registry->name())));
  print_facts(out, {{"where", uri},
                    {"model", ids.model_id},
                    {"version", ids.version_id},
                    {"artifact", ids.artifact_id}});
  return 0;
}

}  // namespace

Command registry_register_command() {
  return {
      .name = "registry register",
      .group = "Change",
      .summary = "write a release of a store into a model registry",
      .details = "For releases that were made while the registry was down or not in use.",
      .positionals = {{"REF", "NAME, NAME:VERSION or NAME@ALIAS"}},
      .options = join({store_options(),
                       registry_options(),
                       {{.name = "dry-run", .value = "", .help = "print what would be written"}}}),
      .examples = {{"dray registry register llama:1.0.0 --store s3://bucket --registry "
                    "https://registry.example",
                    "into a Kubeflow or OpenShift AI Model Registry"}},
      .run = run};
}

}  // namespace dray::cli
