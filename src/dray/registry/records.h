// The resources of the Model Registry's REST API, kept in a SQLite file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace dray {

class RecordWriter;  // record_writer.h

/// The types of resources. `any_artifact` stands for all kinds of artifacts, where a path of the
/// API does ("/artifacts"); nothing is stored under it.
enum class Kind : std::uint8_t {
  registered_model = 1,
  model_version,
  serving_environment,
  inference_service,
  serve_model,
  experiment,
  experiment_run,
  model_artifact,
  doc_artifact,
  dataset_artifact,
  metric,
  parameter,
  metric_history,  // what a metric of a run was; has no path of its own
  any_artifact,
};

/// A resource as the API writes it, and whether the answer to the request that wrote it is 201
/// (else 200; for artifacts the real server's rule is odd: see `upsert_artifact`).
struct Written {
  std::string document;
  bool created = false;
};

/// What identifies one resource: name and parent, or externalId. Values are compared byte by byte;
/// "" is taken as not given, as the API does.
struct FindQuery {
  std::string name, parent_id, external_id;
};

/// The query parameters of a list, as they were sent; "" where not.
struct ListQuery {
  std::string page_size, order_by, sort_order, next_page_token, filter_query;
  std::string name, external_id;  // exact; only lists below a parent have them
  std::string artifact_type;      // "model-artifact" …; for artifacts
  std::string step_ids;           // "1,2,3"; for metric histories
};

struct Page {
  std::string items;  // JSON documents with ',' between them, without brackets
  std::int32_t size = 0;
  std::int32_t page_size = 0;   // as asked for; 0 = all
  std::string next_page_token;  // "" at the end
};

/// Thread-safe; several processes may use one file. Reads go on beside each other and beside a
/// write, and answer with stored text: nothing is parsed or rendered. Writes of all threads are
/// gathered, and each is durable when its call returns.
///
/// Ids, bodies and parameters are taken as the client sent them. Errors, Side::registry, with the
/// message for the client:
///   Code::malformed     400  not JSON, unknown field, wrong type, bad id, bad filterQuery
///   Code::precondition  422  a required field is missing
///   Code::not_found     404
///   Code::conflict      409  the name or externalId is taken
///   Code::locked        503  another process has been writing for 30 s
///   Code::cancelled          `stop` was requested
///   others              500  the file or its disk
class Records {
 public:
  /// Opens the file; makes it and its folders if absent; brings its schema up to date.
  explicit Records(const std::filesystem::path& path);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  /// POST to a collection. `parent_id` where the path names one, else "": then the body names it
  /// (`registeredModelId` …), if the kind has a parent. Kind::any_artifact: the body names the
  /// kind.
  Written create(Kind kind, std::string_view parent_id, std::string_view body,
                 const std::stop_token& stop = {});

  /// POST of an artifact of any kind to a version or a run (`parent`). Changes the one that the
  /// body names by `id`; a metric or parameter also by its name; else creates one. A metric of a
  /// run is added to the run's history as well. `created` is true for model and doc artifacts
  /// without `id` alone.
  Written upsert_artifact(Kind parent, std::string_view parent_id, std::string_view body,
                          const std::stop_token& stop = {});

  /// PATCH: fields that are not in the body stay; `customProperties`, if it is, replaces all.
  Written update(Kind kind, std::string_view id, std::string_view body,
                 const std::stop_token& stop = {});

  std::string get(Kind kind, std::string_view id) const;
  /// Exactly one, else Code::not_found.
  std::string find(Kind kind, const FindQuery& query) const;
  /// All of a kind where `parent_id` is "". The children of what does not exist are none, except
  /// for runs (404).
  Page list(Kind kind, std::string_view parent_id, const ListQuery& query) const;

  /// GET /inference_services/{id}/model
  std::string model_of_service(std::string_view id) const;
  /// GET /inference_services/{id}/version: the one it names, else the newest of its model.
  std::string version_of_service(std::string_view id) const;
  /// GET /experiment_runs/{id}/metric_history; of all runs where `run_id` is "".
  Page metric_history(std::string_view run_id, const ListQuery& query) const;

  /// Several writes of which all or none are done; see record_writer.h. `work` runs on another
  /// thread; what it throws is thrown here.
  void write(const std::function<void(RecordWriter&)>& work, const std::stop_token& stop = {});

  /// Throws Code::malformed if the file is damaged.
  void check() const;
  /// A consistent copy, while others read and write; replaces `target` when it is complete.
  void backup(const std::filesystem::path& target, const std::stop_token& stop = {}) const;

  const std::filesystem::path& path() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Puts a backup in the place of the registry at `path`, in one step that readers and writers of it
/// see whole. Throws Code::malformed, leaving `path` as it is, where `backup` is no intact
/// registry.
void restore_records(const std::filesystem::path& backup, const std::filesystem::path& path,
                     const std::stop_token& stop = {});

}  // namespace dray
