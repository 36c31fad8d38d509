#include "dray/quantize/advice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "dray/quantize/module_name.h"

namespace dray::quantize {

namespace {

constexpr std::array<std::uint64_t, 4> kGpus = {1, 2, 4, 8};

/// What the parts of a split weight must be multiples of.
struct Steps {
  std::uint64_t rows = 0, columns = 0;
  std::string_view kernel;
};

std::optional<Steps> steps_of(const Scheme& scheme) {
  if (scheme.format == "pack-quantized")
    return Steps{64, std::max<std::uint64_t>(128, scheme.group), "vLLM's Marlin kernel"};
  if (scheme.sharing == Sharing::block) return Steps{128, 128, "vLLM's block-wise FP8"};
  return std::nullopt;
}

/// Projections back into the hidden size: servers split their columns, those of others their rows.
constexpr std::string_view kByColumns[] = {"o_proj", "down_proj", "w2",  "out_proj",
                                           "dense",  "c_proj",    "fc2", "dense_4h_to_h"};

bool is_number(std::string_view part) {
  return !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
}

/// Its module's name with numbers as "*": the same in every layer.
std::string place_of(const TensorInfo& weight) {
  std::vector<std::string_view> parts = parts_of(module_of(weight.name));
  std::ranges::replace_if(parts, is_number, std::string_view("*"));
  return fmt::format("{}", fmt::join(parts, "."));
}

bool split_by_columns(std::string_view place) {
  return std::ranges::count(kByColumns, parts_of(place).back()) > 0;
}

/// Why a part of this weight does not fit; "" if it does.
std::string misfit(const Steps& steps, std::uint64_t rows, std::uint64_t columns,
                   std::uint64_t gpus, bool by_columns) {
  const std::uint64_t whole = by_columns ? columns : rows;
  if (whole % gpus != 0)
    return fmt::format("{} {} cannot be split evenly", whole, by_columns ? "columns" : "rows");
  (by_columns ? columns : rows) /= gpus;
  if (columns % steps.columns != 0)
    return fmt::format("{} columns are no multiple of {}", columns, steps.columns);
  if (rows % steps.rows != 0) return fmt::format("{} rows are no multiple of {}", rows, steps.rows);
  return "";
}

std::string shape_text(const std::string& place, std::uint64_t rows, std::uint64_t columns) {
  return fmt::format("{} ({} × {})", place, rows, columns);
}

/// For one shape: the least number of GPUs that does not work, and those that do.
std::string advice_on_shape(const Steps& steps, const std::string& place, std::uint64_t rows,
                            std::uint64_t columns) {
  std::vector<std::uint64_t> work;
  std::uint64_t fails = 0;
  std::string why;
  for (const std::uint64_t gpus : kGpus) {
    std::string here = misfit(steps, rows, columns, gpus, split_by_columns(place));
    if (here.empty()) {
      work.push_back(gpus);
    } else if (fails == 0) {
      fails = gpus;
      why = std::move(here);
    }
  }
  if (fails == 0) return "";
  const std::string what = shape_text(place, rows, columns);
  if (work.empty())
    return fmt::format("{} does not take {}: {}; a slower one serves it", steps.kernel, what, why);
  return fmt::format("{} does not take {} on {} GPUs: {}; it does on {}", steps.kernel, what, fails,
                     why, fmt::join(work, ", "));
}

}  // namespace

std::vector<std::string> advice_on(const Scheme& scheme, const std::vector<TensorInfo>& weights) {
  std::vector<std::string> out;
  if (scheme.format == "pack-quantized" && scheme.group != 128)
    out.push_back(fmt::format(
        "vLLM's Machete kernel (Hopper GPUs) takes groups of 128 only; with {} others serve it",
        scheme.group));
  if (scheme.format == "pack-quantized" && !scheme.symmetric && scheme.bits != 4)
    out.emplace_back("vLLM serves asymmetric integers of 4 bits only");
  const auto steps = steps_of(scheme);
  if (!steps) return out;
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> shapes;
  for (const TensorInfo& weight : weights)
    shapes.emplace(place_of(weight), weight.shape.at(0), weight.shape.at(1));
  for (const auto& [place, rows, columns] : shapes) {
    if (auto text = advice_on_shape(*steps, place, rows, columns); !text.empty())
      out.push_back(std::move(text));
    if (scheme.activations == Activations::fp8_group && columns % kBlock != 0)
      out.push_back(fmt::format(
          "transformers does not run {}: activations are quantized in groups of {}, which do not "
          "divide its {} columns",
          shape_text(place, rows, columns), kBlock, columns));
  }
  return out;
}

}  // namespace dray::quantize
