#include "dray/registry/record_writer.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <utility>

#include "dray/base/error.h"
#include "dray/registry/record_errors.h"

namespace dray {

namespace {

using Form = RecordBody::Form;

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// A random UUID (version 4): the name of what nobody named.
std::string made_up_name() {
  std::random_device random;
  const auto word = [&random] { return random() & 0xffffffffU; };
  const unsigned a = word(), b = word(), c = word(), d = word();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16U, b & 0xfffU,
                     ((c >> 16U) & 0x3fffU) | 0x8000U, c & 0xffffU, d);
}

std::string text_of(const Json& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() || !found->is_string() ? "" : found->get<std::string>();
}

std::int64_t number_of(const Json& fields, std::string_view name) {
  return std::stoll(text_of(fields, name));
}

/// Documents are our own, and were checked when they were written.
Json stored(const std::string& document) { return Json::parse(document); }

void check_run_times(const Json& fields) {
  if (!fields.contains("startTimeSinceEpoch") || !fields.contains("endTimeSinceEpoch")) return;
  const std::int64_t start = number_of(fields, "startTimeSinceEpoch");
  const std::int64_t end = number_of(fields, "endTimeSinceEpoch");
  if (end < start)
    throw bad_request(fmt::format(
        "EndTimeSinceEpoch ({}) cannot be less than StartTimeSinceEpoch ({})", end, start));
}

void check_complete(const KindInfo& kind, const Json& fields) {
  if (kind.kind == Kind::metric && !fields.contains("value"))
    throw bad_request("metric value is required");
  if (kind.kind == Kind::experiment_run) check_run_times(fields);
}

/// The server's own names for where an artifact comes from are no custom properties.
void drop_reserved_properties(Json& fields) {
  const auto properties = fields.find("customProperties");
  if (properties == fields.end()) return;
  properties->erase("experiment_id");
  properties->erase("experiment_run_id");
}

void set_fallbacks(const KindInfo& kind, Json& fields) {
  for (const Field& field : kind.fields)
    if (!field.fallback.empty() && !fields.contains(std::string(field.name)))
      fields[std::string(field.name)] = field.fallback;
}

}  // namespace

RecordRow RecordWriter::existing(Kind kind, std::string_view id) {
  auto row = find_row(connection_, kind, record_id(kind, id));
  if (!row) throw no_such_record(kind, id);
  return *std::move(row);
}

RecordWriter::Place RecordWriter::place_of(const KindInfo& kind, std::string_view parent_id,
                                           Json& fields) {
  if (!kind.parent) return {.parent = is_artifact(kind.kind) ? ParentId() : ParentId(0)};
  const std::string id =
      parent_id.empty() ? text_of(fields, kind.parent_field) : std::string(parent_id);
  if (id.empty()) throw bad_request(fmt::format("missing {} ID", kind_label(*kind.parent)));
  if (!kind.parent_field.empty()) fields[std::string(kind.parent_field)] = id;
  return {.parent = existing(*kind.parent, id).id};
}

Written RecordWriter::add(const KindInfo& kind, const Place& place, Json fields) {
  set_fallbacks(kind, fields);
  drop_reserved_properties(fields);
  if (kind.names_itself && text_of(fields, "name").empty()) fields["name"] = made_up_name();
  if (!place.run_id.empty()) {
    fields["experimentId"] = place.experiment_id;
    fields["experimentRunId"] = place.run_id;
  }
  check_complete(kind, fields);
  if (kind.kind == Kind::serve_model) check_may_be_served(text_of(fields, "modelVersionId"));
  const std::int64_t now = now_ms();
  const RecordHead head = {.id = next_row_id(connection_),
                           .parent = place.parent,
                           .created = created_at_ > 0 ? created_at_ * 1000 : now,
                           .updated = now};
  return {.document = insert_row(connection_, kind, head, std::move(fields)), .created = true};
}

Written RecordWriter::change(const RecordRow& row, Json fields) {
  const KindInfo& kind = kind_info(row.kind);
  Json merged = stored(row.document);
  drop_reserved_properties(fields);
  for (auto& [name, value] : fields.get_ref<Json::object_t&>()) {
    const Field* field = kind.field(name);
    if (field != nullptr && field->use == FieldUse::open) merged[name] = std::move(value);
  }
  check_complete(kind, merged);
  const RecordHead head = {.id = row.id,
                           .parent = row.parent,
                           .created = number_of(merged, "createTimeSinceEpoch"),
                           .updated = now_ms()};
  return {.document = replace_row(connection_, kind, head, std::move(merged))};
}

Written RecordWriter::create(std::string_view parent_id, RecordBody body) {
  const KindInfo& kind = kind_info(body.kind);
  const Place place = place_of(kind, parent_id, body.fields);
  if (!body.id.empty()) {
    const RecordRow row = existing(body.kind, body.id);
    if (row.parent != place.parent)
      throw bad_request(fmt::format("{} with id {} belongs to another {}", kind.label, body.id,
                                    kind_label(*kind.parent)));
    Written written = change(row, std::move(body.fields));
    written.created = true;  // the answer to a POST here is always 201
    return written;
  }
  return add(kind, place, std::move(body.fields));
}

std::optional<RecordRow> RecordWriter::artifact_meant(const KindInfo& kind, std::int64_t parent,
                                                      const RecordBody& body) {
  if (!body.id.empty()) {
    auto row = find_row(connection_, Kind::any_artifact, record_id(Kind::any_artifact, body.id));
    if (!row || row->kind != kind.kind)
      throw bad_request(
          fmt::format("artifact with id {} is not a {}", body.id, kind_label(kind.kind)));
    return row;
  }
  if (kind.kind != Kind::metric && kind.kind != Kind::parameter) return std::nullopt;
  return find_row_named(connection_, kind.kind, parent, text_of(body.fields, "name"));
}

Written RecordWriter::upsert_artifact(Kind parent, std::string_view parent_id, RecordBody body) {
  const RecordRow owner = existing(parent, parent_id);
  const KindInfo& kind = kind_info(body.kind);
  Place place{.parent = owner.id};
  if (parent == Kind::experiment_run) {
    place.run_id = std::to_string(owner.id);
    place.experiment_id = text_of(stored(owner.document), "experimentId");
  }
  if (kind.kind == Kind::metric && !body.fields.contains("value"))
    throw bad_request("metric value is required");
  const bool may_be_201 = kind.kind == Kind::model_artifact || kind.kind == Kind::doc_artifact;
  auto meant = artifact_meant(kind, owner.id, body);
  if (meant && !meant->parent) meant->parent = owner.id;  // it belonged to nothing until now
  Written written =
      meant ? change(*meant, std::move(body.fields)) : add(kind, place, std::move(body.fields));
  written.created = may_be_201 && body.id.empty();
  if (kind.kind == Kind::metric && parent == Kind::experiment_run)
    add_history(place, written.document);
  return written;
}

Written RecordWriter::update(Kind kind, std::string_view id, RecordBody body) {
  const RecordRow row = existing(kind, id);
  if (body.kind == Kind::any_artifact) {
    body.fields["artifactType"] = kind_info(row.kind).artifact_type;
    body = check_body(Kind::any_artifact, Form::update, std::move(body.fields));
  }
  if (body.kind != row.kind)
    throw bad_request(
        fmt::format("cannot change artifact type from '{}' to '{}': artifact type is immutable",
                    kind_info(row.kind).artifact_type, kind_info(body.kind).artifact_type));
  return change(row, std::move(body.fields));
}

void RecordWriter::add_history(const Place& place, const std::string& document) {
  Json fields = stored(document);
  fields.erase("externalId");  // it is the metric's alone
  const RecordHead head = {.id = next_row_id(connection_),
                           .parent = place.parent,
                           .created = number_of(fields, "lastUpdateTimeSinceEpoch"),
                           .updated = number_of(fields, "lastUpdateTimeSinceEpoch")};
  insert_row(connection_, kind_info(Kind::metric_history), head, std::move(fields));
}

void RecordWriter::check_may_be_served(std::string_view version_id) {
  const Json version = stored(existing(Kind::model_version, version_id).document);
  const auto stated = [&version](const char* name) {
    const auto& properties = version.at("customProperties");
    const auto found = properties.find(name);
    return found == properties.end() ? "" : text_of(*found, "string_value");
  };
  const std::string gated = stated("hf_gated");
  if (!gated.empty() && gated != "false")
    throw bad_request(
        "cannot deploy gated HuggingFace model: authentication not yet supported (model requires "
        "approval or authentication)");
  if (stated("hf_private") == "true")
    throw bad_request("cannot deploy private HuggingFace model: authentication not yet supported");
}

}  // namespace dray
