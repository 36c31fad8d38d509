#include "dray/store/endpoint_cache.h"

#include <string_view>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-endpoints";
constexpr std::uint64_t kVersion = 2;
constexpr UnixTime kKeep = 7 * 24 * 3600;
constexpr std::uint64_t kLimit = kMiB;

using Found = S3Capabilities;
struct Field {
  const char* name;
  bool& (*of)(Found&);
};
constexpr Field kFields[] = {
    {"crc64_taken", [](Found& f) -> bool& { return f.crc64.taken; }},
    {"crc64_objects", [](Found& f) -> bool& { return f.crc64.objects; }},
    {"crc64_parts", [](Found& f) -> bool& { return f.crc64.parts; }},
    {"crc64_composite", [](Found& f) -> bool& { return f.crc64.composite; }},
    {"crc64_whole", [](Found& f) -> bool& { return f.crc64.whole; }},
    {"crc32c_taken", [](Found& f) -> bool& { return f.crc32c.taken; }},
    {"crc32c_objects", [](Found& f) -> bool& { return f.crc32c.objects; }},
    {"crc32c_parts", [](Found& f) -> bool& { return f.crc32c.parts; }},
    {"crc32c_composite", [](Found& f) -> bool& { return f.crc32c.composite; }},
    {"crc32c_whole", [](Found& f) -> bool& { return f.crc32c.whole; }},
    {"checks_md5", [](Found& f) -> bool& { return f.checks_md5; }},
    {"needs_md5", [](Found& f) -> bool& { return f.needs_md5; }},
    {"put_if_absent", [](Found& f) -> bool& { return f.put_if_absent; }},
    {"complete_if_absent", [](Found& f) -> bool& { return f.complete_if_absent; }},
    {"md5_etags", [](Found& f) -> bool& { return f.md5_etags; }},
    {"range_copies_asked", [](Found& f) -> bool& { return f.range_copies.asked; }},
    {"range_copies_works", [](Found& f) -> bool& { return f.range_copies.works; }},
    {"range_copies_if_match", [](Found& f) -> bool& { return f.range_copies.if_match; }},
    {"range_copies_checksums", [](Found& f) -> bool& { return f.range_copies.checksums; }},
};

/// The map of places; empty if there is no file that this version reads.
Json read_places(const std::filesystem::path& file) {
  const std::string what = file.string();
  const auto text = read_file(file, kLimit);
  if (!text) return Json::object();
  const Json json = parse_json(*text, what, {.bytes = kLimit, .depth = 8});
  if (get_string(json, "format", what) != kFormat ||
      get_u64(json, "format_version", what) != kVersion)
    return Json::object();
  return get_object(json, "endpoints", what);
}

bool fresh(const Json& entry, UnixTime now) {
  if (!entry.is_object()) return false;
  const auto time = parse_rfc3339(find_string(entry, "time", "endpoint").value_or(""));
  return time && *time <= now && now - *time < kKeep;
}

}  // namespace

std::optional<S3Capabilities> EndpointCache::find(const std::string& place) {
  if (file_.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  try {
    const Json places = read_places(file_);
    const auto entry = places.find(place);
    if (entry == places.end() || !fresh(*entry, now_())) return std::nullopt;
    S3Capabilities out;
    for (const auto& field : kFields)
      field.of(out) = find_bool(*entry, field.name, "endpoint").value_or(false);
    return out;
  } catch (...) {
    debug("what is known of endpoints could not be read: {}", current_error().what());
    return std::nullopt;
  }
}

void EndpointCache::remember(const std::string& place, const S3Capabilities& found) {
  update(place, &found);
}

void EndpointCache::forget(const std::string& place) { update(place, nullptr); }

void EndpointCache::update(const std::string& place, const S3Capabilities* found) {
  if (file_.empty()) return;
  const std::lock_guard lock(mutex_);
  try {
    Json places = Json::object();
    try {
      places = read_places(file_);
    } catch (const Error& e) {
      debug("writing {} anew: {}", file_.string(), e.what());
    }
    Json kept = Json::object();
    for (const auto& [name, entry] : places.items())
      if (name != place && fresh(entry, now_())) kept[name] = entry;
    if (found != nullptr) {
      Json entry = {{"time", rfc3339(now_())}};
      S3Capabilities copy = *found;
      for (const auto& field : kFields) entry[field.name] = field.of(copy);
      kept[place] = std::move(entry);
    }
    write_file_atomic(
        file_,
        dump_json_pretty({{"format", kFormat}, {"format_version", kVersion}, {"endpoints", kept}}));
  } catch (...) {
    debug("what is known of endpoints could not be written: {}", current_error().what());
  }
}

}  // namespace dray
