#include "dray/oci/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"

namespace dray::oci {

namespace {

constexpr JsonLimits kLimits{.bytes = kMaxManifest, .depth = 32};
constexpr std::size_t kMostDescriptors = 10'000;
constexpr std::uint64_t kLargestBlob = std::uint64_t{1} << 43;  // keeps sums in 64 bits

[[noreturn]] void fail(std::string_view what, const std::string& why) {
  throw Error(Code::malformed, fmt::format("{}: {}", what, why));
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// ---- writing: what is empty is left out

void put_text(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

void put_annotations(Json& object, const Annotations& annotations) {
  if (!annotations.empty()) object["annotations"] = annotations;
}

Json to_json(const Platform& platform) {
  Json json = {{"architecture", platform.architecture}, {"os", platform.os}};
  put_text(json, "variant", platform.variant);
  return json;
}

Json to_json(const Descriptor& descriptor) {
  Json json = {{"mediaType", descriptor.media_type},
               {"digest", descriptor.digest},
               {"size", descriptor.size}};
  put_text(json, "artifactType", descriptor.artifact_type);
  put_annotations(json, descriptor.annotations);
  if (descriptor.platform) json["platform"] = to_json(*descriptor.platform);
  return json;
}

Json to_json(const std::vector<Descriptor>& descriptors) {
  Json json = Json::array();
  for (const auto& descriptor : descriptors) json.push_back(to_json(descriptor));
  return json;
}

template <typename Document>
Json head_of(const Document& document) {
  Json json = {{"schemaVersion", 2}, {"mediaType", document.media_type}};
  put_text(json, "artifactType", document.artifact_type);
  if (document.subject) json["subject"] = to_json(*document.subject);
  put_annotations(json, document.annotations);
  return json;
}

// ---- reading

std::string text_or_empty(const Json& json, std::string_view key, std::string_view what) {
  return find_string(json, key, what).value_or("");
}

Annotations read_annotations(const Json& json, std::string_view what) {
  Annotations out;
  const auto at = json.find("annotations");
  if (at == json.end() || at->is_null()) return out;
  if (!at->is_object()) fail(what, "'annotations' is no object");
  for (const auto& [key, value] : at->items()) {
    if (!value.is_string()) fail(what, fmt::format("the annotation '{}' is no text", key));
    out.emplace(key, value.get<std::string>());
  }
  return out;
}

Platform read_platform(const Json& json, std::string_view what) {
  return {.os = text_or_empty(json, "os", what),
          .architecture = text_or_empty(json, "architecture", what),
          .variant = text_or_empty(json, "variant", what)};
}

Descriptor read_descriptor(const Json& json, std::string_view what) {
  if (!json.is_object()) fail(what, "a descriptor is no object");
  Descriptor out;
  out.media_type = text_or_empty(json, "mediaType", what);
  out.digest = get_string(json, "digest", what);
  check_digest(out.digest, what);
  out.size = get_u64(json, "size", what);
  if (out.size > kLargestBlob) fail(what, fmt::format("{} has {} bytes", out.digest, out.size));
  out.artifact_type = text_or_empty(json, "artifactType", what);
  out.annotations = read_annotations(json, what);
  if (const auto at = json.find("platform"); at != json.end() && at->is_object())
    out.platform = read_platform(*at, what);
  return out;
}

std::vector<Descriptor> read_descriptors(const Json& json, const char* key, std::string_view what) {
  std::vector<Descriptor> out;
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return out;
  const Json& list = get_array(json, key, what);
  if (list.size() > kMostDescriptors)
    fail(what, fmt::format("'{}' has more than {} entries", key, kMostDescriptors));
  for (const auto& item : list) out.push_back(read_descriptor(item, what));
  return out;
}

template <typename Document>
void read_head(const Json& json, std::string_view what, Document& out) {
  const auto version = find_u64(json, "schemaVersion", what);
  if (version == 1)
    throw Error(Code::unsupported, fmt::format("{}: this is an image of schema 1", what))
        .hint("push it again with a tool of this decade; schema 1 states no usable layers");
  if (version != 2) fail(what, "'schemaVersion' is not 2");
  if (const std::string stated = text_or_empty(json, "mediaType", what); !stated.empty())
    out.media_type = stated;
  out.artifact_type = text_or_empty(json, "artifactType", what);
  out.annotations = read_annotations(json, what);
  if (const auto at = json.find("subject"); at != json.end() && !at->is_null())
    out.subject = read_descriptor(*at, what);
}

Json parse(std::string_view text, std::string_view what) {
  Json json = parse_json(text, what, kLimits);
  if (!json.is_object()) fail(what, "this is no JSON object");
  return json;
}

}  // namespace

std::string Platform::text() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

std::string Descriptor::annotation(std::string_view key) const {
  const auto found = annotations.find(std::string(key));
  return found == annotations.end() ? "" : found->second;
}

std::string digest_of(std::string_view content) {
  return "sha256:" + Sha256::hex_of(as_bytes(content));
}

void check_digest(std::string_view digest, std::string_view what) {
  const auto is = [&](std::string_view algorithm, std::size_t digits) {
    return digest.starts_with(algorithm) && digest.size() == algorithm.size() + digits &&
           is_lower_hex(digest.substr(algorithm.size()));
  };
  if (!is("sha256:", 64) && !is("sha512:", 128))
    fail(what, fmt::format("'{}' is no digest", digest.substr(0, 200)));
}

std::string to_json_text(const Manifest& manifest) {
  Json json = head_of(manifest);
  json["config"] = to_json(manifest.config);
  json["layers"] = to_json(manifest.layers);
  return dump_json(json);
}

std::string to_json_text(const Index& index) {
  Json json = head_of(index);
  json["manifests"] = to_json(index.manifests);
  return dump_json(json);
}

std::string to_json_text(const Config& config) {
  Json json = config.rest;
  json["architecture"] = config.platform.architecture;
  json["os"] = config.platform.os;
  put_text(json, "variant", config.platform.variant);
  put_text(json, "created", config.created);
  if (!config.settings.empty()) json["config"] = config.settings;
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", config.diff_ids}};
  if (!config.history.empty()) json["history"] = config.history;
  return dump_json(json);
}

bool is_index(std::string_view media_type) {
  return media_type == media::kIndex || media_type == media::kDockerList;
}

Manifest parse_image_manifest(std::string_view text, std::string_view what) {
  const Json json = parse(text, what);
  Manifest out;
  read_head(json, what, out);
  if (is_index(out.media_type)) fail(what, "this is an index, not one image");
  out.config = read_descriptor(get_object(json, "config", what), what);
  out.layers = read_descriptors(json, "layers", what);
  return out;
}

Index parse_image_index(std::string_view text, std::string_view what) {
  const Json json = parse(text, what);
  Index out;
  read_head(json, what, out);
  out.manifests = read_descriptors(json, "manifests", what);
  return out;
}

Config parse_image_config(std::string_view text, std::string_view what) {
  Json json = parse(text, what);
  Config out;
  out.platform = read_platform(json, what);
  out.created = text_or_empty(json, "created", what);
  const Json& rootfs = get_object(json, "rootfs", what);
  for (const auto& id : get_array(rootfs, "diff_ids", what)) {
    if (!id.is_string()) fail(what, "'diff_ids' holds something other than texts");
    check_digest(id.get<std::string>(), what);
    out.diff_ids.push_back(id.get<std::string>());
  }
  if (out.diff_ids.size() > kMostDescriptors) fail(what, "'diff_ids' has too many entries");
  if (const auto at = json.find("history"); at != json.end() && at->is_array()) out.history = *at;
  if (const auto at = json.find("config"); at != json.end() && at->is_object()) out.settings = *at;
  for (const char* key :
       {"architecture", "os", "variant", "created", "rootfs", "history", "config"})
    json.erase(key);
  out.rest = std::move(json);
  return out;
}

std::string media_type_of(std::string_view text, std::string_view what) {
  const Json json = parse(text, what);
  if (std::string stated = text_or_empty(json, "mediaType", what); !stated.empty()) return stated;
  return std::string(json.contains("manifests") ? media::kIndex : media::kManifest);
}

}  // namespace dray::oci
