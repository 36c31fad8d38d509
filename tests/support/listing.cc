#include "tests/support/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "dray/base/json.h"

namespace dray::test {

namespace {

std::vector<std::string> expand(const std::string& pattern) {
  const auto open = pattern.find('{'), dots = pattern.find(".."), close = pattern.find('}');
  if (open == std::string::npos || close == std::string::npos) return {pattern};
  const std::string first = pattern.substr(open + 1, dots - open - 1);
  const unsigned long from = std::stoul(first);
  const unsigned long to = std::stoul(pattern.substr(dots + 2, close - dots - 2));
  std::vector<std::string> out;
  for (auto i = from; i <= to; ++i)
    out.push_back(fmt::format("{}{:0{}}{}", pattern.substr(0, open), i, first.size(),
                              pattern.substr(close + 1)));
  return out;
}

std::string index_text(std::istream& names) {
  Json map = Json::object();
  int tensor = 0;
  for (std::string name; names >> name;)
    for (const auto& file : expand(name))
      for (int i = 0; i < 2; ++i) map[fmt::format("model.layers.{}.weight", tensor++)] = file;
  return dump_json({{"metadata", {{"total_size", 1}}}, {"weight_map", map}});
}

}  // namespace

ReadSmall Listing::read() const {
  return [this](const std::string& path) -> std::optional<std::string> {
    const auto at = contents.find(path);
    return at == contents.end() ? std::nullopt : std::optional(at->second);
  };
}

Listing parse_listing(std::string_view table) {
  Listing listing;
  listing.snapshot.origin = {.kind = "hf", .uri = "hf://org/model"};
  std::istringstream lines{std::string(table)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what, path;
    if (!(words >> what)) continue;
    if (!(words >> path)) throw std::invalid_argument("no path in: " + line);
    if (what == "index") {
      listing.contents[path] = index_text(words);
    } else if (what == "text") {
      std::getline(words >> std::ws, listing.contents[path]);
    } else if (what == "+" || what == "-") {
      std::uint64_t size = 100;
      if (!(words >> size)) size = 100;
      for (const auto& name : expand(path)) {
        listing.snapshot.files.push_back({.path = name, .size = size, .digests = {}});
        (what == "+" ? listing.taken : listing.left).push_back(name);
      }
    } else {
      throw std::invalid_argument("not understood: " + line);
    }
  }
  auto& files = listing.snapshot.files;
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  std::sort(listing.taken.begin(), listing.taken.end());
  std::sort(listing.left.begin(), listing.left.end());
  return listing;
}

}  // namespace dray::test
