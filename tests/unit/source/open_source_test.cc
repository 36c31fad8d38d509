#include "dray/source/open_source.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "tests/support/environment.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

class OpenSource : public testing::Test {
 protected:
  OpenSource() {
    for (const char* name : {"HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
      environment_.set(name, std::nullopt);
    environment_.set("HOME", folder_.path().string());
  }
  std::string name_of(std::string_view text) { return open_source(text, options_)->name(); }
  Error error_of(std::string_view text) {
    try {
      open_source(text, options_);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << text << " was opened";
    return Error(Code::internal, "opened");
  }

  test::TempFolder folder_;
  test::Environment environment_;
  SourceOptions options_;
};

TEST_F(OpenSource, DecidesByWhatWasTyped) {
  for (const char* text : {"hf://org/name", "hf://models/org/name@v1", "org/name", "org/name@main",
                           "https://huggingface.co/org/name/tree/main"})
    EXPECT_EQ(name_of(text), "hf://org/name") << text;
  EXPECT_EQ(name_of("gpt2"), "hf://gpt2");
  EXPECT_EQ(name_of("hf-cache:org/name@main"), "hf-cache:org/name");
  EXPECT_EQ(name_of("hf-cache://org/name"), "hf-cache:org/name");
  EXPECT_EQ(name_of("/some/model/"), "dir:/some/model");
  EXPECT_EQ(name_of("dir:/some/model"), "dir:/some/model");
  EXPECT_EQ(name_of("~/model"), "dir:" + (folder_.path() / "model").string());
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(name_of("./org/name"), "dir:" + here + "/org/name");
  EXPECT_EQ(name_of("dir:org/name"), "dir:" + here + "/org/name");
  EXPECT_EQ(name_of("."), "dir:" + here);
}

TEST_F(OpenSource, TheCacheIsTheEnvironments) {
  write_file_atomic(folder_.path() / "hub/models--org--name/refs/main",
                    "0123456789abcdef0123456789abcdef01234567");
  environment_.set("HF_HOME", folder_.path().string());
  try {
    open_source("hf-cache:org/name", options_)->snapshot({});
    FAIL();
  } catch (const Error& error) {  // found the reference, and no files of that commit
    EXPECT_NE(std::string(error.what()).find("0123456789abcdef"), std::string::npos);
  }
}

TEST_F(OpenSource, SchemesOfOtherRoomsComeByFactory) {
  for (const char* text : {"s3://bucket/prefix", "oci://registry/repo:tag"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code(), Code::unsupported) << text;
    EXPECT_NE(error.hint(), "");
  }
  std::string given;
  options_.factories["s3"] = [&](const std::string& address) {
    given = address;
    return open_source("/x", {});
  };
  EXPECT_EQ(name_of("s3://bucket/prefix"), "dir:/x");
  EXPECT_EQ(given, "s3://bucket/prefix");
}

TEST_F(OpenSource, MistakesAreUsageErrors) {
  for (const char* text : {"", "ftp://host/x", "dir:", "a/b/c", "org/name/", "hf-cache:", "hf://",
                           "https://example.com/org/name"})
    EXPECT_EQ(error_of(text).code(), Code::usage) << text;
}

}  // namespace
}  // namespace dray
