#include "dray/model/quantizations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "dray/model/file_kind.h"

namespace dray {

namespace {

constexpr std::array<std::string_view, 16> kBest = {
    "Q4_K_M", "UD-Q4_K_XL", "I1-Q4_K_M", "Q4_K_S", "Q4_0", "MXFP4", "MXFP4_MOE", "IQ4_XS",
    "Q5_K_M", "Q5_K_S",     "Q6_K",      "Q8_0",   "F16",  "FP16",  "BF16",      "F32"};
constexpr std::array<std::string_view, 4> kBestProjector = {"F16", "FP16", "BF16", "Q8_0"};

// Endings that exporters of ONNX give to files in another precision; the longest that fits counts.
constexpr std::string_view kOnnxPrecisions[] = {"_fp16",  "_int8", "_uint8", "_int4",      "_q4",
                                                "_q4f16", "_q8",   "_bnb4",  "_quantized", "_O1",
                                                "_O2",    "_O3",   "_O4"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// `word` in upper case: Q4_K_M, IQ2_XXS, TQ1_0, Q8, F16, BF16, FP32, MXFP4_MOE …
bool is_quantization(std::string_view word) {
  for (const std::string_view plain :
       {"F16", "FP16", "BF16", "F32", "FP32", "MXFP4", "MXFP4_MOE", "NVFP4"})
    if (word == plain) return true;
  if (word.starts_with("I") || word.starts_with("T")) word.remove_prefix(1);
  if (word.size() < 2 || word[0] != 'Q' || word[1] < '1' || word[1] > '9') return false;
  return word.size() == 2 || word[2] == '_';
}

/// Index into `order`; those not in it come last.
std::size_t rank_in(std::span<const std::string_view> order, std::string_view name) {
  return static_cast<std::size_t>(std::find(order.begin(), order.end(), name) - order.begin());
}

struct OnnxName {
  std::string model;      // with its folder
  std::string precision;  // "" for the plain one
};

/// "onnx/model_q4.onnx_data" is "onnx/model" in "_q4"; nullopt for what is no ONNX file.
std::optional<OnnxName> parse_onnx_name(const std::string& path) {
  const auto at = path.rfind(".onnx");
  if (at == std::string::npos) return std::nullopt;
  OnnxName name{.model = path.substr(0, at), .precision = ""};
  // "model_qint8_avx512_vnni", "model_quint8_avx2": one per instruction set.
  for (const std::string_view cpu : {"_qint8_", "_quint8_"})
    if (const auto q = name.model.rfind(cpu);
        q != std::string::npos && name.model.find('/', q) == std::string::npos)
      return OnnxName{.model = name.model.substr(0, q), .precision = name.model.substr(q)};
  std::string_view longest;
  for (const auto ending : kOnnxPrecisions)
    if (name.model.ends_with(ending) && ending.size() > longest.size()) longest = ending;
  name.model.resize(name.model.size() - longest.size());
  name.precision = longest;
  return name;
}

}  // namespace

GgufName parse_gguf_name(std::string_view name) {
  const auto stem = parse_weight_name(name).stem;
  const std::string big = upper(stem);
  std::size_t begin = std::string::npos, end = 0;
  for (std::size_t at = 0; at < big.size(); ++at) {
    if (at > 0 && std::string_view("-._").find(big[at - 1]) == std::string_view::npos) continue;
    const auto stop = std::min(big.find_first_of("-.", at), big.size());
    if (!is_quantization(std::string_view(big).substr(at, stop - at))) continue;
    begin = at;
    end = stop;
  }
  if (begin == std::string::npos) return {.model = lower(stem), .quantization = ""};
  for (const std::string_view prefix : {"UD-", "I1-"}) {
    const auto before = std::string_view(big).substr(0, begin);
    if (before.ends_with(prefix)) begin -= prefix.size();
  }
  const auto rest = begin == 0 ? std::string() : stem.substr(0, begin - 1);
  return {.model = lower(rest + stem.substr(end)), .quantization = big.substr(begin, end - begin)};
}

NativeWeights choose_gguf(const std::vector<const FileEntry*>& files) {
  std::map<std::string, std::map<std::string, std::vector<const FileEntry*>>> models;
  for (const auto* file : files) {
    const auto name = parse_gguf_name(name_of(file->path));
    models[name.model][name.quantization].push_back(file);
  }
  NativeWeights result;
  for (const auto& [model, by_quantization] : models) {
    const bool projector = model.find("mmproj") != std::string::npos;
    const std::span<const std::string_view> order =
        projector ? std::span<const std::string_view>(kBestProjector) : kBest;
    const auto best = std::min_element(by_quantization.begin(), by_quantization.end(),
                                       [&](const auto& a, const auto& b) {
                                         return rank_in(order, a.first) < rank_in(order, b.first);
                                       });
    for (const auto& [quantization, members] : by_quantization)
      for (const auto* file : members)
        if (quantization == best->first)
          result.taken.push_back(file);
        else
          result.left.emplace_back(
              file, fmt::format("other quantizations ({} is taken; --include takes others)",
                                best->first.empty() ? "the plain one" : best->first));
  }
  return result;
}

NativeWeights choose_onnx(const std::vector<const FileEntry*>& files) {
  std::set<std::string> plain;
  for (const auto* file : files)
    if (const auto name = parse_onnx_name(file->path); name && name->precision.empty())
      plain.insert(name->model);
  NativeWeights result;
  for (const auto* file : files) {
    const auto name = parse_onnx_name(file->path);
    if (name && !name->precision.empty() && plain.contains(name->model))
      result.left.emplace_back(file, "ONNX files in other precisions");
    else
      result.taken.push_back(file);
  }
  return result;
}

}  // namespace dray
