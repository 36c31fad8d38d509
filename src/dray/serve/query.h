// The query of a request, read as Go's net/url does: what the Model Registry's clients are used to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dray {

class Query {
 public:
  /// Throws Code::malformed for broken escapes, semicolons and what is not UTF-8.
  explicit Query(std::string_view text);
  /// The first value of that name; "" if there is none.
  const std::string& get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace dray
