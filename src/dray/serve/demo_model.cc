#include "dray/serve/demo_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/model/hf_config.h"
#include "dray/model/safetensors.h"
#include "dray/serve/demo_texts.h"

namespace dray {

namespace {

constexpr std::uint64_t kElementBytes = 2;  // bf16
constexpr std::size_t kWordBytes = 8;       // numbers are made four at a time
constexpr int kShards = 2;
constexpr std::uint64_t kHashBlock = kMiB;

struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  ByteRange place;         // in the file
  std::uint64_t seed = 0;  // 0: all ones (the weights of norms)
};

std::uint64_t bytes_of(const Tensor& tensor) {
  std::uint64_t bytes = kElementBytes;
  for (const auto dim : tensor.shape) bytes *= dim;
  return bytes;
}

/// A finalizer of 64 bits in which every input bit changes half of the output bits.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// Exponent bits of a bf16 number by eight random bits: one less with every leading zero.
struct Exponents {
  std::uint64_t of[256];
};
constexpr Exponents kExponents = [] {
  constexpr int kLargest = 121;  // 2^-6
  Exponents table{};
  for (unsigned bits = 0; bits < 256; ++bits) {
    const int exponent = kLargest - std::countl_zero(static_cast<std::uint8_t>(bits));
    table.of[bits] = static_cast<std::uint64_t>(exponent) << 7;
  }
  return table;
}();

/// Four elements as they lie in the file: numbers between -1/32 and 1/32, evenly spread (sign and
/// mantissa random), or ones.
std::uint64_t word_of(const Tensor& tensor, std::uint64_t index) {
  constexpr std::uint64_t kOnes = 0x3F80'3F80'3F80'3F80, kSignAndMantissa = 0x807F'807F'807F'807F;
  if (tensor.seed == 0) return kOnes;
  const auto random = mix(tensor.seed + (index + 1) * 0x9E3779B97F4A7C15);
  auto word = random & kSignAndMantissa;
  for (unsigned lane = 0; lane < 64; lane += 16)
    word |= kExponents.of[(random >> (lane + 7)) & 0xFF] << lane;
  return word;
}

/// Fills `out` with the tensor's bytes from `offset` on.
void fill(const Tensor& tensor, std::uint64_t offset, MutableBytes out) {
  static_assert(std::endian::native == std::endian::little, "words are stored as they are");
  std::byte* to = out.data();
  for (auto left = out.size(); left > 0;) {
    const auto word = word_of(tensor, offset / kWordBytes);
    const auto skip = static_cast<std::size_t>(offset % kWordBytes);
    const auto count = std::min(left, kWordBytes - skip);
    std::memcpy(to, reinterpret_cast<const char*>(&word) + skip, count);
    to += count;
    left -= count;
    offset += count;
  }
}

/// All tensors by shard, as transformers names and shapes them for a Llama.
std::array<std::vector<Tensor>, kShards> make_tensors(const DemoShape& shape) {
  std::array<std::vector<Tensor>, kShards> shards;
  std::uint64_t seed = 0;
  const auto add = [&](std::size_t shard, std::string name, std::vector<std::uint64_t> dims) {
    const bool norm = dims.size() == 1;
    shards[shard].push_back({.name = std::move(name),
                             .shape = std::move(dims),
                             .place = {},
                             .seed = norm ? 0 : mix(++seed)});
  };
  const auto q = shape.heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim;
  add(0, "model.embed_tokens.weight", {shape.vocabulary, shape.hidden});
  for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
    const std::size_t shard = layer < shape.layers / 2 ? 0 : 1;
    const auto tensor = [&](const char* part, std::vector<std::uint64_t> dims) {
      add(shard, fmt::format("model.layers.{}.{}.weight", layer, part), std::move(dims));
    };
    tensor("input_layernorm", {shape.hidden});
    tensor("mlp.down_proj", {shape.hidden, shape.intermediate});
    tensor("mlp.gate_proj", {shape.intermediate, shape.hidden});
    tensor("mlp.up_proj", {shape.intermediate, shape.hidden});
    tensor("post_attention_layernorm", {shape.hidden});
    tensor("self_attn.k_proj", {kv, shape.hidden});
    tensor("self_attn.o_proj", {shape.hidden, q});
    tensor("self_attn.q_proj", {q, shape.hidden});
    tensor("self_attn.v_proj", {kv, shape.hidden});
  }
  add(1, "model.norm.weight", {shape.hidden});
  add(1, "lm_head.weight", {shape.vocabulary, shape.hidden});
  return shards;
}

}  // namespace

struct DemoModel::Shard {
  Buffer header;                // length and JSON
  std::vector<Tensor> tensors;  // in order of their place
  std::uint64_t size = 0;

  explicit Shard(std::vector<Tensor> all) : tensors(std::move(all)) {
    std::sort(tensors.begin(), tensors.end(),
              [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
    Json json = {{"__metadata__", {{"format", "pt"}}}};
    std::uint64_t at = 0;
    for (auto& tensor : tensors) {
      tensor.place = {at, bytes_of(tensor)};
      at = tensor.place.end();
      json[tensor.name] = {{"dtype", "BF16"},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.place.offset, tensor.place.end()}}};
    }
    header = safetensors_head(dump_json(json), 8);
    for (auto& tensor : tensors) tensor.place.offset += header.size();
    size = header.size() + at;
  }

  void read(std::uint64_t offset, MutableBytes out) const {
    if (offset < header.size()) {
      const auto count = std::min(out.size(), header.size() - static_cast<std::size_t>(offset));
      std::memcpy(out.data(), header.data() + offset, count);
      out = out.subspan(count);
      offset += count;
    }
    auto tensor =
        std::upper_bound(tensors.begin(), tensors.end(), offset,
                         [](std::uint64_t o, const Tensor& t) { return o < t.place.end(); });
    for (; !out.empty(); ++tensor) {
      const auto skip = offset - tensor->place.offset;
      const auto count = std::min<std::uint64_t>(out.size(), tensor->place.length - skip);
      fill(*tensor, skip, out.first(static_cast<std::size_t>(count)));
      out = out.subspan(static_cast<std::size_t>(count));
      offset += count;
    }
  }
};

DemoModel::DemoModel() {
  const DemoShape shape;
  texts_ = demo_texts(shape);
  std::vector<TensorPlace> places;
  std::uint64_t total = 0;
  int number = 0;
  for (auto& tensors : make_tensors(shape)) {
    const auto name = fmt::format("model-{:05}-of-{:05}.safetensors", ++number, kShards);
    const auto shard = shards_.emplace(name, Shard(std::move(tensors))).first;
    for (const auto& tensor : shard->second.tensors) {
      places.push_back({tensor.name, shard->first});
      total += tensor.place.length;
    }
  }
  texts_["model.safetensors.index.json"] = safetensors_index(std::move(places), total);
}

DemoModel::~DemoModel() = default;

Snapshot DemoModel::snapshot(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (files_.empty()) {
    std::vector<FileEntry> files;
    for (const auto& [path, text] : texts_)
      files.push_back({.path = path,
                       .size = text.size(),
                       .digests = {.sha256 = "", .git_sha1 = GitBlobSha1::hex_of(as_bytes(text))}});
    for (const auto& [path, shard] : shards_) {
      Sha256 hash;
      Buffer block(kHashBlock);
      for (std::uint64_t at = 0; at < shard.size; at += block.size()) {
        throw_if_stopped(stop);
        block.resize(static_cast<std::size_t>(std::min(kHashBlock, shard.size - at)));
        shard.read(at, block);
        hash.update(block);
      }
      files.push_back(
          {.path = path, .size = shard.size, .digests = {.sha256 = hash.hex(), .git_sha1 = ""}});
    }
    std::sort(files.begin(), files.end(),
              [](const FileEntry& a, const FileEntry& b) { return a.path < b.path; });
    files_ = std::move(files);
  }
  Snapshot snapshot;
  snapshot.origin = {
      .kind = "demo", .uri = name(), .revision = "main", .commit = "", .endpoint = ""};
  snapshot.default_name = "tiny-llama";
  snapshot.files = files_;
  snapshot.info = parse_readme_head(texts_.at("README.md"));
  return snapshot;
}

void DemoModel::read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
                     const std::stop_token& stop) {
  throw_if_stopped(stop);
  const auto text = texts_.find(file.path);
  const auto shard = shards_.find(file.path);
  const std::uint64_t size = text != texts_.end()     ? text->second.size()
                             : shard != shards_.end() ? shard->second.size
                                                      : 0;
  if (offset > size || out.size() > size - offset)
    throw Error(Code::not_found, "no such bytes").on("read", name() + "/" + file.path);
  if (out.empty()) return;  // memcpy wants pointers also for nothing
  if (text != texts_.end())
    std::memcpy(out.data(), text->second.data() + offset, out.size());
  else if (shard != shards_.end())
    shard->second.read(offset, out);
}

}  // namespace dray
