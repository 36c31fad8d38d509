#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/cli/suggest.h"
#include "dray/release/versions.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

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

Error unknown_model(Context& context, Store& store, const std::string& name) {
  const std::string likely = closest(name, list_models(store, context.stop()));
  return Error(Code::not_found, fmt::format("there is no model '{}'", name))
      .on("list", store.properties().uri)
      .hint(likely.empty() ? "`dray list` shows what is there"
                           : fmt::format("did you mean {}?", likely));
}

std::string state_text(const VersionView& view) {
  if (view.state == VersionState::live) return "";
  if (view.state != VersionState::removed || !view.change)
    return std::string(state_name(view.state));
  return "removed, kept until " + rfc3339(view.change->purge_after);
}

Json version_json(const VersionView& view, const std::string& uri) {
  Json json = release_json(view.manifest, uri, false);
  json["created"] = rfc3339(view.manifest.created);
  json["aliases"] = view.aliases;
  json["state"] = state_name(view.state);
  if (view.state == VersionState::removed && view.change)
    json["purge_after"] = rfc3339(view.change->purge_after);
  return json;
}

void list_one(Context& context, Store& store, const std::string& name) {
  Table table{{{"RELEASE", false, true},
               {"STATE"},
               {"SIZE", true},
               {"FILES", true},
               {"MADE"},
               {"SOURCE", false, true},
               {"COMMIT"},
               {"ALIASES"}},
              {}};
  std::vector<VersionView> views;
  {
    ShownProgress shown(context, name);
    shown.get().phase("reading the catalogue");
    views = versions_of(store, name, context.args().flag("removed"), context.stop());
    if (views.empty()) throw unknown_model(context, store, name);
  }
  Json releases = Json::array();
  for (const auto& view : views) {
    const Manifest& manifest = view.manifest;
    table.rows.push_back({fmt::format("{}:{}", name, manifest.version), state_text(view),
                          human_size(manifest.total_bytes()), std::to_string(manifest.files.size()),
                          rfc3339(manifest.created), origin_text(manifest.origin),
                          manifest.origin.commit.substr(0, 12),
                          fmt::format("{}", fmt::join(view.aliases, ", "))});
    releases.push_back(version_json(
        view, store.serving_uri(release_prefix(name, manifest.version, context.place()))));
  }
  // Of most models nothing was ever put away: then the column only takes room.
  if (std::ranges::all_of(table.rows, [](const auto& row) { return row[1].empty(); })) {
    table.columns.erase(table.columns.begin() + 1);
    for (auto& row : table.rows) row.erase(row.begin() + 1);
  }
  Output& out = context.out();
  out.json({{"store", store.properties().uri}, {"releases", std::move(releases)}});
  if (out.is_quiet()) {
    for (const auto& view : views) out.line(fmt::format("{}:{}", name, view.manifest.version));
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
          .options = join({store_options(),
                           {{.name = "removed",
                             .value = "",
                             .help = "of one model, also versions that can still be restored"}}}),
          .examples = {{"dray list", "all models, their newest version and aliases"},
                       {"dray list llama --store s3://bucket", "the versions of one"},
                       {"dray list -q", "names only, for scripts"}},
          .run = run};
}

}  // namespace dray::cli
