#include "dray/registry/records.h"

#include <utility>

#include "dray/registry/backup.h"
#include "dray/registry/connection.h"
#include "dray/registry/record_body.h"
#include "dray/registry/record_reader.h"
#include "dray/registry/record_writer.h"
#include "dray/registry/schema.h"
#include "dray/registry/write_queue.h"

namespace dray {

namespace {

using Form = RecordBody::Form;

/// The file is made, and brought up to date, before anything else opens it.
const std::filesystem::path& migrated(const std::filesystem::path& path) {
  sqlite::Database database = sqlite::Database::open(path);
  migrate_schema(database);
  return path;
}

/// Below a parent that the path names, the API takes whole resources of these kinds.
Form form_of_create(Kind kind, std::string_view parent_id) {
  const bool whole = kind == Kind::model_version || kind == Kind::experiment_run;
  return whole && !parent_id.empty() ? Form::whole : Form::create;
}

}  // namespace

class Records::Impl {
 public:
  explicit Impl(const std::filesystem::path& path)
      : path_(migrated(path)), readers_(path), writer_(path) {}

  template <typename F>
  auto read(F f) {
    const auto connection = readers_.take();
    return f(*connection);
  }

  template <typename F>
  Written write(const std::stop_token& stop, F f) {
    Written written;
    writer_.run(
        [&](sqlite::Connection& connection) {
          RecordWriter writer(connection);
          written = f(writer);
        },
        stop);
    return written;
  }

  const std::filesystem::path path_;
  sqlite::ConnectionPool readers_;
  sqlite::WriteQueue writer_;
};

Records::Records(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {}

Records::~Records() = default;

Written Records::create(Kind kind, std::string_view parent_id, std::string_view body,
                        const std::stop_token& stop) {
  const RecordBody checked = read_body(kind, form_of_create(kind, parent_id), body);
  return impl_->write(stop,
                      [&](RecordWriter& writer) { return writer.create(parent_id, checked); });
}

Written Records::upsert_artifact(Kind parent, std::string_view parent_id, std::string_view body,
                                 const std::stop_token& stop) {
  const RecordBody checked = read_body(Kind::any_artifact, Form::whole, body);
  return impl_->write(stop, [&](RecordWriter& writer) {
    return writer.upsert_artifact(parent, parent_id, checked);
  });
}

Written Records::update(Kind kind, std::string_view id, std::string_view body,
                        const std::stop_token& stop) {
  const RecordBody checked = read_body(kind, Form::update, body);
  return impl_->write(stop, [&](RecordWriter& writer) { return writer.update(kind, id, checked); });
}

std::string Records::get(Kind kind, std::string_view id) const {
  return impl_->read([&](auto& connection) { return get_record(connection, kind, id); });
}

std::string Records::find(Kind kind, const FindQuery& query) const {
  return impl_->read([&](auto& connection) { return find_record(connection, kind, query); });
}

Page Records::list(Kind kind, std::string_view parent_id, const ListQuery& query) const {
  return impl_->read(
      [&](auto& connection) { return list_records(connection, kind, parent_id, query); });
}

std::string Records::model_of_service(std::string_view id) const {
  return impl_->read([&](auto& connection) { return dray::model_of_service(connection, id); });
}

std::string Records::version_of_service(std::string_view id) const {
  return impl_->read([&](auto& connection) { return dray::version_of_service(connection, id); });
}

Page Records::metric_history(std::string_view run_id, const ListQuery& query) const {
  return impl_->read([&](auto& connection) {
    if (!run_id.empty()) get_record(connection, Kind::experiment_run, run_id);
    return list_records(connection, Kind::metric_history, run_id, query);
  });
}

void Records::write(const std::function<void(RecordWriter&)>& work, const std::stop_token& stop) {
  impl_->writer_.run(
      [&work](sqlite::Connection& connection) {
        RecordWriter writer(connection);
        work(writer);
      },
      stop);
}

void Records::check() const {
  impl_->read([&](sqlite::Connection& connection) { check_database(connection.database()); });
}

void Records::backup(const std::filesystem::path& target, const std::stop_token& stop) const {
  const auto connection = impl_->readers_.take();
  backup_database(connection->database(), target, stop);
}

const std::filesystem::path& Records::path() const { return impl_->path_; }

}  // namespace dray
