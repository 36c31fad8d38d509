#include "dray/store/version_log.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/store/dir_files.h"
#include "dray/store/layout.h"
#include "dray/store/record_log.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-version-change";
constexpr std::uint64_t kVersion = 1;
constexpr std::array<std::pair<VersionState, std::string_view>, 5> kStates = {{
    {VersionState::live, "live"},
    {VersionState::archived, "archived"},
    {VersionState::removed, "removed"},
    {VersionState::purging, "purging"},
    {VersionState::purged, "purged"},
}};

std::string shown(std::string_view name, std::string_view version) {
  return fmt::format("{}:{}", name, version);
}

RecordLog log_of(Store& store, std::string_view name, std::string_view version) {
  return {store, state_prefix(name, version), "the states of " + shown(name, version)};
}

[[noreturn]] void refuse(std::string_view what, std::string message) {
  throw Error(Code::malformed, std::move(message)).on("read", std::string(what));
}

VersionState parse_state(std::string_view text, std::string_view what) {
  for (const auto& [state, name] : kStates)
    if (name == text) return state;
  refuse(what, fmt::format("has an unknown state '{}'", text));
}

UnixTime get_time(const Json& json, std::string_view key, std::string_view what) {
  const auto time = parse_rfc3339(get_string(json, key, what));
  if (!time) refuse(what, fmt::format("'{}' is no time", key));
  return *time;
}

/// What gc deletes follows from these, so they are looked at as closely as a manifest in its place.
void check_removal(const VersionChange& change, std::string_view what) {
  const Manifest manifest = parse_manifest(change.manifest, what);
  if (manifest.name != change.name || manifest.version != change.version)
    refuse(what, fmt::format("holds the manifest of {}", shown(manifest.name, manifest.version)));
  try {
    check_place(change.place);
  } catch (const Error& error) {
    refuse(what, error.message());
  }
}

VersionChange read_change(const RecordLog& log, std::string_view name, std::string_view version,
                          std::uint64_t seq, const std::stop_token& stop) {
  const std::string what = log.name_of(seq);
  VersionChange change = parse_version_change(log.read(seq, stop), what);
  if (change.seq != seq || change.name != name || change.version != version)
    refuse(what, fmt::format("is change {} of {}", change.seq, shown(change.name, change.version)));
  return change;
}

}  // namespace

std::string_view state_name(VersionState state) {
  for (const auto& [known, name] : kStates)
    if (known == state) return name;
  return "";
}

std::string version_change_text(const VersionChange& change) {
  Json json = {{"format", kFormat},
               {"format_version", kVersion},
               {"seq", change.seq},
               {"name", change.name},
               {"version", change.version},
               {"state", state_name(change.state)},
               {"actor", change.actor},
               {"actor_source", change.actor_source},
               {"reason", change.reason},
               {"time", rfc3339(change.time)},
               {"id", change.id}};
  if (change.state == VersionState::removed) {
    json["purge_after"] = rfc3339(change.purge_after);
    json["manifest"] = change.manifest;
    json["place"] = change.place;
  }
  return dump_json_pretty(json);
}

VersionChange parse_version_change(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, {.bytes = 64 << 20, .depth = 8});
  if (get_string(json, "format", what) != kFormat) refuse(what, "is no change of a version");
  if (const auto version = get_u64(json, "format_version", what); version > kVersion)
    throw Error(Code::unsupported,
                fmt::format("has format version {}, this dray reads up to {}", version, kVersion))
        .on("read", std::string(what))
        .hint("use a later version of dray");
  VersionChange change;
  change.seq = get_u64(json, "seq", what);
  if (change.seq == 0) refuse(what, "'seq' is 0");
  change.name = get_string(json, "name", what);
  change.version = get_string(json, "version", what);
  check_name(change.name, what);
  check_name(change.version, what);
  change.state = parse_state(get_string(json, "state", what), what);
  change.actor = get_string(json, "actor", what);
  change.actor_source = find_string(json, "actor_source", what).value_or("");
  change.reason = get_string(json, "reason", what);
  change.time = get_time(json, "time", what);
  change.id = find_string(json, "id", what).value_or("");
  if (change.state != VersionState::removed) return change;
  change.purge_after = get_time(json, "purge_after", what);
  change.manifest = get_string(json, "manifest", what);
  change.place = get_string(json, "place", what);
  check_removal(change, what);
  return change;
}

std::vector<VersionChange> version_history(Store& store, std::string_view name,
                                           std::string_view version, const std::stop_token& stop) {
  const RecordLog log = log_of(store, name, version);
  std::vector<VersionChange> out;
  for (const std::uint64_t seq : log.numbers(stop))
    out.push_back(read_change(log, name, version, seq, stop));
  return out;
}

std::optional<VersionChange> find_version_change(Store& store, std::string_view name,
                                                 std::string_view version,
                                                 const std::stop_token& stop) {
  const RecordLog log = log_of(store, name, version);
  const auto numbers = log.numbers(stop);
  if (numbers.empty()) return std::nullopt;
  return read_change(log, name, version, numbers.back(), stop);
}

std::map<std::string, VersionChange> version_changes(Store& store, std::string_view name,
                                                     const std::stop_token& stop) {
  std::map<std::string, VersionChange> out;
  for (const LastRecord& last : last_records(store, state_root(name), stop)) {
    if (last.log.find('/') != std::string::npos) continue;  // no log of ours
    VersionChange change =
        read_change(log_of(store, name, last.log), name, last.log, last.number, stop);
    change.age = last.age;
    out.emplace(last.log, std::move(change));
  }
  return out;
}

std::vector<std::string> models_with_changes(Store& store, const std::stop_token& stop) {
  return store.list_names(std::string(kStateRoot) + "states/", stop);
}

VersionChange find_removal(Store& store, std::string_view name, std::string_view version,
                           const std::stop_token& stop) {
  const auto history = version_history(store, name, version, stop);
  for (auto change = history.rbegin(); change != history.rend(); ++change)
    if (change->state == VersionState::removed) return *change;
  throw Error(Code::malformed, "its log holds no removal").on("read", shown(name, version));
}

VersionChange append_version_change(Store& store, VersionChange change, std::uint64_t after,
                                    const std::stop_token& stop) {
  RecordLog log = log_of(store, change.name, change.version);
  log.append(
      [&](std::uint64_t last) -> std::optional<std::string> {
        if (last != after) {
          const auto other = read_change(log, change.name, change.version, last, stop);
          throw Error(Code::conflict,
                      fmt::format("it is {} since, by {}", state_name(other.state), other.actor))
              .on("change", shown(change.name, change.version))
              .from(Side::destination)
              .hint("look at its history, then decide again");
        }
        change.seq = last + 1;
        change.time = unix_now();
        change.id = dir::random_id();
        return version_change_text(change);
      },
      stop);
  return change;
}

}  // namespace dray
