// The text files of the demonstration model, and the shape that its configuration states.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace dray {

struct DemoShape {
  std::uint64_t hidden = 512, intermediate = 1536, layers = 8, heads = 8, kv_heads = 4,
                head_dim = 64, vocabulary = 4096;
};

/// Path and content of every file but the weights and their index.
std::map<std::string, std::string> demo_texts(const DemoShape& shape);

}  // namespace dray
