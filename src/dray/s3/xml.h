// The XML that S3 and STS speak, read with limits and without entities of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray::s3 {

/// One element. Names are without namespace; text is that of the element itself, without that of
/// its children.
struct XmlNode {
  std::string name;
  std::string text;
  std::vector<XmlNode> children;

  /// First child of that name, or nullptr.
  const XmlNode* child(std::string_view child_name) const;
  /// Text of the first child of that name, or "".
  std::string get(std::string_view child_name) const;
};

struct XmlLimits {
  std::size_t bytes = 32 << 20;
  std::size_t depth = 16;
  std::size_t elements = 400'000;
};

/// Parses one document (leading white space allowed: servers send it to keep connections alive). A
/// DTD, bytes, depth or elements above the limits and malformed text are Code::malformed naming
/// `what`.
XmlNode parse_xml(std::string_view text, std::string_view what, XmlLimits limits = {});
/// nullopt instead of an error; for bodies that may or may not be XML.
std::optional<XmlNode> try_parse_xml(std::string_view text, XmlLimits limits = {});

/// Text made safe for element content; characters that XML 1.0 cannot hold are Code::usage.
std::string xml_escape(std::string_view text);

}  // namespace dray::s3
