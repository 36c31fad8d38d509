// The floor of a push to a registry of images: each weights file as a tar layer of its own, the
// others together in one. Ranged GETs, SHA-256 of every file and of every layer, one PATCH a layer,
// then configuration and manifest; nothing read back, nothing to resume.
//
//   bench_oci_floor MANIFEST.json HUB_URL REGISTRY_URL REPOSITORY [THREADS]
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/model/tar_writer.h"
#include "plain_client.h"

namespace dray::bench {

namespace {

constexpr std::uint64_t kBlock = 8 * kMiB;
constexpr const char* kManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfig = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayer = "application/vnd.oci.image.layer.v1.tar";

struct File {
  std::string path, etag;  // the SHA-256 of weights, a git id of small files
  std::uint64_t size = 0;
};

struct Layer {
  std::vector<File> files;
  std::string digest;
  std::uint64_t size = 0;
};

/// The bytes of a layer, in pieces: heads, what the Hub gives, and what fills up.
class LayerBytes {
 public:
  LayerBytes(Client& hub, std::string from, Layer& layer)
      : hub_(hub), from_(std::move(from)), layer_(layer), block_(kBlock) {}

  static std::uint64_t size(const Layer& layer) {
    std::uint64_t out = tar::archive_end().size();
    for (const File& file : layer.files) out += head(file).size() + file.size + padding(file.size);
    return out;
  }

  Bytes next() {
    piece_ = following();
    sha256_.update(piece_);
    return piece_;
  }

  std::string digest() const {
    Sha256 sha256 = sha256_;
    return "sha256:" + sha256.hex();
  }

 private:
  static Buffer head(const File& file) {
    return tar::file_header("models/" + file.path, file.size);
  }
  static std::uint64_t padding(std::uint64_t size) { return (512 - size % 512) % 512; }

  Bytes following() {
    if (file_ == layer_.files.size()) return keep(tar::archive_end());
    const File& file = layer_.files[file_];
    if (!begun_) {
      begun_ = true;
      return keep(head(file));
    }
    if (at_ < file.size) {
      const std::uint64_t length = std::min(kBlock, file.size - at_);
      hub_.get(from_ + file.path, {at_, length}, block_.data());
      at_ += length;
      const Bytes bytes = Bytes(block_).first(length);
      of_file_.update(bytes);
      return bytes;
    }
    if (file.etag.size() == 64 && of_file_.hex() != file.etag)
      throw std::runtime_error(file.path + " has another SHA-256");
    const std::uint64_t fill = padding(file.size);
    at_ = 0, begun_ = false, of_file_ = Sha256(), ++file_;
    return fill == 0 ? following() : keep(Buffer(fill));
  }

  Bytes keep(Buffer bytes) {
    kept_ = std::move(bytes);
    return kept_;
  }

  Client& hub_;
  const std::string from_;
  Layer& layer_;
  std::size_t file_ = 0;
  std::uint64_t at_ = 0;
  bool begun_ = false;
  Sha256 sha256_, of_file_;
  Buffer block_, kept_;
  Bytes piece_;
};

class Push {
 public:
  Push(const Json& manifest, std::string hub, std::string registry, const std::string& repository)
      : registry_(std::move(registry)), repository_(registry_ + "/v2/" + repository) {
    hub_ = std::move(hub) + "/" + get_string(manifest, "repo", "manifest") + "/resolve/" +
           get_string(manifest, "commit", "manifest") + "/";
    Layer small;
    for (const Json& entry : get_array(manifest, "files", "manifest")) {
      File file{get_string(entry, "path", "manifest"), get_string(entry, "etag", "manifest"),
                get_u64(entry, "size", "manifest")};
      if (file.path.ends_with(".safetensors"))
        layers_.push_back({{std::move(file)}, "", 0});
      else
        small.files.push_back(std::move(file));
    }
    layers_.push_back(std::move(small));
  }

  void work() {
    Client hub, registry;
    try {
      for (std::size_t i = next_++; i < layers_.size() && !failed_; i = next_++)
        push(hub, registry, layers_[i]);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "bench_oci_floor: %s\n", e.what());
      failed_ = true;
    }
  }

  void publish(const std::string& tag) {
    Client client;
    Json layers = Json::array(), digests = Json::array();
    for (const Layer& layer : layers_) {
      layers.push_back({{"mediaType", kLayer}, {"digest", layer.digest}, {"size", layer.size}});
      digests.push_back(layer.digest);
    }
    const std::string config =
        dump_json({{"architecture", "amd64"},
                   {"os", "linux"},
                   {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(digests)}}}});
    const std::string digest = "sha256:" + Sha256::hex_of(as_bytes(config));
    client.send("PUT", with_digest(begin(client), digest), as_bytes(config),
                "application/octet-stream");
    const std::string text = dump_json(
        {{"schemaVersion", 2},
         {"mediaType", kManifest},
         {"config", {{"mediaType", kConfig}, {"digest", digest}, {"size", config.size()}}},
         {"layers", std::move(layers)}});
    client.send("PUT", repository_ + "/manifests/" + tag, as_bytes(text), kManifest);
  }

  bool failed() const { return failed_; }

 private:
  void push(Client& hub, Client& registry, Layer& layer) {
    layer.size = LayerBytes::size(layer);
    LayerBytes bytes(hub, hub_, layer);
    const std::string answer = registry.send(
        "PATCH", begin(registry), layer.size, [&] { return bytes.next(); },
        "application/octet-stream");
    layer.digest = bytes.digest();
    registry.send("PUT", with_digest(location(answer), layer.digest), {},
                  "application/octet-stream");
  }

  std::string begin(Client& client) {
    return location(client.send("POST", repository_ + "/blobs/uploads/", {}));
  }

  std::string location(const std::string& answer) const {
    const std::string url = between(answer, "Location: ", "\r\n");
    return url.starts_with('/') ? registry_ + url : url;
  }

  static std::string with_digest(const std::string& url, const std::string& digest) {
    return url + (url.find('?') == url.npos ? "?" : "&") + "digest=" + digest;
  }

  std::string hub_, registry_, repository_;
  std::vector<Layer> layers_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
};

int run(int argc, char** argv) {
  const auto text = read_file(argv[1]);
  if (!text) throw std::runtime_error("no manifest");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Push push(parse_json(*text, "manifest"), argv[2], argv[3], argv[4]);
  {
    std::vector<std::jthread> threads;
    const int count = argc > 5 ? std::atoi(argv[5]) : 4;
    for (int i = 0; i < count; ++i) threads.emplace_back([&] { push.work(); });
  }
  if (!push.failed()) push.publish("1.0.0");
  return push.failed() ? 1 : 0;
}

}  // namespace

}  // namespace dray::bench

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  try {
    return dray::bench::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_oci_floor: %s\n", e.what());
    return 1;
  }
}
