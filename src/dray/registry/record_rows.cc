#include "dray/registry/record_rows.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/registry/record_errors.h"
#include "dray/registry/record_property.h"
#include "dray/registry/record_query.h"

namespace dray {

namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::string_view kSelect =
    "SELECT r.id, r.kind, r.parent, r.document FROM resource r WHERE ";

int number(Kind kind) { return static_cast<int>(kind); }

RecordRow read_row(const Statement& statement) {
  RecordRow row{.id = statement.integer(0),
                .kind = static_cast<Kind>(statement.integer(1)),
                .document = statement.text(3)};
  if (!statement.is_null(2)) row.parent = statement.integer(2);
  return row;
}

std::string text_field(const Json& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->get<std::string>();
}

void bind_parent(Statement& statement, const ParentId& parent) {
  if (parent)
    statement.bind(*parent);
  else
    statement.bind_or_null("");
}

void complete(const KindInfo& kind, const RecordHead& head, Json& fields) {
  fields["id"] = std::to_string(head.id);
  fields["createTimeSinceEpoch"] = std::to_string(head.created);
  fields["lastUpdateTimeSinceEpoch"] = std::to_string(head.updated);
  // Kubeflow's web interface reads it without asking whether it is there.
  if (!fields.contains("customProperties")) fields["customProperties"] = Json::object();
  if (is_artifact(kind.kind)) fields["artifactType"] = kind.artifact_type;
}

void insert_search_values(Connection& connection, const KindInfo& kind, std::int64_t owner,
                          const Json& document) {
  for (const SearchValue& value : search_values(kind, document)) {
    const auto add = connection.prepared(
        "INSERT INTO property (owner, name, custom, kind, type, value) VALUES (?, ?, ?, ?, ?, ?)");
    add->bind(owner).bind(value.name).bind(std::int64_t{value.custom});
    add->bind(std::int64_t{number(kind.kind)}).bind(std::int64_t{static_cast<int>(value.type)});
    std::visit([&](const auto& held) { add->bind(held); }, value.value);
    add->run();
  }
}

/// A violated constraint is a name or an externalId that is taken.
template <typename F>
void or_exists(const KindInfo& kind, const Json& fields, F write) {
  try {
    write();
  } catch (const Error& error) {
    if (error.code() != Code::conflict) throw;
    throw record_exists(kind.kind, text_field(fields, "name"));
  }
}

}  // namespace

std::optional<RecordRow> find_row(Connection& connection, Kind kind, std::int64_t id) {
  const auto find = connection.prepared(std::string(kSelect) + "r.id = ?");
  find->bind(id);
  if (!find->step()) return std::nullopt;
  RecordRow row = read_row(*find);
  const bool fits = kind == Kind::any_artifact
                        ? is_artifact(row.kind) && row.kind != Kind::metric_history
                        : row.kind == kind;
  if (!fits) return std::nullopt;
  return row;
}

std::optional<RecordRow> find_row_named(Connection& connection, Kind kind, std::int64_t parent,
                                        std::string_view name) {
  const auto find = connection.prepared(
      fmt::format("{}{} AND r.parent = ? AND r.name = ?", kSelect, kind_condition("r", kind)));
  find->bind(parent).bind(name);
  if (!find->step()) return std::nullopt;
  return read_row(*find);
}

std::int64_t next_row_id(Connection& connection) {
  const auto last = connection.prepared("SELECT seq FROM sqlite_sequence WHERE name = 'resource'");
  return last->step() ? last->integer(0) + 1 : 1;
}

std::string insert_row(Connection& connection, const KindInfo& kind, const RecordHead& head,
                       Json fields) {
  complete(kind, head, fields);
  std::string document = dump_json(fields);
  or_exists(kind, fields, [&] {
    const auto add = connection.prepared(
        "INSERT INTO resource (id, kind, family, parent, name, external_id, created, updated, "
        "document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    add->bind(head.id).bind(std::int64_t{number(kind.kind)});
    add->bind(std::int64_t{static_cast<int>(kind.family)});
    bind_parent(*add, head.parent);
    add->bind(text_field(fields, "name")).bind_or_null(text_field(fields, "externalId"));
    add->bind(head.created).bind(head.updated).bind(document);
    add->run();
  });
  insert_search_values(connection, kind, head.id, fields);
  return document;
}

std::string replace_row(Connection& connection, const KindInfo& kind, const RecordHead& head,
                        Json fields) {
  complete(kind, head, fields);
  std::string document = dump_json(fields);
  or_exists(kind, fields, [&] {
    const auto change = connection.prepared(
        "UPDATE resource SET parent = ?, external_id = ?, updated = ?, document = ? WHERE id = ?");
    bind_parent(*change, head.parent);
    change->bind_or_null(text_field(fields, "externalId")).bind(head.updated).bind(document);
    change->bind(head.id).run();
  });
  const auto remove = connection.prepared("DELETE FROM property WHERE owner = ?");
  remove->bind(head.id).run();
  insert_search_values(connection, kind, head.id, fields);
  return document;
}

}  // namespace dray
