#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/cli/suggest.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

std::vector<std::string> aliases_of(const std::vector<AliasMove>& moves,
                                    const std::string& version) {
  std::vector<std::string> names;
  for (const auto& move : moves)
    if (move.version == version) names.push_back(move.alias);
  return names;
}

void list_all(Context& context, Store& store) {
  Table table{{{"MODEL", false, true}, {"NEWEST"}, {"VERSIONS", true}, {"ALIASES", false, true}},
              {}};
  Json models = Json::array();
  std::vector<std::string> names;
  {
    ShownProgress shown(context, "list");
    shown.get().phase("reading the catalogue");
    for (const auto& name : list_models(store, context.stop())) {
      const auto versions = list_versions(store, name, context.stop());
      if (versions.empty()) continue;
      std::vector<std::string> texts;
      Json aliases = Json::object();
      for (const auto& move : list_aliases(store, name, context.stop())) {
        texts.push_back(fmt::format("{} → {}", move.alias, move.version));
        aliases[move.alias] = move.version;
      }
      names.push_back(name);
      table.rows.push_back({name, versions.back(), std::to_string(versions.size()),
                            fmt::format("{}", fmt::join(texts, ", "))});
      models.push_back({{"name", name},
                        {"newest", versions.back()},
                        {"versions", versions},
                        {"aliases", std::move(aliases)}});
    }
  }
  Output& out = context.out();
  out.json({{"store", store.properties().uri}, {"models", std::move(models)}});
  if (names.empty()) {
    out.note(fmt::format("No models in {}.", store.properties().uri));
    out.next("dray import hf://openai-community/gpt2" +
             (context.store_flag().empty() ? "" : " --to " + shell_word(context.store_text())));
  } else if (out.is_quiet()) {
    for (const auto& name : names) out.line(name);
  } else {
    out.table(table);
  }
}

void list_one(Context& context, Store& store, const std::string& name) {
  Table table{{{"RELEASE", false, true},
               {"SIZE", true},
               {"FILES", true},
               {"MADE"},
               {"SOURCE", false, true},
               {"COMMIT"},
               {"ALIASES"}},
              {}};
  Json releases = Json::array();
  std::vector<std::string> references;
  {
    ShownProgress shown(context, name);
    shown.get().phase("reading the catalogue");
    const auto versions = list_versions(store, name, context.stop());
    if (versions.empty()) {
      const std::string likely = closest(name, list_models(store, context.stop()));
      throw Error(Code::not_found, fmt::format("there is no model '{}'", name))
          .on("list", store.properties().uri)
          .hint(likely.empty() ? "`dray list` shows what is there"
                               : fmt::format("did you mean {}?", likely));
    }
    const auto aliases = list_aliases(store, name, context.stop());
    for (const auto& version : versions) {
      const auto manifest = find_manifest(store, name, version, context.stop());
      if (!manifest) continue;  // removed since it was listed
      const auto pins = aliases_of(aliases, version);
      references.push_back(fmt::format("{}:{}", name, version));
      table.rows.push_back({references.back(), human_size(manifest->total_bytes()),
                            std::to_string(manifest->files.size()), rfc3339(manifest->created),
                            origin_text(manifest->origin), manifest->origin.commit.substr(0, 12),
                            fmt::format("{}", fmt::join(pins, ", "))});
      Json json = release_json(
          *manifest, store.serving_uri(release_prefix(name, version, context.place())), false);
      json["created"] = rfc3339(manifest->created);
      json["aliases"] = pins;
      releases.push_back(std::move(json));
    }
  }
  Output& out = context.out();
  out.json({{"store", store.properties().uri}, {"releases", std::move(releases)}});
  if (out.is_quiet()) {
    for (const auto& reference : references) out.line(reference);
  } else {
    out.table(table);
  }
}

int run(Context& context) {
  const auto store = context.open_store();
  const std::string text = context.args().positional(0);
  if (text.empty()) {
    list_all(context, *store);
  } else {
    list_one(context, *store, parse_reference(text).name);
  }
  return 0;
}

}  // namespace

Command list_command() {
  return {.name = "list",
          .group = "Look",
          .summary = "list the models of a store, or the versions of one",
          .positionals = {{"NAME", "a model; without it, all of them", false}},
          .options = store_options(),
          .examples = {{"dray list", "all models, their newest version and aliases"},
                       {"dray list llama --store s3://bucket", "the versions of one"},
                       {"dray list -q", "names only, for scripts"}},
          .run = run};
}

}  // namespace dray::cli
