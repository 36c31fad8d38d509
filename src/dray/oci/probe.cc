#include "dray/oci/probe.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"

namespace dray::oci {

namespace {

constexpr std::uint64_t kSent = 128 << 10;

/// Whether the registry still holds bytes of an upload whose body ended, in order or by a cut.
bool resumes(Client& client, bool cut, const std::stop_token& stop) {
  UploadSession session = client.begin_upload(stop);
  std::uint64_t given = 0;
  const http::BodyStream body{[&](MutableBytes out) -> std::size_t {
                                const std::size_t size = static_cast<std::size_t>(
                                    std::min<std::uint64_t>(out.size(), kSent - given));
                                if (size == 0 && cut)
                                  throw Error(Code::cancelled, "cut on purpose");
                                std::memset(out.data(), 0, size);
                                given += size;
                                return size;
                              },
                              std::nullopt};
  bool held = false;
  try {
    try {
      client.patch_stream(session, body, stop);
    } catch (const Error& error) {
      if (!cut || error.code() != Code::cancelled || stop.stop_requested()) throw;
    }
    held = client.upload_size(session, stop).value_or(0) > 0;
  } catch (const Error& error) {
    if (error.code() == Code::cancelled || error.code() == Code::auth) throw;
    debug("{}", error.what());  // a registry that answers so does not go on
  }
  client.cancel_upload(session, stop);
  return held;
}

/// A small blob that the repository holds.
std::optional<Descriptor> some_blob(Client& client, const std::stop_token& stop) {
  for (const auto& tag : client.tags(stop)) {
    auto text = client.manifest(tag, stop);
    if (text && is_index(text->media_type)) {
      const Index index = parse_image_index(text->text, client.name());
      if (index.manifests.empty()) continue;
      text = client.manifest(index.manifests.front().digest, stop);
      if (text && is_index(text->media_type)) continue;
    }
    if (!text) continue;
    const Manifest manifest = parse_image_manifest(text->text, client.name());
    if (manifest.config.size > 1) return manifest.config;
  }
  return std::nullopt;
}

bool gives_ranges(Client& client, const Descriptor& blob, const std::stop_token& stop) {
  try {
    std::byte byte{};
    client.read_blob(blob.digest, blob.size, blob.size - 1, {&byte, 1}, stop);
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::unsupported) throw;
    return false;
  }
}

}  // namespace

RegistryTraits probe_registry(Client& client, const std::stop_token& stop) {
  RegistryTraits out;
  out.lists_referrers = client.lists_referrers(stop);
  out.resumes_after_stop = resumes(client, false, stop);
  out.resumes_after_cut = resumes(client, true, stop);
  if (const auto blob = some_blob(client, stop)) {
    out.mounts = client.mount(blob->digest, client.reference().repository, stop);
    out.ranges = gives_ranges(client, *blob, stop);
  }
  return out;
}

}  // namespace dray::oci
