// Results of evaluations, where both releases have some.
#include <fmt/format.h>

#include <map>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/release/diff_parts.h"

namespace dray {

namespace {

using Metrics = std::map<std::string, double>;

/// "acc,none" is "acc"; errors of the mean are no metrics of their own.
void add_task(const std::string& task, const Json& values, Metrics& out) {
  if (!values.is_object()) return;
  for (const auto& [key, value] : values.items()) {
    const std::string metric = key.substr(0, key.find(','));
    if (!value.is_number() || metric.ends_with("_stderr")) continue;
    out[fmt::format("{} {}", task, metric)] = value.get<double>();
  }
}

/// Reports as the LM Evaluation Harness writes them: {"results": {task: {metric: number}}}.
Metrics metrics_of(const DiffSide& side, ReleaseDifference& out, const std::stop_token& stop) {
  Metrics found;
  StateStore& state = side.store->state();
  for (const auto& item :
       state.list(eval_prefix(side.manifest.name, side.manifest.version), stop)) {
    if (!item.key.ends_with(".json")) continue;
    try {
      const auto text = state.get(item.key, stop);
      if (!text) continue;
      const Json report = parse_json(*text, item.key);
      const auto results = report.is_object() ? report.find("results") : report.end();
      if (results == report.end() || !results->is_object()) continue;
      for (const auto& [task, values] : results->items()) add_task(task, values, found);
    } catch (const Error& error) {
      if (error.code() != Code::malformed) throw;
      out.notes.push_back(error.what());
    }
  }
  return found;
}

}  // namespace

void diff_metrics(const DiffSide& before, const DiffSide& after, ReleaseDifference& out,
                  const std::stop_token& stop) {
  const Metrics old = metrics_of(before, out, stop), now = metrics_of(after, out, stop);
  for (const auto& [name, value] : old) {
    const auto other = now.find(name);
    out.metrics.push_back(
        {name, value, other == now.end() ? std::nullopt : std::optional(other->second)});
  }
  for (const auto& [name, value] : now)
    if (!old.contains(name)) out.metrics.push_back({name, std::nullopt, value});
}

}  // namespace dray
