#include "dray/registry/record_reader.h"

#include <fmt/format.h>

#include <optional>

#include "dray/base/json.h"
#include "dray/registry/record_errors.h"
#include "dray/registry/record_kind.h"
#include "dray/registry/record_query.h"
#include "dray/registry/record_rows.h"

namespace dray {

namespace {

using sqlite::Connection;

/// Then a name alone does not tell which is meant.
bool needs_parent(Kind kind) { return is_artifact(kind) || kind_info(kind).parent.has_value(); }

std::string shown(Kind kind, const FindQuery& query) {
  const std::string parent =
      needs_parent(kind) ? fmt::format(", parentResourceId={}", query.parent_id) : "";
  return fmt::format("{}s found for name={}{}, externalId={}", kind_label(kind), query.name, parent,
                     query.external_id);
}

SqlText find_statement(Kind kind, const FindQuery& query) {
  const bool by_name = !query.name.empty() && (!needs_parent(kind) || !query.parent_id.empty());
  if (!by_name && query.external_id.empty())
    throw bad_request(needs_parent(kind) ? "invalid parameters call, supply either (name and "
                                           "parentResourceId), or externalId"
                                         : "invalid parameters call, supply either name or "
                                           "externalId");
  SqlText sql;
  sql += "SELECT r.document FROM resource r WHERE ";
  sql += kind_condition("r", kind);
  if (!needs_parent(kind)) {
    sql += " AND r.parent = 0";
  } else if (!query.parent_id.empty()) {
    sql += " AND r.parent = ?";
    sql.value(record_id(parent_kind(kind), query.parent_id));
  }
  if (!query.name.empty()) {
    sql += " AND r.name = ?";
    sql.value(query.name);
  }
  if (!query.external_id.empty()) {
    const Family family = is_artifact(kind) ? Family::artifact : kind_info(kind).family;
    sql += fmt::format(" AND r.family = {} AND r.external_id = ?", static_cast<int>(family));
    sql.value(query.external_id);
  }
  return sql;
}

Json service(Connection& connection, std::string_view id) {
  const auto row =
      find_row(connection, Kind::inference_service, record_id(Kind::inference_service, id));
  if (!row) throw record_not_found(fmt::format("no inference service found for id {}", id));
  return Json::parse(row->document);
}

}  // namespace

std::string get_record(Connection& connection, Kind kind, std::string_view id) {
  auto row = find_row(connection, kind, record_id(kind, id));
  if (!row) throw no_such_record(kind, id);
  return std::move(row->document);
}

std::string find_record(Connection& connection, Kind kind, const FindQuery& query) {
  const SqlText sql = find_statement(kind, query);
  const auto find = connection.prepared(sql.text);
  bind_all(*find, sql);
  if (!find->step()) throw record_not_found(fmt::format("no {}", shown(kind, query)));
  std::string document = find->text(0);
  if (find->step()) throw record_not_found(fmt::format("multiple {}", shown(kind, query)));
  return document;
}

std::string model_of_service(Connection& connection, std::string_view id) {
  const auto model = service(connection, id).at("registeredModelId").get<std::string>();
  return get_record(connection, Kind::registered_model, model);
}

std::string version_of_service(Connection& connection, std::string_view id) {
  const Json document = service(connection, id);
  const auto pinned = document.find("modelVersionId");
  if (pinned != document.end())
    return get_record(connection, Kind::model_version, pinned->get<std::string>());
  const auto newest = connection.prepared(fmt::format(
      "SELECT document FROM resource WHERE kind = {} AND parent = ? ORDER BY created DESC, id DESC "
      "LIMIT 1",
      static_cast<int>(Kind::model_version)));
  newest->bind(
      record_id(Kind::registered_model, document.at("registeredModelId").get<std::string>()));
  if (!newest->step()) throw record_not_found(fmt::format("no model versions found for id {}", id));
  return newest->text(0);
}

}  // namespace dray
