// What writes to the REST API do, inside one transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dray/base/time.h"
#include "dray/registry/record_body.h"
#include "dray/registry/record_rows.h"
#include "dray/registry/records.h"

namespace dray {

/// Used by one thread, between the begin and the end of a transaction. Ids are as clients send
/// them.
class RecordWriter {
 public:
  explicit RecordWriter(sqlite::Connection& connection) : connection_(connection) {}

  /// A body of Form::create or whole. `parent_id` where the path names it.
  Written create(std::string_view parent_id, RecordBody body);
  /// A body of Form::whole.
  Written upsert_artifact(Kind parent, std::string_view parent_id, RecordBody body);
  /// A body of Form::update.
  Written update(Kind kind, std::string_view id, RecordBody body);

  /// What is added from now on counts as created then; 0, as at first: when it is added.
  void created_at(UnixTime time) { created_at_ = time; }

  /// What is there, inside the same transaction; see record_reader.h.
  sqlite::Connection& connection() { return connection_; }

 private:
  struct Place {
    ParentId parent;
    std::string experiment_id, run_id;  // of an artifact of a run
  };

  RecordRow existing(Kind kind, std::string_view id);
  Place place_of(const KindInfo& kind, std::string_view parent_id, Json& fields);
  Written add(const KindInfo& kind, const Place& place, Json fields);
  Written change(const RecordRow& row, Json fields);
  std::optional<RecordRow> artifact_meant(const KindInfo& kind, std::int64_t parent,
                                          const RecordBody& body);
  void add_history(const Place& place, const std::string& document);
  void check_may_be_served(std::string_view version_id);

  sqlite::Connection& connection_;
  UnixTime created_at_ = 0;
};

}  // namespace dray
