#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

struct Event {
  UnixTime time = 0;
  std::string what, version, previous, who, reason;
  std::string alias;  // "" for an import
  std::uint64_t seq = 0;
};

/// Also of aliases that point nowhere now.
std::vector<std::string> all_aliases(Context& context, Store& store, const std::string& name) {
  // ".dray/aliases/NAME/" from the key of any alias.
  std::string prefix = alias_prefix(name, "x");
  prefix.resize(prefix.size() - 2);
  return store.list_names(prefix, context.stop());
}

std::vector<Event> read_events(Context& context, Store& store, const std::string& name) {
  const std::string only = context.args().text("alias");
  std::vector<Event> events;
  for (const auto& alias :
       only.empty() ? all_aliases(context, store, name) : std::vector<std::string>{only}) {
    for (const auto& move : alias_history(store, name, alias, context.stop()))
      events.push_back({move.time, move.version.empty() ? "removed" : "moved", move.version,
                        move.previous, move.actor, move.reason, alias, move.seq});
  }
  if (only.empty()) {
    for (const auto& version : list_versions(store, name, context.stop())) {
      const auto manifest = find_manifest(store, name, version, context.stop());
      if (manifest)
        events.push_back({manifest->created, "released", version, "", manifest->created_by,
                          origin_text(manifest->origin), "", 0});
    }
  }
  // A version is released before an alias can point to it, also within one second.
  std::ranges::stable_sort(
      events, {}, [](const Event& event) { return std::pair(event.time, !event.alias.empty()); });
  return events;
}

int run(Context& context) {
  const std::string name = parse_reference(context.args().positional(0)).name;
  const auto store = context.open_store();
  std::vector<Event> events;
  {
    ShownProgress shown(context, name);
    shown.get().phase("reading the catalogue");
    events = read_events(context, *store, name);
  }
  if (events.empty())
    throw Error(Code::not_found, "there is no such model or alias")
        .on("read the history of", name)
        .hint(
            fmt::format("`dray list{}` shows the models and their aliases", context.store_flag()));
  Output& out = context.out();
  Table table{
      {{"TIME"}, {"EVENT"}, {"VERSION"}, {"BEFORE"}, {"BY", false, true}, {"WHY", false, true}},
      {}};
  Json list = Json::array();
  for (const auto& event : events) {
    table.rows.push_back({rfc3339(event.time),
                          event.alias.empty() ? event.what : event.alias + " " + event.what,
                          event.version, event.previous, event.who, event.reason});
    list.push_back({{"time", rfc3339(event.time)},
                    {"event", event.what},
                    {"alias", event.alias.empty() ? Json() : Json(event.alias)},
                    {"version", event.version},
                    {"previous", event.previous},
                    {"by", event.who},
                    {"reason", event.reason}});
  }
  out.json({{"name", name}, {"history", std::move(list)}});
  out.table(table);
  return 0;
}

}  // namespace

Command history_command() {
  return {.name = "history",
          .group = "Look",
          .summary =
              "tell what happened to a model: releases and moves of its aliases, by whom and why",
          .positionals = {{"NAME", "a model"}},
          .options =
              join({store_options(),
                    {{.name = "alias", .value = "ALIAS", .help = "only the moves of this alias"}}}),
          .examples = {{"dray history llama", "all of it"},
                       {"dray history llama --alias production", "what was in production when"}},
          .run = run};
}

}  // namespace dray::cli
