#include "dray/registry/sqlite.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/registry/compare.h"
#include "dray/registry/database.h"
#include "dray/registry/schema.h"

namespace dray {

namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr std::string_view kModelArtifact = "model-artifact";

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Finds or adds the rows of one registration; inside a transaction.
class Put {
 public:
  Put(Database& database, const Registration& wanted) : database_(database), wanted_(wanted) {}

  RegisteredIds run() {
    const std::int64_t model = find_model().value_or(0);
    model_id_ = model != 0 ? model : add_model();
    const std::int64_t version = find_version().value_or(0);
    if (version != 0) check_same_content(wanted_, registered_digest(version));
    version_id_ = version != 0 ? version : add_version();
    const std::int64_t artifact = find_artifact().value_or(0);
    const std::int64_t artifact_id = artifact != 0 ? artifact : add_artifact();
    return {.model_id = std::to_string(model_id_),
            .version_id = std::to_string(version_id_),
            .artifact_id = std::to_string(artifact_id),
            .changed = changed_};
  }

 private:
  std::optional<std::int64_t> find_model() {
    Statement find(database_, "SELECT id FROM registered_model WHERE name = ?");
    find.bind(wanted_.name);
    return find.step() ? std::optional(find.integer(0)) : std::nullopt;
  }

  std::optional<std::int64_t> find_version() {
    Statement find(database_,
                   "SELECT id FROM model_version WHERE registered_model_id = ? AND name = ?");
    find.bind(model_id_).bind(wanted_.version);
    return find.step() ? std::optional(find.integer(0)) : std::nullopt;
  }

  std::string registered_digest(std::int64_t version) {
    Statement find(database_,
                   "SELECT value FROM model_version_property WHERE owner_id = ? AND name = ?");
    find.bind(version).bind(kRootDigest);
    return find.step() ? find.text(0) : "";
  }

  /// The artifact named like the model if there is one, else another with the same uri.
  std::optional<std::int64_t> find_artifact() {
    Statement find(database_,
                   "SELECT id, uri FROM artifact WHERE model_version_id = ? AND artifact_type = ? "
                   "ORDER BY name = ? DESC, id");
    find.bind(version_id_).bind(kModelArtifact).bind(wanted_.name);
    if (!find.step()) return std::nullopt;
    const std::int64_t id = find.integer(0);
    check_same_uri(wanted_, find.text(1));
    return id;
  }

  std::int64_t add_model() {
    changed_ = true;
    Statement add(database_,
                  "INSERT INTO registered_model (name, description, owner, created, updated) "
                  "VALUES (?, ?, ?, ?, ?)");
    add.bind(wanted_.name).bind_or_null(wanted_.description).bind_or_null(wanted_.author);
    add.bind(now_).bind(now_).run();
    return database_.last_id();
  }

  std::int64_t add_version() {
    changed_ = true;
    Statement add(database_,
                  "INSERT INTO model_version (registered_model_id, name, description, author, "
                  "created, updated) VALUES (?, ?, ?, ?, ?, ?)");
    add.bind(model_id_).bind(wanted_.version).bind_or_null(wanted_.description);
    add.bind_or_null(wanted_.author).bind(now_).bind(now_).run();
    const std::int64_t id = database_.last_id();
    for (const auto& [name, value] : wanted_.properties) {
      Statement property(database_,
                         "INSERT INTO model_version_property (owner_id, name, type, value) "
                         "VALUES (?, ?, 'MetadataStringValue', ?)");
      property.bind(id).bind(name).bind(value).run();
    }
    return id;
  }

  std::int64_t add_artifact() {
    changed_ = true;
    Statement add(database_,
                  "INSERT INTO artifact (model_version_id, artifact_type, name, uri, state, "
                  "model_format_name, model_format_version, model_source_kind, "
                  "model_source_class, model_source_group, model_source_id, model_source_name, "
                  "created, updated) VALUES (?, ?, ?, ?, 'LIVE', ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    add.bind(version_id_).bind(kModelArtifact).bind(wanted_.name).bind(wanted_.uri);
    for (const std::string* text :
         {&wanted_.format_name, &wanted_.format_version, &wanted_.source_kind,
          &wanted_.source_class, &wanted_.source_group, &wanted_.source_id, &wanted_.source_name})
      add.bind_or_null(*text);
    add.bind(now_).bind(now_).run();
    return database_.last_id();
  }

  Database& database_;
  const Registration& wanted_;
  const std::int64_t now_ = now_ms();
  std::int64_t model_id_ = 0, version_id_ = 0;
  bool changed_ = false;
};

class SqliteRegistry : public Registry {
 public:
  explicit SqliteRegistry(Database database) : database_(std::move(database)) {}

  std::string name() const override { return "sqlite:" + database_.path().string(); }

  void check(const std::stop_token& stop) override {
    const auto lock = use(stop);
    Statement check(database_, "PRAGMA quick_check(1)");
    const std::string verdict = check.step() ? check.text(0) : "no answer";
    if (verdict != "ok")
      throw Error(Code::malformed, "the database is damaged: " + verdict)
          .on("check", name())
          .from(Side::registry)
          .hint("move it away; the registry can be made anew from the stores");
  }

  RegisteredIds put(const Registration& registration, const std::stop_token& stop) override {
    const auto lock = use(stop);
    Transaction transaction(database_);
    const RegisteredIds ids = Put(database_, registration).run();
    transaction.commit();
    return ids;
  }

  std::optional<RegisteredVersion> find(const std::string& model, const std::string& version,
                                        const std::stop_token& stop) override {
    const auto lock = use(stop);
    Statement select(database_, std::string(kSelectVersions) + "WHERE m.name = ? AND v.name = ?");
    select.bind(model).bind(version);
    auto found = versions(select);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  }

  std::vector<RegisteredVersion> list(const std::stop_token& stop) override {
    const auto lock = use(stop);
    Statement select(database_, std::string(kSelectVersions) + "ORDER BY m.name, v.id");
    return versions(select);
  }

 private:
  // The uri is that of the artifact named like the model, else of the first one.
  static constexpr std::string_view kSelectVersions =
      "SELECT v.id, m.name, v.name, v.state, coalesce("
      "(SELECT uri FROM artifact a WHERE a.model_version_id = v.id "
      "AND a.artifact_type = 'model-artifact' AND a.name = m.name), "
      "(SELECT uri FROM artifact a WHERE a.model_version_id = v.id "
      "AND a.artifact_type = 'model-artifact' ORDER BY a.id LIMIT 1)) "
      "FROM model_version v JOIN registered_model m ON m.id = v.registered_model_id ";

  std::unique_lock<std::mutex> use(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    throw_if_stopped(stop);
    database_.stop_with(stop);
    return lock;
  }

  std::vector<RegisteredVersion> versions(Statement& select) {
    std::vector<RegisteredVersion> out;
    while (select.step()) {
      RegisteredVersion version{.name = select.text(1),
                                .version = select.text(2),
                                .uri = select.text(4),
                                .state = select.text(3)};
      Statement properties(database_,
                           "SELECT name, value FROM model_version_property WHERE owner_id = ?");
      properties.bind(select.integer(0));
      while (properties.step()) version.properties.emplace(properties.text(0), properties.text(1));
      out.push_back(std::move(version));
    }
    return out;
  }

  std::mutex mutex_;
  Database database_;
};

}  // namespace

std::unique_ptr<Registry> open_sqlite_registry(const std::filesystem::path& path) {
  Database database = Database::open(path);
  migrate_schema(database);
  return std::make_unique<SqliteRegistry>(std::move(database));
}

}  // namespace dray
