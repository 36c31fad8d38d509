#include "dray/oci/layout.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"

namespace dray::oci {

namespace {

constexpr std::string_view kScheme = "oci:";
constexpr const char* kRefName = "org.opencontainers.image.ref.name";

Fd open_file(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno("read", path.string());
  return fd;
}

}  // namespace

bool is_layout(std::string_view text) {
  return text.starts_with(kScheme) && !text.starts_with("oci://");
}

LayoutAddress parse_layout(std::string_view text) {
  std::string folder(text.substr(kScheme.size()));
  LayoutAddress out;
  if (const std::size_t colon = folder.rfind(':');
      colon != std::string::npos && folder.find('/', colon) == std::string::npos) {
    out.name = folder.substr(colon + 1);
    folder.resize(colon);
  }
  if (folder.empty())
    throw Error(Code::usage, "the folder is missing")
        .on("open layout", std::string(text))
        .hint("write oci:DIR or oci:DIR:NAME");
  out.folder = std::filesystem::absolute(expand_home(folder)).lexically_normal();
  return out;
}

std::filesystem::path Layout::blob_path(const std::string& digest) const {
  check_digest(digest, name());
  const std::size_t colon = digest.find(':');
  return folder_ / "blobs" / digest.substr(0, colon) / digest.substr(colon + 1);
}

std::optional<std::string> Layout::digest_for(const std::string& reference) const {
  if (reference.find(':') != std::string::npos) return reference;
  const auto text = read_file(folder_ / "index.json", kMaxManifest);
  if (!text)
    throw Error(Code::not_found, "there is no index.json: this is no image layout")
        .on("open", name())
        .hint("`skopeo copy docker://IMAGE oci:DIR` makes one");
  const auto manifests = parse_image_index(*text, (folder_ / "index.json").string()).manifests;
  if (reference.empty() && manifests.size() == 1) return manifests.front().digest;
  std::string names;
  for (const auto& manifest : manifests) {
    const std::string said = manifest.annotation(kRefName);
    if (!reference.empty() && said == reference) return manifest.digest;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", said.empty() ? manifest.digest : said);
  }
  if (!reference.empty()) return std::nullopt;
  throw Error(Code::usage, fmt::format("it holds {} images", manifests.size()))
      .on("open", name())
      .hint("say which one: oci:DIR:NAME with one of " + names);
}

std::optional<ManifestText> Layout::manifest(const std::string& reference, const std::stop_token&) {
  const auto digest = digest_for(reference);
  if (!digest) return std::nullopt;
  auto text = read_file(blob_path(*digest), kMaxManifest);
  if (!text) return std::nullopt;
  if (digest->starts_with("sha256:") && digest_of(*text) != *digest)
    throw Error(Code::verification, "the file has other bytes than its name says")
        .on("read", blob_path(*digest).string());
  return ManifestText{media_type_of(*text, name()), *digest, std::move(*text)};
}

void Layout::read_blob(const std::string& digest, std::uint64_t, std::uint64_t offset,
                       MutableBytes out, const std::stop_token&) {
  const auto path = blob_path(digest);
  const Fd fd = open_file(path);
  pread_exact(fd.get(), offset, out, path.string());
}

std::string Layout::small_blob(const Descriptor& blob, std::uint64_t limit,
                               const std::stop_token&) {
  auto text = read_file(blob_path(blob.digest), limit);
  if (!text)
    throw Error(Code::not_found, "the layout misses this blob").on("read", blob_path(blob.digest));
  if (digest_of(*text) != blob.digest)
    throw Error(Code::verification, "the file has other bytes than its name says")
        .on("read", blob_path(blob.digest));
  return std::move(*text);
}

}  // namespace dray::oci
