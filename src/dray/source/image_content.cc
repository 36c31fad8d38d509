#include "dray/source/image_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/path.h"
#include "dray/model/file_kind.h"
#include "dray/model/layer_tree.h"

namespace dray {

namespace {

constexpr std::uint64_t kMostConfig = 4 * kMiB;
constexpr std::uint64_t kKeptFile = 1 * kMiB, kKeptInAll = 16 * kMiB;
constexpr std::size_t kMostSkipped = 10;  // named in warnings

using Compression = LayerCompression;

std::string host_architecture() {
#if defined(__aarch64__)
  return "arm64";
#elif defined(__s390x__)
  return "s390x";
#elif defined(__powerpc64__)
  return "ppc64le";
#else
  return "amd64";
#endif
}

/// Attestations, signatures and the like travel in indexes without a platform.
bool is_companion(const oci::Descriptor& entry) {
  return entry.platform && entry.platform->os == "unknown" &&
         !entry.artifact_type.starts_with("application/vnd.cncf.model");
}

const oci::Descriptor& entry_for(const oci::Index& index, const std::string& architecture,
                                 const std::string& what) {
  const oci::Descriptor* any = nullptr;
  for (const auto& entry : index.manifests) {
    if (is_companion(entry)) continue;
    if (any == nullptr) any = &entry;
    if (entry.platform && entry.platform->os == "linux" &&
        entry.platform->architecture == architecture)
      return entry;
  }
  if (any != nullptr) return *any;
  throw Error(Code::not_found, "the index names no image").on("read", what).from(Side::source);
}

/// What the first pass over a compressed layer found out about one of its files.
struct Seen {
  std::string sha256;
  std::shared_ptr<const std::string> kept;
};
using SeenFiles = std::map<std::uint64_t, Seen>;  // by place in the layer

class Lister {
 public:
  Lister(oci::Images& images, const oci::Manifest& manifest, const http::RetryPolicy& retry,
         const std::stop_token& stop)
      : images_(images), manifest_(manifest), retry_(retry), stop_(stop) {}

  ImageFiles run() {
    const std::string kind =
        manifest_.artifact_type.empty() ? manifest_.config.media_type : manifest_.artifact_type;
    if (kind.starts_with("application/vnd.cncf.model"))
      artifact(&Lister::modelpack_path);
    else if (manifest_.config.media_type.starts_with("application/vnd.kitops.modelkit"))
      artifact(&Lister::no_path);
    else if (manifest_.config.media_type.starts_with("application/vnd.docker.ai.model"))
      artifact(&Lister::docker_path);
    else if (manifest_.config.media_type == oci::media::kConfig ||
             manifest_.config.media_type == oci::media::kDockerConfig)
      image();
    else
      throw Error(Code::unsupported,
                  fmt::format("this is no image and no model, but {}", clean(kind)))
          .on("read", images_.name())
          .from(Side::source)
          .hint("dray reads modelcar images, ModelPack, KitOps and Docker model artifacts");
    std::sort(out_.files.begin(), out_.files.end(),
              [](const auto& a, const auto& b) { return a.entry.path < b.entry.path; });
    std::vector<std::string> paths;
    for (const auto& file : out_.files) paths.push_back(file.entry.path);
    check_listing(paths, images_.name());
    return std::move(out_);
  }

 private:
  static std::string clean(const std::string& text) { return text.substr(0, 100); }

  // ---- artifacts: each layer is a file, or an archive of some

  std::string modelpack_path(const oci::Descriptor& layer) const {
    for (const char* key : {"org.cncf.model.filepath", "org.opencontainers.image.title"})
      if (std::string path = layer.annotation(key); !path.empty()) return path;
    return "";
  }
  std::string no_path(const oci::Descriptor&) const { return ""; }
  std::string docker_path(const oci::Descriptor& layer) const {
    if (std::string path = modelpack_path(layer); !path.empty()) return path;
    const std::string_view type = layer.media_type;
    if (type.find("gguf") != std::string_view::npos) return "model.gguf";
    if (type.find("license") != std::string_view::npos) return "LICENSE";
    if (type.find("chat.template") != std::string_view::npos) return "chat_template.jinja";
    return "";
  }

  void artifact(std::string (Lister::*path_of)(const oci::Descriptor&) const) {
    LayerTree tree;
    std::vector<SeenFiles> seen;
    for (const auto& blob : manifest_.layers) {
      const auto compression = tar_compression(blob.media_type);
      out_.layers.push_back({blob, compression, ""});
      seen.emplace_back();
      if (compression) {
        tree.add_layer(entries(out_.layers.back(), seen.back()));
        continue;
      }
      tree.add_layer({});
      const std::string path = (this->*path_of)(blob);
      if (path.empty()) {
        warn("{}: a layer of type {} says not which file it is, and is left out", images_.name(),
             clean(blob.media_type));
        continue;
      }
      check_relative_path(path, images_.name());
      ImageFile file{{path, blob.size, {}}, {out_.layers.size() - 1, 0, nullptr}};
      if (blob.digest.starts_with("sha256:")) file.entry.digests.sha256 = blob.digest.substr(7);
      out_.files.push_back(std::move(file));
    }
    take(tree.files_below(""), seen);
  }

  // ---- images

  void image() {
    const oci::Config config = oci::parse_image_config(
        images_.small_blob(manifest_.config, kMostConfig, stop_), images_.name());
    LayerTree tree;
    std::vector<SeenFiles> seen;
    for (std::size_t i = 0; i < manifest_.layers.size(); ++i) {
      const auto& blob = manifest_.layers[i];
      const auto compression = tar_compression(blob.media_type);
      if (!compression)
        throw Error(Code::unsupported,
                    fmt::format("it has a layer of type {}", clean(blob.media_type)))
            .on("read", images_.name())
            .from(Side::source);
      const bool stated = manifest_.layers.size() == config.diff_ids.size();
      out_.layers.push_back({blob, compression, stated ? config.diff_ids[i] : ""});
      seen.emplace_back();
      tree.add_layer(entries(out_.layers.back(), seen.back()));
    }
    take(tree.files_below(), seen);
    if (!out_.files.empty()) return;
    throw Error(Code::not_found, "the image has no files below /models")
        .on("read", images_.name())
        .from(Side::source)
        .hint("is it a modelcar image? KServe looks there, too");
  }

  /// The digest that OLOT's annotation states of a layer's only file.
  static std::string stated_digest(const oci::Descriptor& blob, const std::string& path) {
    const std::string digest = blob.annotation("olot.layer.content.digest");
    const std::string where = blob.annotation("olot.layer.content.inlayerpath");
    const bool is_it = where.empty() || where == path || where.ends_with("/" + path);
    if (!is_it || blob.annotation("olot.layer.content.type") == "directory" ||
        !digest.starts_with("sha256:") || digest.size() != 71)
      return "";
    return digest.substr(7);
  }

  void take(const ModelTree& tree, const std::vector<SeenFiles>& seen) {
    for (std::size_t i = 0; i < tree.skipped.size(); ++i) {
      if (i == kMostSkipped) {
        warn("{}: {} more are left out", images_.name(), tree.skipped.size() - i);
        break;
      }
      warn("left out: {} {}", tree.skipped[i].path, tree.skipped[i].reason);
    }
    std::map<std::size_t, std::size_t> files_in;  // layers → how many
    for (const auto& file : tree.files) ++files_in[file.layer];
    for (const auto& file : tree.files) {
      ImageFile out{{file.path, file.size, {}}, {file.layer, file.data_offset, nullptr}};
      const auto& known = seen[file.layer];
      if (const auto it = known.find(file.data_offset); it != known.end()) {
        out.entry.digests.sha256 = it->second.sha256;
        out.place.kept = it->second.kept;
      } else if (files_in[file.layer] == 1) {
        out.entry.digests.sha256 = stated_digest(out_.layers[file.layer].blob, file.path);
      }
      out_.files.push_back(std::move(out));
    }
  }

  // ---- archives

  std::vector<tar::Entry> entries(const OciSource::Layer& layer, SeenFiles& seen) {
    const std::string what = images_.name() + "@" + layer.blob.digest;
    if (layer.compression != Compression::none) return pass_over(layer, what, seen);
    return tar::scan(
        layer.blob.size,
        [&](ByteRange range) { return oci::read_range(images_, layer.blob, range, retry_, stop_); },
        what);
  }

  /// Reads all of a compressed layer; keeps small files and the digests of all.
  std::vector<tar::Entry> pass_over(const OciSource::Layer& layer, const std::string& what,
                                    SeenFiles& seen) {
    std::vector<tar::Entry> out;
    LayerStream stream(images_, layer.blob, *layer.compression, layer.diff_id, retry_, stop_);
    tar::StreamReader reader(what);
    Sha256 sha;
    std::string content;
    bool keep = false, in_file = false;
    const auto close = [&] {
      if (!std::exchange(in_file, false)) return;
      Seen& file = seen[out.back().data_offset];
      file.sha256 = sha.hex();
      if (keep) file.kept = std::make_shared<const std::string>(std::move(content));
    };
    for (Bytes piece = stream.next(); !piece.empty(); piece = stream.next()) {
      while (const auto event = reader.next(piece)) {
        if (event->kind == tar::StreamReader::Event::Kind::data) {
          sha.update(event->data);
          if (keep) content += as_text(event->data);
          continue;
        }
        close();
        if (event->kind == tar::StreamReader::Event::Kind::end) continue;
        out.push_back(*event->entry);
        in_file = out.back().type == tar::EntryType::file;
        sha = Sha256();
        content.clear();
        keep = out.back().size <= kKeptFile && kept_ + out.back().size <= kKeptInAll;
        if (keep) kept_ += out.back().size;
      }
    }
    reader.finish();
    close();
    return out;
  }

  oci::Images& images_;
  const oci::Manifest& manifest_;
  const http::RetryPolicy& retry_;
  const std::stop_token& stop_;
  std::uint64_t kept_ = 0;
  ImageFiles out_;
};

}  // namespace

ResolvedImage resolve_image(oci::Images& images, const std::string& reference,
                            const std::string& architecture, const std::stop_token& stop) {
  const auto read = [&](const std::string& wanted) {
    auto text = images.manifest(wanted, stop);
    if (!text)
      throw Error(Code::not_found, fmt::format("there is no {}", wanted))
          .on("read", images.name())
          .from(Side::source)
          .hint("check the tag");
    return std::move(*text);
  };
  const oci::ManifestText top = read(reference);
  if (!oci::is_index(top.media_type))
    return {top.digest, oci::parse_image_manifest(top.text, images.name())};
  const oci::Index index = oci::parse_image_index(top.text, images.name());
  const auto& entry =
      entry_for(index, architecture.empty() ? host_architecture() : architecture, images.name());
  return {top.digest, oci::parse_image_manifest(read(entry.digest).text, images.name())};
}

ImageFiles list_image(oci::Images& images, const oci::Manifest& manifest,
                      const http::RetryPolicy& retry, const std::stop_token& stop) {
  return Lister(images, manifest, retry, stop).run();
}

}  // namespace dray
