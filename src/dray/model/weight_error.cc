#include "dray/model/weight_error.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"

namespace dray {

Json to_json(const std::vector<WeightError>& errors) {
  const auto digits = [](double value) { return std::stod(fmt::format("{:.4g}", value)); };
  Json out = Json::object();
  for (const WeightError& error : errors)
    out[error.name] = {digits(error.relative), digits(error.cosine)};
  return out;
}

std::vector<WeightError> weight_errors_of(const Json& json, std::string_view what) {
  std::vector<WeightError> out;
  if (json.is_null()) return out;
  const auto fail = [&] {
    return Error(Code::malformed, fmt::format("{}: its 'weights' are not two numbers each", what));
  };
  if (!json.is_object()) throw fail();
  out.reserve(json.size());
  for (const auto& [name, pair] : json.items()) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number())
      throw fail();
    out.push_back({name, pair[0].get<double>(), pair[1].get<double>()});
  }
  return out;
}

}  // namespace dray
