#include "dray/http/headers.h"

#include <algorithm>
#include <limits>

#include "dray/base/time.h"

namespace dray::http {

namespace {

constexpr std::chrono::seconds kLongestWait{3600};
constexpr std::size_t kMaxLinks = 100;
constexpr std::size_t kMaxRequestId = 128;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whole seconds as these fields write them; numbers too large to read count as the longest wait.
std::optional<std::chrono::seconds> parse_seconds(std::string_view text) {
  if (!all_digits(text)) return std::nullopt;
  constexpr auto kLongest = static_cast<std::uint64_t>(kLongestWait.count());
  const std::uint64_t value = std::min(parse_u64(text).value_or(kLongest), kLongest);
  return std::chrono::seconds(static_cast<std::int64_t>(value));
}

/// Reads a list of items with parameters: `item;name=value;name="value", item …`.
class ParameterReader {
 public:
  explicit ParameterReader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool take(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  /// Up to, and without, the first of `ends`.
  std::string_view until(std::string_view ends) {
    const std::string_view out = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(out.size());
    return out;
  }
  /// A token, or a quoted string with its escapes undone; nullopt if the quote is not closed.
  std::optional<std::string> value() {
    if (!take('"')) return std::string(until("\";, \t"));
    std::string out;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\') {
        if (rest_.empty()) break;
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      out += c;
    }
    return std::nullopt;
  }
  /// The parameters after an item, names in lower case; nullopt when malformed. Stops at ',' or the
  /// end.
  std::optional<std::vector<std::pair<std::string, std::string>>> parameters() {
    std::vector<std::pair<std::string, std::string>> out;
    for (;;) {
      skip_space();
      if (done() || at(',')) return out;
      if (!take(';')) return std::nullopt;
      skip_space();
      std::string name(until("=;, \t"));
      std::transform(name.begin(), name.end(), name.begin(), lower);
      skip_space();
      std::optional<std::string> text = "";
      if (take('=')) {
        skip_space();
        text = value();
        if (!text) return std::nullopt;
      }
      if (!name.empty()) out.emplace_back(std::move(name), std::move(*text));
    }
  }

 private:
  std::string_view rest_;
};

}  // namespace

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
}

std::optional<std::string> Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (same_name(field, name)) return value;
  return std::nullopt;
}

std::vector<std::string> Headers::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [field, value] : fields_)
    if (same_name(field, name)) out.push_back(value);
  return out;
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return same_name(field.first, name); });
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  value = trim(value);
  if (value.size() < 6 || !same_name(value.substr(0, 5), "bytes") || !is_space(value[5]))
    return std::nullopt;
  value = trim(value.substr(6));
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
    return std::nullopt;
  const auto first = parse_u64(value.substr(0, dash));
  const auto last = parse_u64(value.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *first > *last) return std::nullopt;
  if (*last == std::numeric_limits<std::uint64_t>::max())
    return std::nullopt;  // no room for the end
  ContentRange out{{*first, *last - *first + 1}, std::nullopt};
  const std::string_view total = value.substr(slash + 1);
  if (total == "*") return out;
  out.total = parse_u64(total);
  if (!out.total || *out.total <= *last) return std::nullopt;
  return out;
}

std::vector<Link> parse_link(std::string_view value) {
  std::vector<Link> out;
  ParameterReader reader(value);
  while (out.size() < kMaxLinks) {
    reader.skip_space();
    if (reader.take(',')) continue;
    if (!reader.take('<')) break;
    Link link;
    link.target = reader.until(">");
    if (!reader.take('>')) break;
    const auto parameters = reader.parameters();
    if (!parameters) break;
    const auto rel = std::find_if(parameters->begin(), parameters->end(),
                                  [](const auto& parameter) { return parameter.first == "rel"; });
    if (rel != parameters->end()) link.rel = rel->second;
    std::transform(link.rel.begin(), link.rel.end(), link.rel.begin(), lower);
    out.push_back(std::move(link));
  }
  return out;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value) {
  value = trim(value);
  if (const auto seconds = parse_seconds(value)) return seconds;
  const auto date = parse_http_date(value);
  if (!date) return std::nullopt;
  const UnixTime now = unix_now();
  if (*date <= now) return std::chrono::seconds(0);
  return std::min(std::chrono::seconds(*date - now), kLongestWait);
}

std::optional<RateLimitState> parse_rate_limit(std::string_view value) {
  std::optional<RateLimitState> out;
  ParameterReader reader(value);
  while (!reader.done()) {
    reader.skip_space();
    if (reader.take(',')) continue;
    if (reader.done() || !reader.value()) break;
    const auto parameters = reader.parameters();
    if (!parameters) break;
    std::optional<std::uint64_t> remaining;
    RateLimitState state;
    for (const auto& [name, text] : *parameters) {
      if (name == "r") remaining = parse_u64(text);
      if (name == "t") state.reset = parse_seconds(text).value_or(state.reset);
    }
    if (!remaining) continue;
    state.remaining = *remaining;
    // Of several quotas the one that binds: fewest requests left, then the longest wait.
    if (!out || state.remaining < out->remaining ||
        (state.remaining == out->remaining && state.reset > out->reset))
      out = state;
  }
  return out;
}

std::string bare_etag(std::string_view value) {
  value = trim(value);
  if (value.starts_with("W/")) value.remove_prefix(2);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return std::string(value);
}

std::string request_id(const Headers& headers) {
  for (const char* name : {"X-Request-Id", "x-amz-request-id", "X-Amzn-Trace-Id", "X-Amz-Cf-Id"}) {
    std::string id;
    for (const char c : headers.get(name).value_or(""))
      if (c > ' ' && c <= '~' && id.size() < kMaxRequestId) id += c;
    if (!id.empty()) return id;
  }
  return "";
}

}  // namespace dray::http
