// Plans of migrations as files.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/json.h"
#include "dray/release/migrate.h"

namespace dray {

namespace {

constexpr const char* kFormat = "dray-migration-plan";
constexpr std::uint64_t kVersion = 1;
constexpr MigrateAction kActions[] = {MigrateAction::copy, MigrateAction::point,
                                      MigrateAction::done, MigrateAction::skip};

Json item_json(const MigrateItem& item) {
  Json out = {{"model", item.model},
              {"version", item.version},
              {"artifact_id", item.artifact_id},
              {"name", item.name},
              {"release_version", item.release_version},
              {"uri", item.uri},
              {"target", item.target},
              {"action", action_name(item.action)},
              {"bytes", item.bytes ? Json(*item.bytes) : Json()}};
  if (!item.reason.empty()) out["reason"] = item.reason;
  if (!item.hint.empty()) out["hint"] = item.hint;
  return out;
}

MigrateItem parse_item(const Json& json, std::string_view what) {
  MigrateItem item;
  item.model = get_string(json, "model", what);
  item.version = get_string(json, "version", what);
  item.artifact_id = get_string(json, "artifact_id", what);
  item.name = get_string(json, "name", what);
  item.release_version = get_string(json, "release_version", what);
  item.uri = item.origin = get_string(json, "uri", what);
  item.target = get_string(json, "target", what);
  item.bytes = find_u64(json, "bytes", what);
  const std::string action = get_string(json, "action", what);
  const auto known = std::ranges::find(kActions, action, action_name);
  if (known == std::end(kActions))
    throw Error(Code::malformed, fmt::format("there is no action '{}'", action))
        .on("read", std::string(what));
  item.action = *known;
  return item;
}

}  // namespace

std::string plan_text(const MigratePlan& plan) {
  Json items = Json::array();
  for (const MigrateItem& item : plan.items) items.push_back(item_json(item));
  return dump_json_pretty({{"format", kFormat},
                           {"version", kVersion},
                           {"registry", plan.registry},
                           {"from", plan.from},
                           {"to", plan.to},
                           {"rollback", plan.rollback},
                           {"items", std::move(items)}});
}

MigratePlan parse_plan(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, {.bytes = 64 << 20, .depth = 8});
  if (find_string(json, "format", what) != kFormat)
    throw Error(Code::malformed, "this is no plan of a migration").on("read", std::string(what));
  if (get_u64(json, "version", what) > kVersion)
    throw Error(Code::unsupported, "a later dray wrote this plan").on("read", std::string(what));
  MigratePlan plan;
  plan.registry = get_string(json, "registry", what);
  plan.from = get_string(json, "from", what);
  plan.to = get_string(json, "to", what);
  plan.rollback = find_bool(json, "rollback", what).value_or(false);
  for (const Json& item : get_array(json, "items", what))
    plan.items.push_back(parse_item(item, what));
  return plan;
}

std::vector<MigrateItem> still_planned(const std::vector<MigrateItem>& planned,
                                       const std::vector<MigrateItem>& now) {
  std::vector<MigrateItem> out;
  for (const MigrateItem& item : planned) {
    if (item.action == MigrateAction::skip) continue;
    const auto found = std::ranges::find(now, item.artifact_id, &MigrateItem::artifact_id);
    const bool same = found != now.end() && found->target == item.target &&
                      (found->uri == item.uri || found->action == MigrateAction::done);
    if (same) {
      out.push_back(*found);
      continue;
    }
    MigrateItem changed = item;
    changed.action = MigrateAction::skip;
    changed.failure = Code::precondition;
    changed.reason = found == now.end() ? "the entry changed after the plan was made"
                                        : fmt::format(
                                              "the entry changed after the plan was made: "
                                              "it says {}",
                                              found->uri);
    changed.hint = "make the plan again";
    out.push_back(std::move(changed));
  }
  return out;
}

}  // namespace dray
