#include "dray/release/history.h"

#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/model/reference.h"

namespace dray::cli {

namespace {

Json event_json(const HistoryEvent& event) {
  Json json = {{"time", rfc3339(event.time)},
               {"event", event.what},
               {"alias", event.alias.empty() ? Json() : Json(event.alias)},
               {"version", event.version},
               {"previous", event.previous},
               {"by", event.actor},
               {"known_by", event.actor_source},
               {"reason", event.reason}};
  if (event.seq != 0) json["seq"] = event.seq;
  return json;
}

int run(Context& context) {
  const Reference reference = parse_reference(context.args().positional(0));
  std::string alias = context.args().text("alias");
  if (alias.empty()) alias = reference.alias;
  const auto store = context.open_store();
  std::vector<HistoryEvent> events;
  {
    ShownProgress shown(context, reference.text());
    shown.get().phase("reading the catalogue");
    events = model_history(*store, reference.name, alias, context.stop());
  }
  if (!reference.version.empty())
    std::erase_if(events, [&](const HistoryEvent& event) {
      return event.version != reference.version && event.previous != reference.version;
    });
  if (events.empty())
    throw Error(Code::not_found, "there is no such model, version or alias")
        .on("read the history of", reference.text())
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
                          event.version, event.previous, event.actor, event.reason});
    list.push_back(event_json(event));
  }
  out.json({{"name", reference.name}, {"history", std::move(list)}});
  out.table(table);
  return 0;
}

}  // namespace

Command history_command() {
  return {.name = "history",
          .group = "Look",
          .summary =
              "tell what happened to a model: releases, moves of its aliases, removals, by "
              "whom and why",
          .details =
              "--json also tells how each actor is known: by the login of a machine, by a CI "
              "system's variables, or by a Kubernetes service account.",
          .positionals = {{"NAME", "a model, NAME:VERSION or NAME@ALIAS"}},
          .options =
              join({store_options(),
                    {{.name = "alias", .value = "ALIAS", .help = "only the moves of this alias"}}}),
          .examples = {{"dray history llama", "all of it"},
                       {"dray history llama@production", "what was in production when"}},
          .run = run};
}

}  // namespace dray::cli
