#include "dray/release/compress.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

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

std::vector<TensorInfo> all_tensors(const std::vector<SafetensorsHeader>& headers) {
  std::vector<TensorInfo> out;
  std::set<std::string_view> names;
  for (const auto& header : headers)
    for (const TensorInfo& tensor : header.tensors) {
      if (!names.insert(tensor.name).second)
        throw Error(Code::malformed, "two files hold a tensor of this name")
            .on("compress", tensor.name)
            .from(Side::source);
      out.push_back(tensor);
    }
  return out;
}

std::vector<TensorInfo> quantized_ones(std::vector<TensorInfo> tensors,
                                       const std::set<std::string>& quantized) {
  std::erase_if(tensors, [&](const TensorInfo& t) { return !quantized.contains(t.name); });
  return tensors;
}

/// Those of `names` that lie in this shard.
std::set<std::string> found_in(const SafetensorsHeader& header,
                               const std::set<std::string>& names) {
  std::set<std::string> out;
  for (const TensorInfo& tensor : header.tensors)
    if (names.contains(tensor.name)) out.insert(tensor.name);
  return out;
}

void write_texts(Source& source, const Choice& choice, const std::string& config,
                 const std::map<std::string, quantize::ShardPlan>& plans, Compression& out,
                 const std::stop_token& stop) {
  out.texts[kConfig] = {
      config, set_in_hf_config(
                  config, "quantization_config",
                  quantize::quantization_config(out.options.scheme, out.weights.ignore), kConfig)};
  for (const FileEntry& file : choice.files)
    if (is_index(file))
      out.texts[file.path] = {read_small(source, file, kSmallFile, stop),
                              quantize::shard_index(plans)};
}

/// The first pass of NVFP4.
std::map<std::string, quantize::WeightStatistics> read_statistics(
    Source& source, const std::vector<FileEntry>& files, const Compression& compression,
    const std::set<std::string>& quantized, const TransferOptions& options, Progress& progress,
    const std::stop_token& stop) {
  const auto is_quantized = [&](const TensorInfo& tensor) {
    return quantized.contains(tensor.name);
  };
  std::vector<TensorInfo> weights;
  std::vector<std::shared_ptr<quantize::ShardStatistics>> found;
  for (const FileEntry& file : files) {
    const Buffer& head = compression.shards.at(file.path).head;
    const auto header = parse_safetensors_header(head, file.size, file.path);
    std::ranges::copy_if(header.tensors, std::back_inserter(weights), is_quantized);
    found.push_back(std::make_shared<quantize::ShardStatistics>(file.path, head, file.size,
                                                                found_in(header, quantized)));
  }
  progress.begin("looking at the weights", compression.bytes_before, files.size());
  read_through(source, files, {found.begin(), found.end()}, options, progress, stop);
  std::map<std::string, float> largest;
  for (const auto& shard : found) largest.insert(shard->largest().begin(), shard->largest().end());
  return quantize::statistics_of(weights, largest);
}

}  // namespace

std::uint64_t Compression::size_of(const FileEntry& file) const {
  if (const auto shard = shards.find(file.path); shard != shards.end()) return shard->second.size;
  if (const auto text = texts.find(file.path); text != texts.end())
    return text->second.after.size();
  return file.size;
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
          {"weights", weights.quantized.size()},
          {"bytes_before", bytes_before},
          {"bytes_after", bytes_after}};
}

Compression plan_compression(Source& source, const Choice& choice, const CompressOptions& options,
                             const std::stop_token& stop) {
  const auto shards = shards_of(choice);
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
  std::vector<Buffer> heads(shards.size());
  parallel_for(shards.size(), kHeadReaders, stop, [&](std::size_t i, const std::stop_token& over) {
    heads[i] = read_safetensors_head(source, *shards[i], over);
  });
  std::vector<SafetensorsHeader> headers;
  for (std::size_t i = 0; i < shards.size(); ++i)
    headers.push_back(parse_safetensors_header(heads[i], shards[i]->size, shards[i]->path));
  const std::vector<TensorInfo> tensors = all_tensors(headers);
  out.weights =
      quantize::choose_weights(options.scheme, tensors, {options.ignore, config.num_hidden_layers});
  const std::set<std::string> quantized(out.weights.quantized.begin(), out.weights.quantized.end());
  out.advice = quantize::advice_on(options.scheme, quantized_ones(tensors, quantized));
  std::map<std::string, quantize::ShardPlan> plans;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const FileEntry& file = *shards[i];
    const auto& plan = plans[file.path] =
        quantize::plan_shard(headers[i], options.scheme, quantized, file.path);
    const bool stays = std::ranges::all_of(plan.tensors, &quantize::PlannedTensor::copied);
    out.bytes_before += file.size;
    out.bytes_after += stays ? file.size : plan.size;
    if (!stays) out.shards[file.path] = {std::move(heads[i]), plan.size};
  }
  write_texts(source, choice, text, plans, out, stop);
  return out;
}

std::map<std::string, std::shared_ptr<Transform>> shard_transforms(
    Source& source, const Choice& choice, const Compression& compression,
    const TransferOptions& options, Progress& progress, const std::stop_token& stop) {
  const std::set<std::string> quantized(compression.weights.quantized.begin(),
                                        compression.weights.quantized.end());
  std::vector<FileEntry> files;
  for (const FileEntry& file : choice.files)
    if (compression.shards.contains(file.path)) files.push_back(file);
  std::map<std::string, quantize::WeightStatistics> statistics;
  if (compression.options.scheme.sharing == quantize::Sharing::tensor_group)
    statistics = read_statistics(source, files, compression, quantized, options, progress, stop);
  std::map<std::string, std::shared_ptr<Transform>> out;
  for (const FileEntry& file : files) {
    const Buffer& head = compression.shards.at(file.path).head;
    quantize::ShardRequest shard{
        .what = file.path, .header = head, .size = file.size, .scheme = compression.options.scheme};
    shard.quantized = found_in(parse_safetensors_header(head, file.size, file.path), quantized);
    for (const std::string& name : shard.quantized)
      if (const auto known = statistics.find(name); known != statistics.end())
        shard.statistics.insert(*known);
    out[file.path] = std::make_shared<quantize::ShardTransform>(std::move(shard));
  }
  return out;
}

}  // namespace dray
