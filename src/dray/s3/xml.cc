#include "dray/s3/xml.h"

#include <expat.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/path.h"

namespace dray::s3 {

namespace {

struct ParserDeleter {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};

/// Builds the tree from expat's calls. Expat is C: nothing may be thrown through it, so the first
/// problem is kept and the parser stopped.
class Builder {
 public:
  Builder(XML_Parser parser, const XmlLimits& limits) : parser_(parser), limits_(limits) {
    XML_SetUserData(parser, this);
    XML_SetElementHandler(parser, start, end);
    XML_SetCharacterDataHandler(parser, text);
    XML_SetStartDoctypeDeclHandler(parser, doctype);
  }

  std::string problem;
  std::optional<XmlNode> root;

 private:
  static Builder& self(void* data) { return *static_cast<Builder*>(data); }

  static void start(void* data, const XML_Char* name, const XML_Char**) noexcept {
    self(data).guarded([&](Builder& b) {
      if (b.open_.size() == b.limits_.depth) return b.fail("nested too deep");
      if (++b.elements_ > b.limits_.elements) return b.fail("too many elements");
      const std::string_view full(name);
      const std::size_t colon = full.rfind(':');
      b.open_.push_back({});
      b.open_.back().name = full.substr(colon == std::string_view::npos ? 0 : colon + 1);
    });
  }

  static void end(void* data, const XML_Char*) noexcept {
    self(data).guarded([](Builder& b) {
      XmlNode node = std::move(b.open_.back());
      b.open_.pop_back();
      // White space between child elements is layout.
      if (!node.children.empty() && node.text.find_first_not_of(" \t\r\n") == std::string::npos)
        node.text.clear();
      if (b.open_.empty())
        b.root = std::move(node);
      else
        b.open_.back().children.push_back(std::move(node));
    });
  }

  static void text(void* data, const XML_Char* bytes, int length) noexcept {
    self(data).guarded([&](Builder& b) {
      if (!b.open_.empty()) b.open_.back().text.append(bytes, static_cast<std::size_t>(length));
    });
  }

  // Entities can only be declared in a DTD; without one there is nothing to expand.
  static void doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) noexcept {
    self(data).guarded([](Builder& b) { b.fail("has a document type declaration"); });
  }

  template <typename Work>
  void guarded(Work work) noexcept {
    if (!problem.empty()) return;
    try {
      work(*this);
    } catch (const std::exception&) {
      fail("out of memory");
    }
  }

  void fail(const char* why) {
    problem = why;
    XML_StopParser(parser_, XML_FALSE);
  }

  XML_Parser parser_;
  const XmlLimits& limits_;
  std::vector<XmlNode> open_;
  std::size_t elements_ = 0;
};

/// The document, or why there is none.
std::pair<std::optional<XmlNode>, std::string> read(std::string_view text,
                                                    const XmlLimits& limits) {
  if (text.size() > limits.bytes) return {std::nullopt, "too large"};
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (text.empty()) return {std::nullopt, "empty"};
  const std::unique_ptr<XML_ParserStruct, ParserDeleter> parser(XML_ParserCreate(nullptr));
  if (!parser) return {std::nullopt, "out of memory"};
  Builder builder(parser.get(), limits);
  constexpr std::size_t kStep = 1 << 20;  // expat takes an int
  for (std::size_t at = 0; at < text.size(); at += kStep) {
    const std::string_view piece = text.substr(at, kStep);
    const bool last = at + kStep >= text.size();
    if (XML_Parse(parser.get(), piece.data(), static_cast<int>(piece.size()), last) ==
        XML_STATUS_OK)
      continue;
    if (!builder.problem.empty()) return {std::nullopt, builder.problem};
    return {std::nullopt,
            fmt::format("{} in line {}", XML_ErrorString(XML_GetErrorCode(parser.get())),
                        XML_GetCurrentLineNumber(parser.get()))};
  }
  return {std::move(builder.root), builder.root ? "" : "no element"};
}

}  // namespace

const XmlNode* XmlNode::child(std::string_view child_name) const {
  for (const XmlNode& node : children)
    if (node.name == child_name) return &node;
  return nullptr;
}

std::string XmlNode::get(std::string_view child_name) const {
  const XmlNode* node = child(child_name);
  return node == nullptr ? "" : node->text;
}

XmlNode parse_xml(std::string_view text, std::string_view what, XmlLimits limits) {
  auto [node, problem] = read(text, limits);
  if (!node)
    throw Error(Code::malformed, fmt::format("{} is not the XML expected: {}", what, problem));
  return std::move(*node);
}

std::optional<XmlNode> try_parse_xml(std::string_view text, XmlLimits limits) {
  return read(text, limits).first;
}

std::string xml_escape(std::string_view text) {
  if (!valid_utf8(text))
    throw Error(Code::usage, "text that is not UTF-8 cannot be sent to S3").from(Side::local);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;  // a bare one would be read as a line feed
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          throw Error(Code::usage, "a control character cannot be sent to S3").from(Side::local);
        out += c;
    }
  }
  return out;
}

}  // namespace dray::s3
