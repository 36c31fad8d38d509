#include "dray/registry/move_body.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/registry/compare.h"
#include "dray/registry/registration_body.h"

namespace dray {

namespace {

constexpr const char* kProperties = "customProperties";
constexpr JsonLimits kHistoryLimits = {.bytes = 64 << 10, .depth = 4};

Json properties_of(const Json& resource) {
  const auto found = resource.find(kProperties);
  return found != resource.end() && found->is_object() ? *found : Json::object();
}

std::string text_property(const Json& resource, std::string_view name) {
  const auto all = read_properties(resource);
  const auto found = all.find(std::string(name));
  return found == all.end() ? "" : found->second;
}

PlaceMove parse_move(const Json& item) {
  const std::string_view what = "history of an entry";
  PlaceMove move;
  move.from = get_string(item, "from", what);
  move.to = get_string(item, "to", what);
  move.actor = find_string(item, "by", what).value_or("");
  move.time = parse_rfc3339(find_string(item, "at", what).value_or("")).value_or(0);
  move.undo = find_bool(item, "undo", what).value_or(false);
  move.storage_key = find_string(item, "storage_key", what).value_or("");
  move.storage_path = find_string(item, "storage_path", what).value_or("");
  return move;
}

Json move_json(const PlaceMove& move) {
  Json out = {{"from", move.from}, {"to", move.to}, {"at", rfc3339(move.time)}, {"by", move.actor}};
  if (move.undo) out["undo"] = true;
  if (!move.storage_key.empty()) out["storage_key"] = move.storage_key;
  if (!move.storage_path.empty()) out["storage_path"] = move.storage_path;
  return out;
}

/// Newest first, as many as may be kept.
std::string history_text(const std::vector<PlaceMove>& moves) {
  Json out = Json::array();
  for (const PlaceMove& move : moves) {
    if (out.size() == kMostMoves) break;
    out.push_back(move_json(move));
    if (out.size() > 1 && dump_json(out).size() > kMostMovesBytes) {
      out.erase(out.size() - 1);
      break;
    }
  }
  return dump_json(out);
}

Error changed(const ArtifactMove& move, const std::string& said, std::string_view when) {
  return Error(Code::precondition, fmt::format("the entry {}: it says {}, not {}", when,
                                               said.empty() ? "nothing" : said,
                                               when == "changed meanwhile" ? move.from : move.to))
      .on("move", "artifact " + move.artifact_id)
      .from(Side::registry)
      .hint("somebody else changed it, so it was left alone: look at it in the registry");
}

bool is_s3(std::string_view uri) { return uri.starts_with("s3://"); }

std::string storage_type(std::string_view uri) {
  const auto colon = uri.find("://");
  return colon == std::string_view::npos ? "dir" : std::string(uri.substr(0, colon));
}

}  // namespace

std::vector<PlaceMove> read_moves(const Json& artifact) {
  const std::string text = text_property(artifact, kMoves);
  if (text.empty()) return {};
  try {
    std::vector<PlaceMove> out;
    const Json items = parse_json(text, "history of an entry", kHistoryLimits);
    if (!items.is_array()) return {};
    for (const Json& item : items) out.push_back(parse_move(item));
    return out;
  } catch (const Error&) {
    return {};
  }
}

std::optional<Json> moved_artifact(const Json& artifact, const ArtifactMove& move, UnixTime now) {
  const std::string said = text_field(artifact, "uri");
  if (said == move.to) return std::nullopt;
  if (said != move.from) throw changed(move, said, "changed meanwhile");
  std::vector<PlaceMove> moves = read_moves(artifact);
  moves.insert(moves.begin(), {.from = move.from,
                               .to = move.to,
                               .actor = move.actor,
                               .time = now,
                               .undo = move.undo,
                               .storage_key = text_field(artifact, "storageKey"),
                               .storage_path = text_field(artifact, "storagePath")});
  Json properties = properties_of(artifact);
  properties[std::string(kMovedFrom)] = string_property(move.from);
  properties[std::string(kMoves)] = string_property(history_text(moves));
  Json out = {{"uri", move.to}, {kProperties, std::move(properties)}};
  // They name a secret and a path for the old place.
  const std::pair<const char*, const std::string&> storage[] = {{"storageKey", move.storage_key},
                                                                {"storagePath", move.storage_path}};
  for (const auto& [field, value] : storage)
    if (text_field(artifact, field) != value) out[field] = value;
  return out;
}

std::optional<Json> moved_version(const Json& version, const ArtifactMove& move, bool main) {
  const Json before = properties_of(version);
  Json after = before;
  const std::string stated = text_property(version, kRootDigest);
  const auto copied = move.properties.find(std::string(kRootDigest));
  if (copied != move.properties.end() && !stated.empty() && stated != copied->second)
    throw Error(
        Code::verification,
        fmt::format("the registry states root digest {}, the copy has {}", stated, copied->second))
        .on("move", "artifact " + move.artifact_id)
        .from(Side::registry)
        .hint("what lies at the old place is not what was registered: find out which is meant");
  for (const auto& [name, value] : move.properties)
    if (!after.contains(name)) after[name] = string_property(value);
  if (main) {
    after["storage_type"] = string_property(storage_type(move.to));
    if (is_s3(move.to))
      after["s3_uri"] = string_property(move.to);
    else
      after.erase("s3_uri");
  }
  if (after == before) return std::nullopt;
  return after;
}

void check_moved(const Json& artifact, const ArtifactMove& move) {
  const std::string said = text_field(artifact, "uri");
  if (said != move.to) throw changed(move, said, "was changed at the same moment");
}

}  // namespace dray
