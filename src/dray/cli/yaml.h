// Small YAML documents with line numbers, for configuration files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dray::cli {

struct YamlNode {
  enum class Kind { null, scalar, map, list };
  Kind kind = Kind::null;
  std::string text;  // scalars
  int line = 0;      // from 1
  std::vector<std::pair<YamlNode, YamlNode>>
      entries;                  // maps, in order; keys are scalars and unique
  std::vector<YamlNode> items;  // lists
};

/// One document of at most 1 MiB and depth 16; an empty one gives a null node. Aliases, tags,
/// several documents and duplicate keys are refused. Throws Code::usage; `file` and the line lead
/// the message.
YamlNode parse_yaml(std::string_view text, std::string_view file);

}  // namespace dray::cli
