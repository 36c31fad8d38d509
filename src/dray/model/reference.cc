#include "dray/model/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

constexpr std::size_t kLongestName = 128;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_char(char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; }

using Numbers = std::array<std::uint64_t, 3>;

/// The three numbers of "x.y.z"; nullopt for anything else, leading zeros included, so that equal
/// numbers mean equal texts.
std::optional<Numbers> numbers_of(std::string_view version) {
  Numbers numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto dot = version.find('.');
    if ((dot == std::string_view::npos) != (i == 2)) return std::nullopt;
    const auto digits = version.substr(0, dot);
    // 18 digits: the next patch number still fits.
    if (digits.size() > 18 || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
    const auto value = parse_u64(digits);
    if (!value) return std::nullopt;
    numbers[i] = *value;
    version.remove_prefix(i == 2 ? version.size() : dot + 1);
  }
  return numbers;
}

}  // namespace

std::string Reference::text() const {
  if (!version.empty()) return name + ":" + version;
  if (!alias.empty()) return name + "@" + alias;
  return name;
}

Reference parse_reference(std::string_view text) {
  Reference reference;
  const auto mark = text.find_first_of(":@");
  if (mark == std::string_view::npos) {
    check_name(text, "name of a release");
    reference.name = text;
    return reference;
  }
  const auto rest = text.substr(mark + 1);
  if (rest.find_first_of(":@") != std::string_view::npos)
    throw Error(Code::usage,
                fmt::format("'{}' names more than one version or alias", shown_text(text)))
        .hint("give NAME, NAME:VERSION or NAME@ALIAS, for example llama:1.0.0 or llama@production");
  check_name(text.substr(0, mark), "name of a release");
  reference.name = text.substr(0, mark);
  const bool is_version = text[mark] == ':';
  check_name(rest, is_version ? "version" : "alias");
  (is_version ? reference.version : reference.alias) = rest;
  return reference;
}

void check_name(std::string_view name, std::string_view what) {
  const bool good = !name.empty() && name.size() <= kLongestName &&
                    std::all_of(name.begin(), name.end(), is_name_char) && is_alnum(name.front()) &&
                    is_alnum(name.back());
  if (good) return;
  throw Error(Code::usage, fmt::format("'{}' is not a usable {}", shown_text(name), what))
      .hint(
          "use 1 to 128 letters, digits, '.', '_' or '-', beginning and ending with a letter or "
          "digit, for example llama-3.1-8b, llama-3.1-8b:1.0.0 or llama-3.1-8b@production");
}

std::string fold_name(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = '-';
  }
  return folded;
}

std::string next_version(const std::vector<std::string>& existing) {
  std::optional<Numbers> highest;
  for (const auto& version : existing)
    if (const auto numbers = numbers_of(version); numbers && (!highest || *highest < *numbers))
      highest = numbers;
  if (!highest) return "1.0.0";
  return fmt::format("{}.{}.{}", (*highest)[0], (*highest)[1], (*highest)[2] + 1);
}

bool version_less(std::string_view a, std::string_view b) {
  const auto numbers_a = numbers_of(a), numbers_b = numbers_of(b);
  if (numbers_a && numbers_b) return *numbers_a < *numbers_b;
  if (numbers_a.has_value() != numbers_b.has_value()) return numbers_a.has_value();
  return a < b;
}

}  // namespace dray
