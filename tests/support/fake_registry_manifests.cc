// Manifests and tags of a FakeRegistry.
#include <algorithm>

#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

constexpr std::string_view kImage = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerImage = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";

bool is_list(std::string_view type) { return type == kIndex || type == kDockerList; }
bool is_known(std::string_view type) {
  return is_list(type) || type == kImage || type == kDockerImage;
}

std::string text_of(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object.at(key).is_string()
             ? object.at(key).get<std::string>()
             : "";
}

/// As list of referrers shows a manifest.
Json descriptor_of(const StoredManifest& manifest, const Json& document) {
  Json out{
      {"mediaType", manifest.type}, {"digest", manifest.digest}, {"size", manifest.content.size()}};
  std::string kind = text_of(document, "artifactType");
  if (kind.empty() && document.contains("config"))
    kind = text_of(document.at("config"), "mediaType");
  if (!kind.empty()) out["artifactType"] = kind;
  if (document.contains("annotations")) out["annotations"] = document.at("annotations");
  return out;
}

/// Does one of the types in Accept fit?
bool accepts(std::string_view accept, std::string_view type) {
  while (!accept.empty()) {
    const std::size_t end = std::min(accept.find(','), accept.size());
    std::string_view one = accept.substr(0, std::min(accept.find(';'), end));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == type || one == "*/*") return true;
    accept.remove_prefix(std::min(end + 1, accept.size()));
  }
  return false;
}

bool has_other_place(const Json& descriptor) {
  return descriptor.contains("urls") && descriptor.at("urls").is_array() &&
         !descriptor.at("urls").empty();
}

RawResponse bad_manifest(const std::string& message) {
  return FakeRegistry::error(400, "MANIFEST_INVALID", message);
}

}  // namespace

std::string RegistryState::store_manifest(const std::string& repository, const std::string& tag,
                                          const std::string& type, const std::string& content) {
  StoredManifest manifest{content, type, FakeRegistry::digest_of(content), "", {}};
  const Json document = Json::parse(content, nullptr, false);
  if (document.is_object()) {
    manifest.descriptor = descriptor_of(manifest, document);
    if (document.contains("subject")) manifest.subject = text_of(document.at("subject"), "digest");
  }
  StoredRepository& place = repositories[repository];
  const std::string digest = manifest.digest;
  place.manifests[digest] = std::move(manifest);
  if (!tag.empty()) place.tags[tag] = digest;
  return digest;
}

const StoredManifest* RegistryState::find_manifest(const std::string& repository,
                                                   const std::string& reference) const {
  const auto place = repositories.find(repository);
  if (place == repositories.end()) return nullptr;
  const auto tag = place->second.tags.find(reference);
  const auto found =
      place->second.manifests.find(tag == place->second.tags.end() ? reference : tag->second);
  return found == place->second.manifests.end() ? nullptr : &found->second;
}

RawResponse RegistryState::get_manifest(const RegistryCall& call) const {
  const StoredManifest* manifest = find_manifest(call.repository, call.reference);
  const bool shown = manifest != nullptr && (!call.options.quirks.checks_accept ||
                                             accepts(call.header("accept"), manifest->type));
  if (!shown) return FakeRegistry::error(404, "MANIFEST_UNKNOWN");
  RawResponse response;
  response.headers.emplace_back("Content-Type", manifest->type);
  add_digest(call, manifest->digest, response);
  response.body = manifest->content;
  return response;
}

RegistryState::Refusal RegistryState::check_manifest(const RegistryCall& call,
                                                     const Json& document) const {
  const std::string type = call.header("content-type");
  if (!document.is_object()) return bad_manifest("not a JSON object");
  if (!is_known(type)) return bad_manifest("Content-Type is of no manifest: " + type);
  if (document.contains("mediaType") && text_of(document, "mediaType") != type)
    return bad_manifest("Content-Type is not the mediaType");
  const auto place = repositories.find(call.repository);
  static const StoredRepository kNothing;
  const StoredRepository& there = place == repositories.end() ? kNothing : place->second;

  const bool list = is_list(type);
  std::vector<Json> parts;
  const char* key = list ? "manifests" : "layers";
  if (!document.contains(key) || !document.at(key).is_array())
    return bad_manifest(std::string("no list of ") + key);
  for (const Json& part : document.at(key)) parts.push_back(part);
  if (!list) {
    if (!document.contains("config")) return bad_manifest("no config");
    parts.push_back(document.at("config"));
  }
  for (const Json& part : parts) {
    const std::string digest = text_of(part, "digest");
    if (!is_registry_digest(digest) || text_of(part, "mediaType").empty() ||
        !part.contains("size") || !part.at("size").is_number_unsigned())
      return bad_manifest("a descriptor lacks mediaType, digest or size");
    if (has_other_place(part)) continue;
    const auto manifest = there.manifests.find(digest);
    if (list ? manifest == there.manifests.end() : !there.blobs.contains(digest))
      return FakeRegistry::error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry",
                                 dump_json({{"digest", digest}}));
    const std::size_t size = list ? manifest->second.content.size() : contents.at(digest).size();
    if (part.at("size").get<std::uint64_t>() != size)
      return bad_manifest("a descriptor states another size: " + digest);
  }
  return std::nullopt;
}

RawResponse RegistryState::put_manifest(const RegistryCall& call) {
  const RegistryQuirks& quirks = call.options.quirks;
  const bool by_digest = call.reference.find(':') != std::string::npos;
  if (!by_digest && !is_registry_tag(call.reference)) return bad_manifest("not a tag");
  if (call.body().size() > quirks.max_manifest) return FakeRegistry::error(413, "MANIFEST_INVALID");
  if (by_digest && FakeRegistry::digest_of(call.body()) != call.reference)
    return FakeRegistry::error(400, "DIGEST_INVALID");
  const Json document = Json::parse(call.body(), nullptr, false);
  if (auto refusal = check_manifest(call, document)) return *refusal;
  const std::string digest = store_manifest(call.repository, by_digest ? "" : call.reference,
                                            call.header("content-type"), call.body());
  RawResponse response{.status = 201};
  const std::string base = quirks.relative_locations ? "" : call.base_url();
  response.headers.emplace_back("Location",
                                base + "/v2/" + call.repository + "/manifests/" + digest);
  add_digest(call, digest, response);
  const std::string& subject = find_manifest(call.repository, digest)->subject;
  if (quirks.referrers && !subject.empty()) response.headers.emplace_back("OCI-Subject", subject);
  if (!by_digest || !quirks.tag_parameters) return response;
  for (const auto& [name, tag] : call.query) {
    if (name != "tag" || !is_registry_tag(tag)) continue;
    repositories[call.repository].tags[tag] = digest;
    response.headers.emplace_back("OCI-Tag", tag);
  }
  return response;
}

RawResponse RegistryState::delete_manifest(const RegistryCall& call) {
  const RegistryQuirks& quirks = call.options.quirks;
  const bool by_digest = call.reference.find(':') != std::string::npos;
  if (!quirks.deletes || (!by_digest && !quirks.deletes_tags))
    return FakeRegistry::error(405, "UNSUPPORTED");
  if (find_manifest(call.repository, call.reference) == nullptr)
    return FakeRegistry::error(404, "MANIFEST_UNKNOWN");
  StoredRepository& place = repositories.at(call.repository);
  if (by_digest) {
    place.manifests.erase(call.reference);
    std::erase_if(place.tags, [&](const auto& tag) { return tag.second == call.reference; });
  } else {
    place.tags.erase(call.reference);
  }
  return {.status = 202};
}

}  // namespace dray::test
