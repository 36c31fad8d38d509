#include "dray/registry/sqlite.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/registry/compare.h"
#include "dray/registry/move_body.h"
#include "dray/registry/record_reader.h"
#include "dray/registry/record_writer.h"
#include "dray/registry/records.h"
#include "dray/registry/registration_body.h"

namespace dray {

namespace {

using Form = RecordBody::Form;
using sqlite::Connection;

std::string id_of(const Json& resource) { return resource.at("id").get<std::string>(); }

std::vector<Json> items_of(const Page& page) {
  return Json::parse("[" + page.items + "]").get<std::vector<Json>>();
}

std::vector<Json> children(Connection& connection, Kind kind, const std::string& parent_id) {
  return items_of(list_records(connection, kind, parent_id, {}));
}

std::optional<Json> named(Connection& connection, Kind kind, const std::string& parent_id,
                          const std::string& name) {
  const std::int64_t parent = parent_id.empty() ? 0 : std::stoll(parent_id);
  const auto row = find_row_named(connection, kind, parent, name);
  return row ? std::optional(Json::parse(row->document)) : std::nullopt;
}

Error not_registered(const std::string& what) {
  return Error(Code::not_found, "not registered")
      .on("find", what)
      .from(Side::registry)
      .hint("dray registry register makes the entry");
}

/// Finds or adds what one registration says; inside a transaction.
class Put {
 public:
  Put(RecordWriter& writer, const Registration& wanted) : writer_(writer), wanted_(wanted) {}

  RegisteredIds run() {
    writer_.created_at(wanted_.created);
    ids_.model_id = id_of(find_or_create(Kind::registered_model, "", wanted_.name,
                                         [this] { return model_body(wanted_); }));
    const Json version = find_or_create(Kind::model_version, ids_.model_id, wanted_.version,
                                        [this] { return version_body(wanted_, ids_.model_id); });
    ids_.version_id = id_of(version);
    const auto properties = read_properties(version);
    const auto digest = properties.find(std::string(kRootDigest));
    put_artifact(digest == properties.end() ? "" : digest->second);
    return ids_;
  }

 private:
  template <typename F>
  Json find_or_create(Kind kind, const std::string& parent_id, const std::string& name, F body) {
    if (auto found = named(writer_.connection(), kind, parent_id, name)) return *std::move(found);
    ids_.changed = true;
    return Json::parse(writer_.create(parent_id, check_body(kind, Form::create, body())).document);
  }

  void put_artifact(const std::string& registered_digest) {
    check_same_content(wanted_, registered_digest);
    const auto there = children(writer_.connection(), Kind::model_artifact, ids_.version_id);
    if (const Json* same = artifact_at(there, wanted_.uri)) {
      ids_.artifact_id = id_of(*same);
      return;
    }
    if (const Json* main = main_artifact(there, wanted_.name))
      check_further_place(wanted_, registered_digest, text_field(*main, "uri"));
    Json body = there.empty() ? artifact_body(wanted_) : further_artifact_body(wanted_);
    const Written written =
        writer_.upsert_artifact(Kind::model_version, ids_.version_id,
                                check_body(Kind::model_artifact, Form::whole, std::move(body)));
    ids_.artifact_id = id_of(Json::parse(written.document));
    ids_.changed = true;
  }

  RecordWriter& writer_;
  const Registration& wanted_;
  RegisteredIds ids_;
};

RegisteredIds put_one(RecordWriter& writer, const Registration& wanted) {
  try {
    return Put(writer, wanted).run();
  } catch (const Error& error) {
    if (!error.verb().empty()) throw;
    throw Error(error).on("register", wanted.name + ":" + wanted.version);
  }
}

void set_properties(RecordWriter& writer, Kind kind, const Json& resource, Json properties) {
  Json change = {{"customProperties", std::move(properties)}};
  writer.update(kind, id_of(resource), check_body(kind, Form::update, std::move(change)));
}

/// Inside a transaction, so that what is compared is what is changed.
bool move_one(RecordWriter& writer, const ArtifactMove& wanted) {
  auto& connection = writer.connection();
  const auto read = [&](Kind kind, const std::string& id) {
    return Json::parse(get_record(connection, kind, id));
  };
  const Json artifact = read(Kind::model_artifact, wanted.artifact_id);
  const Json version = read(Kind::model_version, wanted.version_id);
  const Json model = read(Kind::registered_model, text_field(version, "registeredModelId"));
  const auto siblings = children(connection, Kind::model_artifact, wanted.version_id);
  const Json* const main = main_artifact(siblings, text_field(model, "name"));
  auto properties =
      moved_version(version, wanted, main != nullptr && id_of(*main) == wanted.artifact_id);
  const auto change = moved_artifact(artifact, wanted, unix_now());
  if (change)
    writer.update(Kind::model_artifact, wanted.artifact_id,
                  check_body(Kind::model_artifact, Form::update, *change));
  if (properties) set_properties(writer, Kind::model_version, version, *std::move(properties));
  return change || properties;
}

class SqliteRegistry : public Registry {
 public:
  explicit SqliteRegistry(const std::filesystem::path& path) : records_(path) {}

  std::string name() const override { return "sqlite:" + records_.path().string(); }

  void check(const std::stop_token& stop) override {
    throw_if_stopped(stop);
    records_.check();
  }

  RegisteredIds put(const Registration& registration, const std::stop_token& stop) override {
    return put_all(std::span(&registration, 1), stop).front();
  }

  std::vector<RegisteredIds> put_all(std::span<const Registration> registrations,
                                     const std::stop_token& stop) override {
    std::vector<RegisteredIds> out;
    records_.write(
        [&](RecordWriter& writer) {
          for (const Registration& wanted : registrations) {
            throw_if_stopped(stop);
            out.push_back(put_one(writer, wanted));
          }
        },
        stop);
    return out;
  }

  std::optional<RegisteredVersion> find(const std::string& model_name,
                                        const std::string& version_name,
                                        const std::stop_token& stop) override {
    throw_if_stopped(stop);
    const auto model = find_record_named(Kind::registered_model, "", model_name);
    if (!model) return std::nullopt;
    const auto version = find_record_named(Kind::model_version, id_of(*model), version_name);
    if (!version) return std::nullopt;
    return registered(model_name, *version);
  }

  std::vector<RegisteredVersion> list(const std::stop_token& stop) override {
    throw_if_stopped(stop);
    std::map<std::string, std::string> ids;  // by name
    for (const Json& model : items_of(records_.list(Kind::registered_model, "", {})))
      ids.emplace(text_field(model, "name"), id_of(model));
    std::vector<RegisteredVersion> out;
    for (const auto& [name, id] : ids)
      for (const Json& version : items_of(records_.list(Kind::model_version, id, {})))
        out.push_back(registered(name, version));
    return out;
  }

  bool project_aliases(const ModelAliases& aliases, const std::stop_token& stop) override {
    bool changed = false;
    const auto show = [&](RecordWriter& writer, Kind kind, const Json& resource,
                          std::optional<Json> properties) {
      if (!properties) return;
      set_properties(writer, kind, resource, *std::move(properties));
      changed = true;
    };
    records_.write(
        [&](RecordWriter& writer) {
          const auto model = named(writer.connection(), Kind::registered_model, "", aliases.name);
          if (!model) throw not_registered(aliases.name);
          show(writer, Kind::registered_model, *model, model_with_aliases(*model, aliases));
          for (const Json& version :
               children(writer.connection(), Kind::model_version, id_of(*model)))
            show(writer, Kind::model_version, version, version_with_aliases(version, aliases));
        },
        stop);
    return changed;
  }

  bool set_state(const std::string& model_name, const std::string& version_name,
                 const std::string& state, const std::stop_token& stop) override {
    bool changed = false;
    records_.write(
        [&](RecordWriter& writer) {
          auto& connection = writer.connection();
          const auto model = named(connection, Kind::registered_model, "", model_name);
          const auto version =
              model ? named(connection, Kind::model_version, id_of(*model), version_name)
                    : std::nullopt;
          if (!version) throw not_registered(model_name + ":" + version_name);
          changed = text_field(*version, "state") != state;
          if (!changed) return;
          writer.update(Kind::model_version, id_of(*version),
                        check_body(Kind::model_version, Form::update, {{"state", state}}));
        },
        stop);
    return changed;
  }

  bool move(const ArtifactMove& wanted, const std::stop_token& stop) override {
    bool changed = false;
    records_.write([&](RecordWriter& writer) { changed = move_one(writer, wanted); }, stop);
    return changed;
  }

  std::vector<RegisteredService> services(const std::stop_token& stop) override {
    throw_if_stopped(stop);
    std::vector<RegisteredService> out;
    for (const Json& service : items_of(records_.list(Kind::inference_service, "", {})))
      out.push_back(registered_service(service));
    return out;
  }

 private:
  std::optional<Json> find_record_named(Kind kind, const std::string& parent_id,
                                        const std::string& name) {
    if (name.empty()) return std::nullopt;
    try {
      return Json::parse(records_.find(kind, {.name = name, .parent_id = parent_id}));
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;
      return std::nullopt;
    }
  }

  RegisteredVersion registered(const std::string& model_name, const Json& version) {
    return registered_version(model_name, version,
                              items_of(records_.list(Kind::model_artifact, id_of(version), {})));
  }

  Records records_;
};

}  // namespace

std::unique_ptr<Registry> open_sqlite_registry(const std::filesystem::path& path) {
  return std::make_unique<SqliteRegistry>(path);
}

}  // namespace dray
