// The rows of the registry's file: one for each resource, with its finished document.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "dray/registry/connection.h"
#include "dray/registry/record_kind.h"

namespace dray {

/// What a resource hangs below: nothing, by its kind (0), or an artifact of nothing (nullopt).
using ParentId = std::optional<std::int64_t>;

struct RecordRow {
  std::int64_t id = 0;
  Kind kind = Kind::registered_model;
  ParentId parent;
  std::string document;
};

/// Of that kind; of any artifact but histories for Kind::any_artifact.
std::optional<RecordRow> find_row(sqlite::Connection& connection, Kind kind, std::int64_t id);
std::optional<RecordRow> find_row_named(sqlite::Connection& connection, Kind kind,
                                        std::int64_t parent, std::string_view name);

/// What is stored of a resource beside what its fields say.
struct RecordHead {
  std::int64_t id = 0;
  ParentId parent;
  std::int64_t created = 0, updated = 0;  // milliseconds
};

/// The id that the next resource gets; inside a transaction.
std::int64_t next_row_id(sqlite::Connection& connection);
/// Completes `fields` to the document, stores it and returns it. Throws record_exists.
std::string insert_row(sqlite::Connection& connection, const KindInfo& kind, const RecordHead& head,
                       Json fields);
/// The same of a resource that is there already.
std::string replace_row(sqlite::Connection& connection, const KindInfo& kind,
                        const RecordHead& head, Json fields);

}  // namespace dray
