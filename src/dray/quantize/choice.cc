#include "dray/quantize/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/glob.h"
#include "dray/quantize/module_name.h"

namespace dray::quantize {

namespace {

struct Kind {
  std::string_view name;
  std::span<const std::string_view> parts;  // any of these anywhere in the module's name
};

constexpr std::string_view kEmbeddings[] = {"embed_tokens",
                                            "wte",
                                            "wpe",
                                            "word_embeddings",
                                            "embeddings",
                                            "embed_in",
                                            "tok_embeddings",
                                            "position_embeddings",
                                            "embed_positions",
                                            "embed_tokens_per_layer"};
constexpr std::string_view kHeads[] = {"lm_head", "embed_out", "output_layer", "score",
                                       "classifier"};
constexpr std::string_view kVision[] = {
    "vision_tower",  "vision_model", "vision_encoder", "visual",        "vit",
    "image_encoder", "patch_embed",  "embed_vision",   "img_processor", "vision_embed_tokens"};
constexpr std::string_view kAudio[] = {"audio_tower", "audio_encoder",  "audio_model",
                                       "embed_audio", "speech_encoder", "audio_embed"};
constexpr std::string_view kProjectors[] = {
    "multi_modal_projector", "mm_projector", "connector", "aligner",
    "modality_projection",   "projector"};
constexpr std::string_view kConvolutions[] = {"conv1d", "conv", "short_conv"};
constexpr std::string_view kFurtherTokens[] = {"mtp", "mtp_block", "eh_proj", "nextn"};
constexpr std::array kKinds = {Kind{"embeddings", kEmbeddings},
                               Kind{"output head", kHeads},
                               Kind{"vision tower", kVision},
                               Kind{"audio tower", kAudio},
                               Kind{"projector", kProjectors},
                               Kind{"convolution", kConvolutions},
                               Kind{"predicts further tokens", kFurtherTokens}};

constexpr std::string_view kRouters[] = {"router", "shared_expert_gate", "gate_score", "switch"};

/// "…mlp.gate" routes to experts; "…mlp.gate_proj" is a layer like others.
bool is_router(const std::vector<std::string_view>& parts) {
  if (parts.back() == "gate") return true;
  return std::ranges::any_of(parts,
                             [](auto part) { return std::ranges::count(kRouters, part) > 0; });
}

std::optional<std::uint64_t> layer_of(const std::vector<std::string_view>& parts) {
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i] != "layers") continue;
    std::uint64_t number = 0;
    const auto& text = parts[i + 1];
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc())
      return number;
  }
  return std::nullopt;
}

constexpr std::string_view kQkv[] = {"q_proj", "k_proj", "v_proj"};
constexpr std::string_view kGateUp[] = {"gate_proj", "up_proj"};
constexpr std::string_view kLatent[] = {"q_a_proj", "kv_a_proj_with_mqa"};
constexpr std::string_view kMixtral[] = {"w1", "w3"};
constexpr std::array kFused = {
    std::span<const std::string_view>(kQkv), std::span<const std::string_view>(kGateUp),
    std::span<const std::string_view>(kLatent), std::span<const std::string_view>(kMixtral)};

/// The same for all projections that a server treats as one: fused ones, and experts of a layer.
std::string treated_as(const std::string& module) {
  const auto parts = parts_of(module);
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool expert = i > 0 && parts[i - 1] == "experts";
    std::string_view part = parts[i];
    if (expert) part = "*";
    if (i + 1 == parts.size()) {
      if (std::ranges::find(parts, "experts") != parts.end()) part = "*";
      for (const auto& set : kFused)
        if (std::ranges::count(set, part) > 0) part = set.front();
    }
    out += out.empty() ? "" : ".";
    out += part;
  }
  return out;
}

Error cannot(const TensorInfo& tensor, std::string why, std::string hint) {
  return Error(Code::unsupported, std::move(why)).on("compress", tensor.name).hint(std::move(hint));
}

std::string leave_it(std::string_view module) {
  return fmt::format("--ignore '{}' leaves it as it is", module);
}

class Chooser {
 public:
  Chooser(const Scheme& scheme, const ChoiceOptions& options)
      : scheme_(scheme), options_(options) {}

  void look_at(const TensorInfo& tensor) {
    const std::string_view name = tensor.name;
    const bool experts = tensor.shape.size() == 3 && name.find(".experts.") != name.npos;
    if (!experts && (tensor.shape.size() != 2 || !name.ends_with(kWeight))) return;
    const std::string module(module_of(name));
    if (auto why = stays(module)) {
      keep(module, *std::move(why));
      return;
    }
    if (experts)
      throw cannot(tensor,
                   "all experts of a layer lie in one tensor, which cannot be quantized yet",
                   leave_it(module));
    if (const auto why = why_not(scheme_, tensor)) throw cannot(tensor, *why, leave_it(module));
    out_.quantized.push_back(tensor.name);
    decide(module, true);
  }

  WeightChoice result() && {
    if (out_.quantized.empty())
      throw Error(Code::usage, "nothing is left to quantize")
          .on("compress", std::string(scheme_.name));
    std::ranges::sort(out_.quantized);
    std::ranges::sort(out_.kept, {}, &KeptWeight::module);
    std::set<std::string> ignore = {"lm_head"};
    for (const KeptWeight& kept : out_.kept)
      if (kept.why != kEmbeddingsName) ignore.insert(kept.module);
    out_.ignore.assign(ignore.begin(), ignore.end());
    return std::move(out_);
  }

 private:
  static constexpr std::string_view kEmbeddingsName = kKinds.front().name;

  std::optional<std::string> stays(const std::string& module) const {
    if (auto kind = kept_kind(module)) return kind;
    const auto layer = layer_of(parts_of(module));
    if (layer && options_.layers && *layer >= *options_.layers) return "predicts further tokens";
    for (const std::string& pattern : options_.ignore)
      if (glob_match(pattern, module)) return "told to";
    return std::nullopt;
  }

  void keep(const std::string& module, std::string why) {
    const bool told = why == "told to";
    out_.kept.push_back({module, std::move(why)});
    if (told) decide(module, false);
  }

  /// Servers load what they treat as one in one way.
  void decide(const std::string& module, bool quantized) {
    const auto [first, added] = decided_.emplace(treated_as(module), std::pair(module, quantized));
    const auto& [other, how] = first->second;
    if (added || how == quantized) return;
    throw Error(Code::unsupported,
                fmt::format("{} would be quantized and {} not, but servers load the two as one",
                            quantized ? module : other, quantized ? other : module))
        .on("compress", module)
        .hint("ignore both or none");
  }

  const Scheme& scheme_;
  const ChoiceOptions& options_;
  WeightChoice out_;
  std::map<std::string, std::pair<std::string, bool>> decided_;
};

}  // namespace

std::optional<std::string> kept_kind(std::string_view module) {
  const auto parts = parts_of(module);
  for (const Kind& kind : kKinds)
    for (const auto part : parts)
      if (std::ranges::count(kind.parts, part) > 0) return std::string(kind.name);
  if (parts.back().ends_with("norm")) return "norm";
  if (is_router(parts)) return "router";
  if (parts.size() > 1 && parts[parts.size() - 2] == "indexer" && parts.back() == "weights_proj")
    return "indexer";
  return std::nullopt;
}

WeightChoice choose_weights(const Scheme& scheme, const std::vector<TensorInfo>& tensors,
                            const ChoiceOptions& options) {
  Chooser chooser(scheme, options);
  for (const TensorInfo& tensor : tensors) chooser.look_at(tensor);
  return std::move(chooser).result();
}

std::vector<std::string> fused_with(std::string_view module) {
  const std::string_view last = parts_of(module).back();
  const std::string parent(module.substr(0, module.size() - last.size()));
  std::vector<std::string> out;
  for (const auto& set : kFused)
    if (std::ranges::count(set, last) > 0)
      for (const auto name : set) out.push_back(parent + std::string(name));
  return out;
}

}  // namespace dray::quantize
