#include "dray/cli/yaml.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>

#include "dray/base/error.h"

namespace dray::cli {

namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kDeepest = 16;

/// One libyaml event, freed at the end of its scope.
class Event {
 public:
  explicit Event(yaml_parser_t& parser) : good_(yaml_parser_parse(&parser, &event_) != 0) {}
  ~Event() {
    if (good_) yaml_event_delete(&event_);
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  bool good() const { return good_; }
  const yaml_event_t& get() const { return event_; }
  int line() const { return static_cast<int>(event_.start_mark.line) + 1; }

 private:
  yaml_event_t event_{};
  bool good_;
};

class Reader {
 public:
  Reader(std::string_view text, std::string_view file) : file_(file) {
    if (yaml_parser_initialize(&parser_) == 0) throw Error(Code::storage, "out of memory");
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  YamlNode document() {
    YamlNode root;
    bool seen = false;
    for (;;) {
      Event event(parser_);
      check(event);
      switch (event.get().type) {
        case YAML_STREAM_END_EVENT:
          return root;
        case YAML_DOCUMENT_START_EVENT:
          if (seen) fail(event.line(), "more than one document");
          seen = true;
          root = next(1);
          break;
        default:
          break;
      }
    }
  }

 private:
  [[noreturn]] void fail(int line, std::string_view what) const {
    throw Error(Code::usage, fmt::format("{}:{}: {}", file_, line, what));
  }

  void check(const Event& event) const {
    if (event.good()) return;
    const std::size_t line = std::max(parser_.problem_mark.line, parser_.context_mark.line) + 1;
    fail(static_cast<int>(line),
         fmt::format("not YAML: {}", parser_.problem != nullptr ? parser_.problem : "broken"));
  }

  YamlNode next(int depth) {
    Event event(parser_);
    check(event);
    return node(event, depth);
  }

  YamlNode node(const Event& event, int depth) {
    if (depth > kDeepest) fail(event.line(), "nested too deep");
    YamlNode out;
    out.line = event.line();
    const yaml_event_t& e = event.get();
    switch (e.type) {
      case YAML_SCALAR_EVENT:
        scalar(e, out);
        break;
      case YAML_MAPPING_START_EVENT:
        if (e.data.mapping_start.tag != nullptr) fail(out.line, "tags are not used here");
        map(out, depth);
        break;
      case YAML_SEQUENCE_START_EVENT:
        if (e.data.sequence_start.tag != nullptr) fail(out.line, "tags are not used here");
        list(out, depth);
        break;
      case YAML_ALIAS_EVENT:
        fail(out.line, "aliases are not used here");
      default:
        fail(out.line, "unexpected end");
    }
    return out;
  }

  void scalar(const yaml_event_t& e, YamlNode& out) const {
    if (e.data.scalar.tag != nullptr) fail(out.line, "tags are not used here");
    out.text.assign(reinterpret_cast<const char*>(e.data.scalar.value), e.data.scalar.length);
    const bool plain = e.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const bool null = plain && (out.text.empty() || out.text == "~" || out.text == "null");
    out.kind = null ? YamlNode::Kind::null : YamlNode::Kind::scalar;
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::ranges::any_of(out.text, control)) fail(out.line, "control characters in a value");
  }

  void map(YamlNode& out, int depth) {
    out.kind = YamlNode::Kind::map;
    for (;;) {
      Event event(parser_);
      check(event);
      if (event.get().type == YAML_MAPPING_END_EVENT) return;
      YamlNode key = node(event, depth + 1);
      if (key.kind != YamlNode::Kind::scalar) fail(key.line, "a key must be a word");
      for (const auto& [other, value] : out.entries)
        if (other.text == key.text)
          fail(key.line, fmt::format("'{}' stands twice, first in line {}", key.text, other.line));
      YamlNode value = next(depth + 1);
      out.entries.emplace_back(std::move(key), std::move(value));
    }
  }

  void list(YamlNode& out, int depth) {
    out.kind = YamlNode::Kind::list;
    for (;;) {
      Event event(parser_);
      check(event);
      if (event.get().type == YAML_SEQUENCE_END_EVENT) return;
      out.items.push_back(node(event, depth + 1));
    }
  }

  yaml_parser_t parser_;
  std::string file_;
};

}  // namespace

YamlNode parse_yaml(std::string_view text, std::string_view file) {
  if (text.size() > kMostBytes)
    throw Error(Code::usage, fmt::format("{}: larger than 1 MiB", file));
  return Reader(text, file).document();
}

}  // namespace dray::cli
