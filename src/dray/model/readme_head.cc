// The YAML head of a README.md, read from libyaml's events: nothing is built of what is not needed,
// so that neither nesting nor aliases can make it large.
#include <yaml.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/hf_config.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

constexpr std::size_t kLongestHead = 64 * 1024;
constexpr std::size_t kMostItems = 1000;
constexpr int kDeepest = 16;

/// The text between the first line "---" and the next; "" if there is no such head within the
/// limit.
std::string_view head_of(std::string_view readme) {
  if (readme.starts_with("\xEF\xBB\xBF")) readme.remove_prefix(3);
  readme = readme.substr(0, kLongestHead);
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t at = 0; at < readme.size();) {
    auto end = readme.find('\n', at);
    const bool whole = end != std::string_view::npos;
    if (!whole) end = readme.size();
    auto line = readme.substr(at, end - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line == "---") {
      if (inside) return readme.substr(begin, at - begin);
      inside = true;
      begin = std::min(end + 1, readme.size());
    } else if (!inside && !line.empty()) {
      return {};
    }
    at = end + 1;
  }
  return {};
}

/// libyaml's event stream over a text. Every way the text can be bad ends the stream.
class Events {
 public:
  explicit Events(std::string_view text) {
    good_ = yaml_parser_initialize(&parser_) != 0;
    if (good_)
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                   text.size());
  }
  ~Events() {
    drop();
    yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// Type of the next event, which `text()` then reads; YAML_NO_EVENT at the end or when broken.
  yaml_event_type_t next() {
    drop();
    if (!good_ || yaml_parser_parse(&parser_, &event_) == 0) {
      good_ = false;
      return YAML_NO_EVENT;
    }
    have_ = true;
    if (event_.type == YAML_STREAM_END_EVENT || event_.type == YAML_ALIAS_EVENT) good_ = false;
    return event_.type == YAML_ALIAS_EVENT ? YAML_NO_EVENT : event_.type;
  }

  /// The scalar's text; "" for a plain null ("~", "null") and for what should not be shown.
  std::string text() const {
    const auto& scalar = event_.data.scalar;
    std::string value(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (scalar.style == YAML_PLAIN_SCALAR_STYLE && (value == "~" || value == "null")) return "";
    return is_plain_text(value) ? value : "";
  }

  /// Passes over the rest of the collection whose start was just read; false when broken or too
  /// deep.
  bool skip() {
    for (int depth = 1; depth > 0;) {
      switch (next()) {
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT:
          ++depth;
          break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
          --depth;
          break;
        case YAML_NO_EVENT:
        case YAML_STREAM_END_EVENT:
          return false;
        default:
          break;
      }
      if (depth > kDeepest) return false;
    }
    return true;
  }

 private:
  void drop() {
    if (have_) yaml_event_delete(&event_);
    have_ = false;
  }
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool good_ = false, have_ = false;
};

/// A value as the fields need it: one text or a list of texts are the same; deeper parts are passed
/// over. nullopt when the stream ended inside it.
std::optional<std::vector<std::string>> read_value(Events& events) {
  std::vector<std::string> values;
  switch (events.next()) {
    case YAML_SCALAR_EVENT:
      if (auto text = events.text(); !text.empty()) values.push_back(std::move(text));
      return values;
    case YAML_MAPPING_START_EVENT:
      return events.skip() ? std::optional(values) : std::nullopt;
    case YAML_SEQUENCE_START_EVENT:
      break;
    default:
      return std::nullopt;
  }
  while (true) {
    switch (events.next()) {
      case YAML_SCALAR_EVENT:
        if (auto text = events.text(); !text.empty() && values.size() < kMostItems)
          values.push_back(std::move(text));
        break;
      case YAML_MAPPING_START_EVENT:
      case YAML_SEQUENCE_START_EVENT:
        if (!events.skip()) return std::nullopt;
        break;
      case YAML_SEQUENCE_END_EVENT:
        return values;
      default:
        return std::nullopt;
    }
  }
}

}  // namespace

ModelInfo parse_readme_head(std::string_view readme) {
  ModelInfo info;
  const auto head = head_of(readme);
  if (head.empty()) return info;
  Events events(head);
  if (events.next() != YAML_STREAM_START_EVENT || events.next() != YAML_DOCUMENT_START_EVENT ||
      events.next() != YAML_MAPPING_START_EVENT)
    return info;
  std::string license_name;
  const auto first = [](const std::vector<std::string>& values) {
    return values.empty() ? std::string() : values.front();
  };
  for (auto type = events.next(); type != YAML_MAPPING_END_EVENT; type = events.next()) {
    if (type != YAML_SCALAR_EVENT) break;  // a key that is no text, or the end
    const std::string key = events.text();
    const auto values = read_value(events);
    if (!values) break;
    if (key == "license") info.license = first(*values);
    if (key == "license_name") license_name = first(*values);
    if (key == "library_name") info.library = first(*values);
    if (key == "pipeline_tag") info.pipeline_tag = first(*values);
    if (key == "base_model") info.base_models = *values;
    if (key == "tags") info.tags = *values;
    if (key == "language") info.languages = *values;
  }
  // "other" only says that the real name stands elsewhere.
  if (!license_name.empty() && (info.license.empty() || info.license == "other"))
    info.license = license_name;
  return info;
}

}  // namespace dray
