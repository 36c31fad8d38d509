// Manifests, tags and referrers.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/http/headers.h"
#include "dray/oci/answers.h"
#include "dray/oci/client_impl.h"

namespace dray::oci {

namespace {

constexpr std::size_t kMostTags = 100'000;
constexpr int kMostPages = 1'000;

/// Everything that can be read: a registry that is asked for one type only may hide the others.
std::string accepted() {
  return fmt::format("{}, {}, {}, {}", media::kManifest, media::kIndex, media::kDockerManifest,
                     media::kDockerList);
}

/// The tag that stands for a list of referrers.
std::string referrers_tag(std::string digest) {
  std::replace(digest.begin(), digest.end(), ':', '-');
  return digest;
}

Descriptor descriptor_of(const Manifest& artifact, const std::string& text) {
  return {.media_type = artifact.media_type,
          .digest = digest_of(text),
          .size = text.size(),
          .artifact_type =
              artifact.artifact_type.empty() ? artifact.config.media_type : artifact.artifact_type,
          .annotations = artifact.annotations};
}

}  // namespace

std::optional<ManifestText> Client::manifest(const std::string& reference,
                                             const std::stop_token& stop) {
  http::Request request =
      impl_->request("GET", impl_->url("manifests/" + reference), "read", reference);
  request.headers.set("Accept", accepted());
  http::Response response = impl_->send_with_retry(request, stop, {.bytes = kMaxManifest});
  if (response.status == 404) return std::nullopt;
  if (response.status / 100 != 2) throw impl_->refusal(request, response);
  ManifestText out;
  out.digest = digest_of(response.body);
  const std::string stated = response.headers.get("Docker-Content-Digest").value_or("");
  const bool by_digest = reference.find(':') != std::string::npos;
  for (const std::string& wanted : {stated, by_digest ? reference : std::string()})
    if (wanted.starts_with("sha256:") && wanted != out.digest)
      throw Error(Code::verification, fmt::format("its digest is {}, not {}", out.digest, wanted))
          .on("read", request.object)
          .from(impl_->options.side);
  out.media_type = response.headers.get("Content-Type").value_or("");
  out.media_type = out.media_type.substr(0, out.media_type.find(';'));
  // The text itself decides; some servers give every JSON the same type.
  const std::string said = media_type_of(response.body, request.object);
  if (out.media_type.empty() || is_index(said) != is_index(out.media_type)) out.media_type = said;
  out.text = std::move(response.body);
  return out;
}

std::optional<std::string> Client::manifest_digest(const std::string& reference,
                                                   const std::stop_token& stop) {
  http::Request request =
      impl_->request("HEAD", impl_->url("manifests/" + reference), "look for", reference);
  request.headers.set("Accept", accepted());
  const http::Response response = impl_->send_with_retry(request, stop);
  if (response.status == 404) return std::nullopt;
  if (response.status / 100 != 2) throw impl_->refusal(request, response);
  if (auto digest = response.headers.get("Docker-Content-Digest");
      digest && digest->starts_with("sha256:"))
    return digest;
  const auto text = manifest(reference, stop);
  if (!text) return std::nullopt;
  return text->digest;
}

Client::PutManifest Client::put_manifest(const std::string& reference, std::string_view media_type,
                                         const std::string& text, const std::stop_token& stop) {
  http::Request request =
      impl_->request("PUT", impl_->url("manifests/" + reference), "write", reference);
  request.headers.set("Content-Type", std::string(media_type));
  request.body = as_bytes(text);
  request.repeatable = true;  // the same bytes under the same name
  const http::Response response = impl_->send_with_retry(request, stop);
  if (response.status / 100 != 2) throw impl_->refusal(request, response);
  return {digest_of(text), response.headers.has("OCI-Subject")};
}

void Client::delete_manifest(const std::string& reference, const std::stop_token& stop) {
  const http::Request request =
      impl_->request("DELETE", impl_->url("manifests/" + reference), "delete", reference);
  const http::Response response = impl_->send_with_retry(request, stop);
  if (response.status / 100 == 2 || response.status == 404) return;
  if (response.status == 405 || response.status == 400)
    throw Error(Code::unsupported, "the registry does not let this be deleted")
        .on("delete", request.object)
        .from(impl_->options.side)
        .hint("allow deletion there, or delete it with the registry's own means");
  throw impl_->refusal(request, response);
}

void Client::delete_tag(const std::string& tag, const std::stop_token& stop) {
  const auto digest = manifest_digest(tag, stop);
  if (!digest) return;
  try {
    delete_manifest(tag, stop);
    return;
  } catch (const Error& error) {
    if (error.code() != Code::unsupported) throw;
  }
  // Older registries delete by digest only, which takes all tags of it away.
  for (const auto& other : tags(stop))
    if (other != tag && manifest_digest(other, stop) == digest)
      throw Error(Code::unsupported,
                  "the registry deletes images, not tags, and " + other + " is the same image")
          .on("delete", name() + ":" + tag)
          .from(impl_->options.side);
  delete_manifest(*digest, stop);
}

std::vector<std::string> Client::tags(const std::stop_token& stop) {
  std::vector<std::string> out;
  http::Url url = impl_->url("tags/list");
  url.query = "n=1000";
  for (int page = 0; page < kMostPages; ++page) {
    const http::Request request = impl_->request("GET", url, "list the tags of", "");
    const http::Response response = impl_->send_with_retry(request, stop);
    if (response.status == 404) return out;
    if (response.status / 100 != 2) throw impl_->refusal(request, response);
    const Json body = parse_json(response.body, request.object, {.bytes = 16 << 20, .depth = 8});
    if (const auto list = body.find("tags"); list != body.end() && list->is_array())
      for (const auto& tag : *list)
        if (tag.is_string() && out.size() < kMostTags) out.push_back(tag.get<std::string>());
    std::optional<http::Url> next;
    for (const auto& link : http::parse_link(response.headers.get("Link").value_or("")))
      if (link.rel == "next") next = http::resolve(url, link.target);
    if (!next) break;
    if (!impl_->at_registry(*next))
      throw Error(Code::malformed, "the list goes on at another host")
          .on("list the tags of", name())
          .from(impl_->options.side);
    url = *next;
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<Descriptor> Client::referrers(const std::string& digest, std::string_view artifact_type,
                                          const std::stop_token& stop) {
  http::Url url = impl_->url("referrers/" + digest);
  url.query = "artifactType=" + http::percent_encode(artifact_type);
  http::Request request = impl_->request("GET", url, "list what refers to", digest);
  request.headers.set("Accept", std::string(media::kIndex));
  const http::Response response = impl_->send_with_retry(request, stop, {.bytes = kMaxManifest});
  std::string text;
  if (response.status == 200) {
    text = response.body;
  } else if (response.status == 404 || response.status == 405 || response.status == 400) {
    const auto list = manifest(referrers_tag(digest), stop);
    if (!list) return {};
    text = list->text;
  } else {
    throw impl_->refusal(request, response);
  }
  std::vector<Descriptor> out = parse_image_index(text, request.object).manifests;
  std::erase_if(out, [&](const Descriptor& d) { return d.artifact_type != artifact_type; });
  return out;
}

bool Client::lists_referrers(const std::stop_token& stop) {
  const http::Request request = impl_->request("GET", impl_->url("referrers/" + digest_of("")),
                                               "list what refers to", digest_of(""));
  const http::Response response = impl_->send_with_retry(request, stop, {.bytes = kMaxManifest});
  if (response.status == 401 || response.status == 403) throw impl_->refusal(request, response);
  return response.status == 200;
}

std::string Client::put_referrer(const Manifest& artifact, const std::stop_token& stop) {
  const std::string text = to_json_text(artifact);
  const Descriptor descriptor = descriptor_of(artifact, text);
  if (put_manifest(descriptor.digest, artifact.media_type, text, stop).subject_known)
    return descriptor.digest;
  const std::string tag = referrers_tag(artifact.subject->digest);
  Index list;
  if (const auto there = manifest(tag, stop)) list = parse_image_index(there->text, name());
  const auto same = [&](const Descriptor& d) { return d.digest == descriptor.digest; };
  if (std::any_of(list.manifests.begin(), list.manifests.end(), same)) return descriptor.digest;
  list.manifests.push_back(descriptor);
  put_manifest(tag, list.media_type, to_json_text(list), stop);
  return descriptor.digest;
}

}  // namespace dray::oci
