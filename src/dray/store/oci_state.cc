#include "dray/store/oci_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/parallel.h"
#include "dray/model/reference.h"
#include "dray/store/layout.h"
#include "dray/store/oci_image.h"

namespace dray {

namespace {

constexpr std::string_view kReleases = ".dray/releases/";
constexpr std::string_view kJson = ".json";
constexpr std::uint64_t kMostRecord = 64 * kMiB;
constexpr std::size_t kReadsAtOnce = 8;
constexpr const char* kArtifactSuffix = "-modelpack";

/// Name and version of a manifest's key; nullopt for other keys.
std::optional<std::pair<std::string, std::string>> release_of(std::string_view key) {
  if (!key.starts_with(kReleases) || !key.ends_with(kJson)) return std::nullopt;
  key.remove_prefix(kReleases.size());
  key.remove_suffix(kJson.size());
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos || key.find('/', slash + 1) != std::string_view::npos)
    return std::nullopt;
  return std::pair(std::string(key.substr(0, slash)), std::string(key.substr(slash + 1)));
}

/// The place of a repository among others: "host_5000/org/model/".
std::string corner_of(const oci::Reference& reference) {
  std::string host = reference.host;
  std::replace_if(
      host.begin(), host.end(), [](char c) { return c == ':' || c == '[' || c == ']'; }, '_');
  return fmt::format("{}registries/{}/{}/", kStateRoot, host, reference.repository);
}

/// Annotations are anybody's text.
bool is_name(const std::string& text) {
  try {
    check_name(text, "name");
    return true;
  } catch (const Error&) {
    return false;
  }
}

void check_tag(const std::string& version, const std::string& repository) {
  if (version.size() <= 128 && !version.starts_with('.') && !version.starts_with('-')) return;
  throw Error(Code::usage, "this version cannot be a tag")
      .on("publish", repository + ":" + version)
      .hint(
          "tags have at most 128 characters and begin with a letter, a digit or '_': choose "
          "another --version");
}

}  // namespace

OciState::OciState(std::shared_ptr<oci::Client> client, std::shared_ptr<Store> beside)
    : client_(std::move(client)),
      beside_(std::move(beside)),
      corner_(corner_of(client_->reference())) {}

std::string OciState::beside_key(const std::string& key) const {
  return corner_ + (key.starts_with(kStateRoot) ? key.substr(kStateRoot.size()) : key);
}

std::vector<OciState::Named> OciState::named(const std::string& reference,
                                             const std::stop_token& stop) {
  std::vector<Named> out;
  const bool by_digest = reference.find(':') != std::string::npos;
  const auto digest = client_->manifest_digest(reference, stop);
  if (!digest) return out;
  for (auto& referrer : client_->referrers(*digest, kRecordType, stop)) {
    Named found{referrer.annotation(kRecordName), referrer.annotation(kRecordVersion), {}};
    if (found.name.empty() || found.version.empty()) {  // a registry's own list may lack them
      const auto text = client_->manifest(referrer.digest, stop);
      if (!text) continue;
      referrer.annotations =
          oci::parse_image_manifest(text->text, client_->name() + "@" + referrer.digest)
              .annotations;
      found = {referrer.annotation(kRecordName), referrer.annotation(kRecordVersion), {}};
    }
    if (!is_name(found.name) || !is_name(found.version)) continue;
    if (!by_digest && found.version != reference) continue;
    found.artifact = std::move(referrer);
    out.push_back(std::move(found));
  }
  return out;
}

/// nullopt where the artifact is gone, or holds another release than it says.
std::optional<std::string> OciState::read(const Named& named, const std::stop_token& stop) {
  const auto manifest = client_->manifest(named.artifact.digest, stop);
  if (!manifest) return std::nullopt;
  const oci::Manifest artifact =
      oci::parse_image_manifest(manifest->text, client_->name() + "@" + named.artifact.digest);
  if (artifact.layers.size() != 1) return std::nullopt;
  std::string text = client_->small_blob(artifact.layers.front(), kMostRecord, stop);
  const Manifest release =
      parse_manifest(text, "record of " + client_->name() + ":" + named.version);
  if (release.name != named.name || release.version != named.version) return std::nullopt;
  return text;
}

std::optional<std::string> OciState::record_text(const std::string& reference,
                                                 const std::stop_token& stop) {
  for (const Named& record : named(reference, stop))
    if (auto text = read(record, stop)) return text;
  return std::nullopt;
}

std::map<std::string, OciState::Named> OciState::releases(const std::stop_token& stop) {
  const std::vector<std::string> tags = client_->tags(stop);
  std::vector<std::vector<Named>> found(tags.size());
  parallel_for(tags.size(), kReadsAtOnce, stop, [&](std::size_t i, const std::stop_token& token) {
    if (!tags[i].starts_with("sha256-")) found[i] = named(tags[i], token);
  });
  std::map<std::string, Named> out;
  for (auto& records : found)
    for (auto& record : records)
      out.emplace(manifest_key(record.name, record.version), std::move(record));
  return out;
}

std::optional<std::string> OciState::get(const std::string& key, const std::stop_token& stop) {
  const auto release = release_of(key);
  if (!release) return beside_->state().get(beside_key(key), stop);
  for (const Named& record : named(release->second, stop))
    if (record.name == release->first)
      if (auto text = read(record, stop)) return text;
  return std::nullopt;
}

bool OciState::create_if_absent(const std::string& key, std::string_view content,
                                const std::stop_token& stop) {
  const auto release = release_of(key);
  if (!release) return beside_->state().create_if_absent(beside_key(key), content, stop);
  const std::string& tag = release->second;
  check_tag(tag, client_->name());
  const std::string text(content);
  const Manifest manifest = parse_manifest(text, "record of " + client_->name() + ":" + tag);
  const std::string what = client_->name() + ":" + tag;
  const std::string wanted = get_string(manifest.image, "digest", what);
  if (const auto there = client_->manifest_digest(tag, stop)) {
    if (!named(tag, stop).empty()) return false;
    if (*there != wanted)
      throw Error(Code::conflict, "the tag is there, for an image that dray did not make")
          .on("publish", what)
          .from(Side::destination)
          .hint("a version never changes: choose another one with --version");
  }
  const auto artifact = find_string(manifest.image, "modelpack", what);
  if (artifact) check_artifact_tag(tag, *artifact, stop);
  const auto image = client_->manifest(wanted, stop);
  if (!image)
    throw Error(Code::not_found, "the image is no longer there")
        .on("publish", what)
        .from(Side::destination)
        .hint("the registry's clean-up has removed it: import it again");
  client_->put_blob(oci::digest_of("{}"), as_bytes("{}"), stop);
  client_->put_blob(oci::digest_of(text), as_bytes(text), stop);
  client_->put_referrer(
      record_manifest(
          manifest, text,
          {.media_type = image->media_type, .digest = wanted, .size = image->text.size()}),
      stop);
  failpoint("oci.record-put");
  if (artifact) put_artifact_tag(tag, *artifact, stop);
  client_->put_manifest(tag, image->media_type, image->text, stop);
  // Tags have no compare-and-set: what cannot be prevented is noticed.
  if (client_->manifest_digest(tag, stop) != wanted)
    throw Error(Code::conflict, "somebody else moved the tag at the same time")
        .on("publish", what)
        .from(Side::destination)
        .hint("look who writes there, then import it under another --version");
  return true;
}

/// Clients that know no indexes (modctl) find the artifact of an index under a tag of its own.
void OciState::check_artifact_tag(const std::string& tag, const std::string& digest,
                                  const std::stop_token& stop) {
  const std::string own = tag + kArtifactSuffix;
  check_tag(own, client_->name());
  const auto there = client_->manifest_digest(own, stop);
  if (!there || *there == digest) return;
  throw Error(Code::conflict, "the tag is there, for something else")
      .on("publish", client_->name() + ":" + own)
      .from(Side::destination)
      .hint("the ModelPack artifact would have it: choose another --version");
}

void OciState::put_artifact_tag(const std::string& tag, const std::string& digest,
                                const std::stop_token& stop) {
  const auto text = client_->manifest(digest, stop);
  if (!text)
    throw Error(Code::not_found, "the artifact is no longer there")
        .on("publish", client_->name() + ":" + tag)
        .from(Side::destination)
        .hint("the registry's clean-up has removed it: import it again");
  client_->put_manifest(tag + kArtifactSuffix, text->media_type, text->text, stop);
  failpoint("oci.artifact-tagged");
}

void OciState::put(const std::string& key, std::string_view content, const std::stop_token& stop) {
  if (release_of(key))
    throw Error(Code::internal, "a release is never written over").on("write", key);
  beside_->state().put(beside_key(key), content, stop);
}

std::vector<StateItem> OciState::list(const std::string& prefix, const std::stop_token& stop) {
  std::vector<StateItem> out;
  if (prefix.starts_with(kReleases)) {
    for (const auto& [key, record] : releases(stop))
      if (key.starts_with(prefix)) out.push_back({key, record.artifact.size, {}});
    return out;
  }
  for (StateItem& item : beside_->state().list(beside_key(prefix), stop)) {
    item.key = std::string(kStateRoot) + item.key.substr(corner_.size());
    out.push_back(std::move(item));
  }
  return out;
}

void OciState::remove(const std::string& key, const std::stop_token& stop) {
  const auto release = release_of(key);
  if (!release) {
    beside_->state().remove(beside_key(key), stop);
    return;
  }
  const std::vector<Named> records = named(release->second, stop);
  for (const Named& record : records) {
    if (record.name != release->first) continue;
    const auto text = read(record, stop);
    client_->delete_tag(release->second, stop);
    if (!text) return;
    const Manifest manifest = parse_manifest(*text, "record of " + key);
    if (!manifest.image.is_object()) return;
    const auto artifact = find_string(manifest.image, "modelpack", "record of " + key);
    const std::string own = release->second + kArtifactSuffix;
    if (artifact && client_->manifest_digest(own, stop) == artifact) client_->delete_tag(own, stop);
    return;
  }
}

std::vector<std::string> OciState::list_names(const std::string& prefix,
                                              const std::stop_token& stop) {
  if (!prefix.starts_with(kReleases)) return beside_->list_names(beside_key(prefix), stop);
  std::set<std::string> names;
  for (const auto& [key, record] : releases(stop)) {
    if (!key.starts_with(prefix)) continue;
    const std::string rest = key.substr(prefix.size());
    names.insert(rest.substr(0, rest.find('/')));
  }
  return {names.begin(), names.end()};
}

}  // namespace dray
