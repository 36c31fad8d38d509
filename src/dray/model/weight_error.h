// What quantization did to a weight.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"

namespace dray {

/// How far what is read back of a weight is from what it was, both as vectors.
struct WeightError {
  std::string name;     // of the weight before
  double relative = 0;  // length of the difference ÷ length of the weight
  double cosine = 1;    // of the angle between the two
  bool operator==(const WeightError&) const = default;
};

/// {"NAME": [relative, cosine]}, four digits each.
Json to_json(const std::vector<WeightError>& errors);
/// Sorted by name; null gives none. Throws Code::malformed for anything else, naming `what`.
std::vector<WeightError> weight_errors_of(const Json& json, std::string_view what);

}  // namespace dray
