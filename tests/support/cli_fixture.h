// The built program with a home and a working folder of its own, and small models for it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "tests/support/fake_hub.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace dray::test {

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

/// A safetensors file with one tensor of `values` floats.
inline std::string weights(std::size_t values) {
  std::string header = R"({"w":{"dtype":"F32","shape":[)" + std::to_string(values) +
                       R"(],"data_offsets":[0,)" + std::to_string(values * 4) + "]}}";
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
  file += header;
  for (std::size_t i = 0; i < values * 4; ++i) file += static_cast<char>(i * 31);
  return file;
}

inline const std::string kConfig = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",)"
                                   R"("torch_dtype":"float32","max_position_embeddings":128})";

class Cli : public testing::Test {
 protected:
  Cli() { dray.environment["DRAY_REGISTRY"] = "none"; }

  void write(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::create_directories((folder() / path).parent_path());
    std::ofstream(folder() / path, std::ios::binary) << text;
  }
  /// A folder "model" that a server could load.
  void make_model(std::size_t values = 1000) {
    write("model/config.json", kConfig);
    write("model/tokenizer.json", "{}");
    write("model/README.md", "---\nlicense: mit\n---\n# Model\n");
    write("model/model.safetensors", weights(values));
  }
  const std::filesystem::path& folder() const { return temp_.path(); }
  Json json_of(const ProgramResult& result) {
    EXPECT_EQ(result.status, 0) << result.err;
    return parse_json(last_line(result.out), "last line of stdout");
  }
  Json error_of(const ProgramResult& result) {
    return parse_json(last_line(result.err), "last line of stderr").at("error");
  }

  TempFolder temp_;
  Program dray{temp_.path()};
};

/// The program beside a Hub, with the store "dir:store".
class CliHub : public Cli {
 protected:
  CliHub() {
    dray.environment["HF_ENDPOINT"] = hub_.url();
    dray.environment["DRAY_STORE"] = "dir:store";
    dray.environment["DRAY_TO"] = "dir:store";
  }
  void put(std::size_t values, bool is_private = false) {
    FakeRepo repo;
    repo.id = "org/llama";
    repo.is_private = is_private;
    repo.files = {git_file("config.json", kConfig), git_file("tokenizer.json", "{}"),
                  lfs_file("model.safetensors", weights(values)),
                  lfs_file("pytorch_model.bin", "old")};
    commit_ = hub_.put(std::move(repo));
  }

  FakeHub hub_;
  std::string commit_;
};

}  // namespace dray::test
