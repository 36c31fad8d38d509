#include "dray/release/compress.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/parallel.h"
#include "dray/model/file_kind.h"
#include "dray/model/hf_config.h"
#include "dray/quantize/advice.h"
#include "dray/quantize/shard_plan.h"
#include "dray/quantize/shard_statistics.h"
#include "dray/quantize/shard_transform.h"
#include "dray/transfer/digest_objects.h"

namespace dray {

namespace {

constexpr const char* kConfig = "config.json";

Error cannot(std::string why, const std::string& what, std::string hint) {
  return Error(Code::unsupported, std::move(why)).on("compress", what).hint(std::move(hint));
}

bool at_the_top(const FileEntry& file) { return folder_of(file.path).empty(); }

/// The model's own shards; what lies in folders belongs to other parts and stays.
std::vector<const FileEntry*> shards_of(const Choice& choice) {
  if (choice.weights == "adapter")
    throw cannot("an adapter is not compressed", choice.base_model,
                 "compress the model that it adapts");
  std::vector<const FileEntry*> out;
  for (const FileEntry& file : choice.files) {
    const FileKind kind = file_kind(file.path);
    if (!is_weights(kind) || !at_the_top(file)) continue;
    if (kind != FileKind::safetensors)
      throw cannot(fmt::format("{} weights are not compressed", format_title(kind)), file.path,
                   "choose the model's safetensors, or another repository that has them");
    out.push_back(&file);
  }
  if (out.empty())
    throw cannot("there are no safetensors weights", "this model",
                 "choose another repository, or leave --compress out");
  return out;
}

bool is_index(const FileEntry& file) {
  const WeightName name = parse_weight_name(name_of(file.path));
  return at_the_top(file) && name.index && name.extension == ".safetensors";
}

std::string read_config(Source& source, const Choice& choice, const std::stop_token& stop) {
  for (const FileEntry& file : choice.files)
    if (file.path == kConfig) return read_small(source, file, kSmallFile, stop);
  throw cannot("there is no config.json, in which servers look how weights are quantized",
               "this model", "take it along, or leave --compress out");
}

using Shards = std::vector<std::shared_ptr<quantize::ShardInput>>;

/// What their heads say. Nothing is quantized yet.
Shards read_shards(Source& source, const std::vector<const FileEntry*>& files,
                   const std::stop_token& stop) {
  Shards out(files.size());
  parallel_for(files.size(), kHeadReaders, stop, [&](std::size_t i, const std::stop_token& over) {
    const FileEntry& file = *files[i];
    out[i] = std::make_shared<quantize::ShardInput>(
        quantize::read_shard(file.path, read_safetensors_head(source, file, over), file.size));
  });
  return out;
}

std::vector<TensorInfo> all_tensors(const Shards& shards) {
  std::vector<TensorInfo> out;
  std::set<std::string_view> names;
  for (const auto& shard : shards)
    for (const TensorInfo& tensor : shard->header.tensors) {
      if (!names.insert(tensor.name).second)
        throw Error(Code::malformed, "two files hold a tensor of this name")
            .on("compress", tensor.name)
            .from(Side::source);
      out.push_back(tensor);
    }
  return out;
}

/// Decides which weights are quantized and marks them in their shards. Returns the modules that the
/// configuration is to name as left alone.
std::vector<std::string> choose_in(Shards& shards, const HfConfig& config, Compression& out) {
  const quantize::Scheme& scheme = out.options.scheme;
  std::vector<TensorInfo> tensors = all_tensors(shards);
  quantize::WeightChoice choice =
      quantize::choose_weights(scheme, tensors, {out.options.ignore, config.num_hidden_layers});
  const auto is_quantized = [&](const TensorInfo& tensor) {
    return std::ranges::binary_search(choice.quantized, tensor.name);
  };
  for (auto& shard : shards)
    std::transform(shard->header.tensors.begin(), shard->header.tensors.end(),
                   shard->quantized.begin(), is_quantized);
  std::erase_if(tensors, std::not_fn(is_quantized));
  out.advice = quantize::advice_on(scheme, tensors);
  out.quantized = choice.quantized.size();
  out.kept = std::move(choice.kept);
  return std::move(choice.ignore);
}

/// Decides what becomes of each shard. Returns the index of that.
std::string plan_shards(const Shards& shards, Compression& out) {
  std::vector<TensorPlace> places;
  std::uint64_t total = 0;
  for (const auto& shard : shards) {
    const quantize::ShardTransform made({shard, out.options.scheme, {}});
    const quantize::ShardPlan& plan = made.plan();
    for (const auto& tensor : plan.tensors) places.push_back({tensor.info.name, shard->what});
    total += plan.size - plan.header.size();
    const bool stays = std::ranges::count(shard->quantized, true) == 0;
    out.bytes_before += shard->size;
    out.bytes_after += stays ? shard->size : plan.size;
    if (!stays) out.shards[shard->what] = {shard, facts_of(made)};
  }
  return safetensors_index(std::move(places), total);
}

Compression::Text rewritten(std::string_view before, std::string_view after) {
  const Bytes bytes = as_bytes(after);
  return {Sha256::hex_of(as_bytes(before)),
          std::make_shared<const Buffer>(bytes.begin(), bytes.end())};
}

/// The first pass of NVFP4.
quantize::LargestMagnitudes read_statistics(Source& source, const Choice& choice,
                                            const Compression& compression,
                                            const TransferOptions& options, Progress& progress,
                                            const std::stop_token& stop) {
  std::vector<FileEntry> files;
  std::vector<std::shared_ptr<quantize::ShardStatistics>> found;
  for (const FileEntry& file : choice.files) {
    const auto shard = compression.shards.find(file.path);
    if (shard == compression.shards.end()) continue;
    files.push_back(file);
    found.push_back(std::make_shared<quantize::ShardStatistics>(shard->second.input));
  }
  progress.begin("looking at the weights", compression.bytes_before, files.size());
  read_through(source, files, {found.begin(), found.end()}, options, progress, stop);
  quantize::LargestMagnitudes out;
  for (const auto& each : found)
    for (std::size_t i = 0; i < each->largest().size(); ++i)
      if (each->shard().quantized[i])
        out[each->shard().header.tensors[i].name] = each->largest()[i];
  return out;
}

}  // namespace

std::uint64_t Compression::size_of(const FileEntry& file) const {
  if (const auto shard = shards.find(file.path); shard != shards.end())
    return shard->second.made.output_size;
  if (const auto text = texts.find(file.path); text != texts.end())
    return text->second.after->size();
  return file.size;
}

std::uint64_t Compression::held() const {
  // A name each in the header, the report, the journal and its text, and the statistics.
  constexpr std::uint64_t kNames = 5, kBesideEachName = 24;
  std::uint64_t out = 0;
  for (const auto& [path, shard] : shards)
    for (const TensorInfo& tensor : shard.input->header.tensors)
      out += sizeof tensor + tensor.shape.size() * sizeof tensor.shape[0] +
             kNames * (tensor.name.size() + kBesideEachName);
  for (const auto& [path, text] : texts) out += text.after->size();
  return out;
}

Json Compression::record() const {
  const quantize::Scheme& scheme = options.scheme;
  return {{"kind", "quantize"},
          {"scheme", scheme.name},
          {"method", "rtn"},
          {"format", scheme.format},
          {"bits", scheme.bits},
          {"symmetric", scheme.symmetric},
          {"group_size", scheme.group == 0 ? Json() : Json(scheme.group)},
          {"ignore", options.ignore},
          {"rule", quantize::kRule},
          {"weights", quantized},
          {"bytes_before", bytes_before},
          {"bytes_after", bytes_after}};
}

Compression plan_compression(Source& source, const Choice& choice, const CompressOptions& options,
                             const std::stop_token& stop) {
  const auto files = shards_of(choice);
  if (!source.random_access())
    throw cannot("it gives its files only from their beginning, and all headers are needed first",
                 source.name(), "use a mirror or an endpoint that honours ranges");
  const std::string text = read_config(source, choice, stop);
  const HfConfig config = parse_hf_config(text, kConfig);
  if (!config.quantization.empty())
    throw cannot(fmt::format("it is quantized already ({})", config.quantization), kConfig,
                 "compress the model that it was made of, or import it as it is");
  Compression out;
  out.options = options;
  Shards shards = read_shards(source, files, stop);
  const std::vector<std::string> ignored = choose_in(shards, config, out);
  const std::string index = plan_shards(shards, out);
  out.texts[kConfig] = rewritten(
      text, set_in_hf_config(text, "quantization_config",
                             quantize::quantization_config(options.scheme, ignored), kConfig));
  for (const FileEntry& file : choice.files)
    if (is_index(file))
      out.texts[file.path] = rewritten(read_small(source, file, kSmallFile, stop), index);
  return out;
}

std::map<std::string, std::shared_ptr<Transform>> shard_transforms(
    Source& source, const Choice& choice, const Compression& compression,
    const TransferOptions& options, Progress& progress, const std::stop_token& stop) {
  const bool twice = compression.options.scheme.sharing == quantize::Sharing::tensor_group;
  quantize::LargestMagnitudes largest;
  if (twice) largest = read_statistics(source, choice, compression, options, progress, stop);
  std::map<std::string, std::shared_ptr<Transform>> out;
  for (const auto& [path, shard] : compression.shards) {
    quantize::ShardRequest request{shard.input, compression.options.scheme, {}};
    if (twice) request.statistics = quantize::statistics_of(*shard.input, largest);
    out[path] = std::make_shared<LateTransform>(shard.made, [request = std::move(request)] {
      return std::make_unique<quantize::ShardTransform>(request);
    });
  }
  return out;
}

}  // namespace dray
