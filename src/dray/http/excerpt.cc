#include "dray/http/excerpt.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray::http {

namespace {

constexpr std::size_t kMaxCode = 64;

/// The length of the UTF-8 sequence at the start of `text`, and its value; length 0 if invalid.
struct CodePoint {
  std::size_t length = 0;
  std::uint32_t value = 0;
};

CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  std::uint32_t value = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0U) != 0x80) return {};
    value = value << 6 | (byte & 0x3FU);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {};
  return {length, value};
}

bool is_hidden(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view skip_white(std::string_view text) {
  while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
  return text;
}

/// Content of the first <name> element, entities undone; "" if there is none.
std::string xml_element(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t start = xml.find(open);
  if (start == std::string_view::npos) return "";
  xml.remove_prefix(start + open.size());
  const std::size_t end = xml.find('<');
  if (end == std::string_view::npos) return "";
  std::string out(xml.substr(0, end));
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, text] : kEntities)
    for (std::size_t at = 0; (at = out.find(entity, at)) != std::string::npos; at += text.size())
      out.replace(at, entity.size(), text);
  return out;
}

std::optional<Json> json_object(std::string_view body) {
  if (!skip_white(body).starts_with('{')) return std::nullopt;
  try {
    Json value = parse_json(body, "error answer", {.bytes = 1 << 20, .depth = 16});
    if (value.is_object()) return value;
  } catch (const Error&) {
    // Not JSON after all; the caller shows it as text.
  }
  return std::nullopt;
}

std::string text_of(const Json& value, std::string_view key) {
  if (!value.is_object()) return "";
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string json_message(const Json& body) {
  for (const char* key : {"error", "message", "detail"}) {
    if (std::string text = text_of(body, key); !text.empty()) return text;
    const auto found = body.find(key);
    if (found == body.end()) continue;
    if (std::string text = text_of(*found, "message"); !text.empty()) return text;
  }
  const auto errors = body.find("errors");
  if (errors == body.end() || !errors->is_array() || errors->empty()) return "";
  return text_of(errors->front(), "message");
}

std::string json_code(const Json& body) {
  if (std::string code = text_of(body, "code"); !code.empty()) return code;
  const auto errors = body.find("errors");
  if (errors == body.end() || !errors->is_array() || errors->empty()) return "";
  return text_of(errors->front(), "code");
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit) {
  std::string out;
  bool space = false;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    const std::size_t length = std::max<std::size_t>(c.length, 1);
    const std::string_view sequence = text.substr(0, length);
    text.remove_prefix(length);
    if (is_white(sequence.front())) {
      space = !out.empty();
      continue;
    }
    if (c.length == 0 || is_hidden(c.value)) continue;
    if (out.size() + (space ? 1 : 0) + length > limit) break;
    if (space) out += ' ';
    space = false;
    out += sequence;
  }
  return out;
}

bool is_html(const Response& response) {
  const std::string type = lower(response.headers.get("Content-Type").value_or(""));
  if (type.starts_with("text/html") || type.starts_with("application/xhtml")) return true;
  const std::string start = lower(skip_white(response.body).substr(0, 16));
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

std::string body_excerpt(const Response& response) {
  if (is_html(response)) return "an HTML page came instead, perhaps a login page or proxy";
  if (const auto json = json_object(response.body))
    if (const std::string message = json_message(*json); !message.empty())
      return clean_text(message);
  if (const std::string message = xml_element(response.body, "Message"); !message.empty())
    return clean_text(message);
  return clean_text(response.body);
}

std::string body_code(const Response& response) {
  if (const auto json = json_object(response.body)) return clean_text(json_code(*json), kMaxCode);
  return clean_text(xml_element(response.body, "Code"), kMaxCode);
}

}  // namespace dray::http
