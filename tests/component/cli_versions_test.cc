// Versions and aliases on the command line: what people and scripts see.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

namespace fs = std::filesystem;
using test::ProgramResult;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class CliVersions : public testing::Test {
 protected:
  CliVersions() {
    dray.environment["DRAY_STORE"] = "dir:store";
    dray.environment["DRAY_TO"] = "dir:store";
    dray.environment["DRAY_REGISTRY"] = "sqlite:registry.db";
    dray.environment["HF_HUB_OFFLINE"] = "1";  // for doctor
  }

  void write(const fs::path& path, std::string_view text) {
    fs::create_directories((temp_.path() / path).parent_path());
    std::ofstream(temp_.path() / path, std::ios::binary) << text;
  }
  /// Imports a version of "model" whose configuration holds `temperature`.
  void import(const std::string& temperature) {
    write("model/config.json",
          R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","torch_dtype":"float32"})");
    write("model/generation_config.json", R"({"temperature":)" + temperature + "}");
    write("model/tokenizer.json", "{}");
    std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    std::string file(8, '\0');
    file[0] = static_cast<char>(header.size());
    write("model/model.safetensors", file + header + "abcd");
    const auto result = dray({"import", "./model"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  Json json_of(std::vector<std::string> words, int status = 0) {
    words.emplace_back("--json");
    const ProgramResult result = dray(words);
    EXPECT_EQ(result.status, status) << result.err;
    std::string text = status == 0 || !result.out.empty() ? result.out : result.err;
    while (text.ends_with('\n')) text.pop_back();
    return parse_json(text.substr(text.rfind('\n') + 1), "last line");
  }

  test::TempFolder temp_;
  test::Program dray{temp_.path()};
};

TEST_F(CliVersions, PromoteRollbackAndHistory) {
  import("1");
  import("2");
  EXPECT_EQ(json_of({"promote", "model:1.0.0", "production"})["registry"]["shown"], true);
  ASSERT_EQ(dray({"promote", "model:1.0.1", "production"}).status, 0);
  const auto would = dray({"rollback", "model", "--dry-run"});
  EXPECT_TRUE(has(would.out, "would point to 1.0.0, before to 1.0.1")) << would.out << would.err;
  const auto back = dray({"rollback", "model", "--reason", "bad"});
  EXPECT_EQ(back.out, "model@production points again to 1.0.0, before to 1.0.1\n") << back.err;
  EXPECT_TRUE(has(back.err, "dray promote model:1.0.1 production")) << back.err;
  EXPECT_EQ(dray({"rollback", "model"}).status, 4);
  EXPECT_EQ(dray({"rollback", "model:1.0.0"}).status, 2);
  const Json history = json_of({"history", "model@production"})["history"];
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[2]["event"], "rolled back");
  EXPECT_EQ(history[2]["known_by"], "login");
  EXPECT_EQ(json_of({"show", "model@production"})["version"], "1.0.0");
}

TEST_F(CliVersions, SeveralAliasesHaveToBeNamed) {
  import("1");
  ASSERT_EQ(dray({"promote", "model", "production"}).status, 0);
  ASSERT_EQ(dray({"promote", "model", "staging"}).status, 0);
  const auto result = dray({"rollback", "model"});
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(has(result.err, "production, staging")) << result.err;
}

TEST_F(CliVersions, NoRollbackToDamagedFilesUnlessTold) {
  import("1");
  import("2");
  ASSERT_EQ(dray({"promote", "model:1.0.0", "production"}).status, 0);
  ASSERT_EQ(dray({"promote", "model:1.0.1", "production"}).status, 0);
  const fs::path file = temp_.path() / "store/model-data/model/1.0.0/generation_config.json";
  fs::remove(file);
  EXPECT_EQ(json_of({"rollback", "model"}, 7)["error"]["code"], "E_VERIFICATION");
  EXPECT_EQ(json_of({"show", "model@production"})["version"], "1.0.1");
  const Json forced = json_of({"rollback", "model", "--force"});
  EXPECT_EQ(forced["version"], "1.0.0");
  EXPECT_TRUE(forced["checked"].is_null());
}

TEST_F(CliVersions, ArchiveRemoveRestore) {
  import("1");
  import("2");
  ASSERT_EQ(dray({"archive", "model:1.0.1", "--reason", "worse"}).status, 0);
  EXPECT_TRUE(has(dray({"list", "model"}).out, "archived"));
  EXPECT_TRUE(has(dray({"show", "model:1.0.1"}).out, "(worse)"));
  EXPECT_EQ(json_of({"show", "model"})["version"], "1.0.0");
  EXPECT_EQ(dray({"promote", "model:1.0.1", "production"}).status, 10);
  EXPECT_EQ(json_of({"restore", "model:1.0.1"})["before"], "archived");

  EXPECT_EQ(dray({"rm", "model"}).status, 2) << "a version has to be named";
  const auto told = dray({"rm", "model:1.0.1"});
  EXPECT_TRUE(has(told.out, "would be removed")) << told.out;
  EXPECT_TRUE(has(told.err, "next: dray rm model:1.0.1 --yes")) << told.err;
  EXPECT_EQ(json_of({"list", "model"})["releases"].size(), 2u);
  EXPECT_EQ(json_of({"rm", "model:1.0.1", "--yes"})["state"], "removed");
  EXPECT_EQ(json_of({"list", "model"})["releases"].size(), 1u);
  const Json removed = json_of({"list", "model", "--removed"})["releases"][1];
  EXPECT_EQ(removed["state"], "removed");
  EXPECT_TRUE(removed["purge_after"].is_string());
  EXPECT_TRUE(has(dray({"list", "model", "--removed"}).out, "removed, kept until "));
  EXPECT_EQ(dray({"restore", "model:1.0.1"}).out, "model:1.0.1 is live\n");
  EXPECT_EQ(json_of({"verify", "model:1.0.1"})["intact"], true);
}

TEST_F(CliVersions, AnAliasIsRemovedAlone) {
  import("1");
  ASSERT_EQ(dray({"promote", "model", "production"}).status, 0);
  EXPECT_EQ(dray({"rm", "model:1.0.0", "--yes"}).status, 10);
  EXPECT_TRUE(has(dray({"rm", "model@production"}).out, "would be removed"));
  EXPECT_EQ(json_of({"rm", "model@production", "--yes"})["previous"], "1.0.0");
  EXPECT_EQ(dray({"show", "model@production"}).status, 4);
  EXPECT_EQ(dray({"rm", "model:1.0.0", "--yes"}).status, 0);
  EXPECT_TRUE(has(dray({"gc"}).err, "No leftovers"));
}

TEST_F(CliVersions, Diff) {
  import("1");
  import("2");
  const auto text = dray({"diff", "model:1.0.0", "model"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(has(text.out, "model:1.0.0 → model:1.0.1")) << text.out;
  EXPECT_TRUE(has(text.out, "~ generation_config.json: temperature  1 → 2")) << text.out;
  EXPECT_EQ(dray({"diff", "model:1.0.0", "model", "-q"}).out, "generation_config.json\n");
  const Json json = json_of({"diff", "model:1.0.0", "model"});
  EXPECT_EQ(json["settings"][0]["after"], 2);
  EXPECT_EQ(json["before"]["version"], "1.0.0");
  EXPECT_EQ(json["tensors_compared"], false);
  EXPECT_TRUE(has(dray({"diff", "model:1.0.0", "model:1.0.0"}).out, "same content"));
  ASSERT_EQ(dray({"import", "./model", "--to", "dir:other", "--registry", "none"}).status, 0);
  EXPECT_EQ(json_of({"diff", "model:1.0.1", "model", "--other-store", "dir:other"})["same_content"],
            true);
}

TEST_F(CliVersions, ARegistryThatIsDownLeavesTheMove) {
  import("1");
  dray.environment["DRAY_REGISTRY"] = "http://127.0.0.1:1";
  const auto result = dray({"promote", "model", "production"});
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(has(result.out, "now points to 1.0.0")) << result.out;
  EXPECT_TRUE(has(result.err, "dray registry rebuild model --from dir:store")) << result.err;
  dray.environment["DRAY_REGISTRY"] = "sqlite:registry.db";
  EXPECT_EQ(json_of({"doctor"})["findings"][0]["kind"], "wrong-aliases");
  const Json rebuilt = json_of({"registry", "rebuild", "model", "--from", "dir:store"});
  EXPECT_EQ(rebuilt["aliases"], 1);
  EXPECT_TRUE(json_of({"doctor"})["findings"].empty());
}

TEST_F(CliVersions, ALostRegistryIsRebuiltOrRestored) {
  import("1");
  import("2");
  ASSERT_EQ(dray({"promote", "model", "production"}).status, 0);
  ASSERT_EQ(dray({"registry", "backup", "backup.db"}).status, 0);
  for (const char* name : {"registry.db", "registry.db-wal", "registry.db-shm"})
    fs::remove(temp_.path() / name);
  EXPECT_EQ(json_of({"verify", "--all", "--registry", "sqlite:registry.db"}, 7)["findings"].size(),
            2u);
  EXPECT_EQ(json_of({"doctor", "--fix"})["findings"][0]["fixed"], true);
  EXPECT_TRUE(json_of({"doctor"})["findings"].empty());
  fs::remove(temp_.path() / "registry.db");
  ASSERT_EQ(dray({"registry", "restore", "backup.db"}).status, 0);
  EXPECT_TRUE(json_of({"verify", "--all"})["findings"].empty());
  EXPECT_EQ(dray({"registry", "backup", "x.db", "--registry", "https://registry.example"}).status,
            2);
}

}  // namespace
}  // namespace dray
