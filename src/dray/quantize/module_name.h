// Names of modules and of their weights.
#pragma once

#include <string_view>
#include <vector>

namespace dray::quantize {

inline constexpr std::string_view kWeight = ".weight";

/// "model.norm" of "model.norm.weight"; a name that ends otherwise is the module's.
inline std::string_view module_of(std::string_view tensor) {
  if (tensor.ends_with(kWeight)) tensor.remove_suffix(kWeight.size());
  return tensor;
}

/// What lies between the dots; at least one part.
inline std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto dot = name.find('.');
    out.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace dray::quantize
