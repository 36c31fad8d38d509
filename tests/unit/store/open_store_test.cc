#include "dray/store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "dray/base/file.h"

namespace dray {
namespace {

using testing::HasSubstr;

class StoreOpen : public testing::Test {
 protected:
  StoreOpen() {
    options_.env = [this](const char* name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    variables_["AWS_CONFIG_FILE"] = "/nonexistent/config";
    variables_["AWS_SHARED_CREDENTIALS_FILE"] = "/nonexistent/credentials";
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }
  std::string uri(const std::string& text) { return open_store(text, options_)->properties().uri; }
  Error error_of(const std::string& text) {
    try {
      open_store(text, options_);
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "no error for " << text;
    return Error(Code::internal, "none");
  }
  std::map<std::string, std::string> variables_;
  StoreOptions options_;
};

TEST_F(StoreOpen, Folders) {
  EXPECT_EQ(uri("dir:/a/b/"), "dir:/a/b");
  EXPECT_EQ(uri("dir:///a/b"), "dir:/a/b");
  EXPECT_EQ(uri("dir:rel/x"), "dir:" + (std::filesystem::current_path() / "rel/x").string());
  EXPECT_EQ(uri("dir:~/models"), "dir:" + (home_folder() / "models").string());
  EXPECT_EQ(error_of("dir:").code(), Code::usage);
  EXPECT_EQ(error_of("dir://host/x").code(), Code::usage);
  EXPECT_TRUE(default_store().starts_with("dir:/"));
  EXPECT_TRUE(uri(default_store()).ends_with("/dray/store"));
}

TEST_F(StoreOpen, Buckets) {
  EXPECT_EQ(uri("s3://models"), "s3://models");
  EXPECT_EQ(uri("s3://models/"), "s3://models");
  EXPECT_EQ(uri("s3://models/team/a/"), "s3://models/team/a");
  const auto store = open_store("s3://models/team", options_);
  EXPECT_EQ(store->properties().kind, "s3");
  EXPECT_EQ(store->serving_uri("m/1/"), "s3://models/team/m/1/");
  for (const char* bad : {"s3://models/a//b", "s3://models/../x", "s3://a b/x"})
    EXPECT_EQ(error_of(bad).code(), Code::usage) << bad;
}

TEST_F(StoreOpen, TheConnectionMayNameTheBucket) {
  EXPECT_EQ(error_of("s3://").code(), Code::usage);
  variables_["AWS_S3_BUCKET"] = "from-env";
  EXPECT_EQ(uri("s3://"), "s3://from-env");
  EXPECT_EQ(uri("s3:///team"), "s3://from-env/team");
}

TEST_F(StoreOpen, NamesOfTheConfiguration) {
  options_.named = {{"prod", "s3://models/prod", {.endpoint = "https://s3.example.com"}},
                    {"scratch", "dir:/scratch", {}},
                    {"broken", "prod", {}}};
  EXPECT_EQ(uri("prod"), "s3://models/prod");
  EXPECT_EQ(uri("scratch"), "dir:/scratch");
  EXPECT_EQ(error_of("broken").code(), Code::usage) << "no names of names";
  const Error unknown = error_of("production");
  EXPECT_EQ(unknown.code(), Code::usage);
  EXPECT_THAT(unknown.hint(), HasSubstr("prod scratch"));
}

TEST_F(StoreOpen, KeysComeFromTheVariablesThatTheConfigurationNames) {
  options_.named = {
      {"prod", "s3://models", {.access_key_env = "PROD_KEY", .secret_key_env = "PROD_SECRET"}}};
  const Error missing = error_of("prod");
  EXPECT_EQ(missing.code(), Code::auth);
  EXPECT_THAT(missing.what(), HasSubstr("PROD_KEY"));
  variables_["PROD_KEY"] = "AKID";
  variables_["PROD_SECRET"] = "not-to-be-shown";
  EXPECT_EQ(uri("prod"), "s3://models");
  options_.named[0].s3.secret_key_env.clear();
  EXPECT_EQ(error_of("prod").code(), Code::usage) << "half of a pair";
}

TEST_F(StoreOpen, WhatIsNoStore) {
  EXPECT_EQ(error_of("oci://registry.example/repo:1.0").code(), Code::usage) << "one image of one";
  EXPECT_EQ(error_of("oci://registry.example/Repo").code(), Code::usage);
  EXPECT_THAT(error_of("./models").hint(), HasSubstr("dir:./models"));
  EXPECT_EQ(error_of("").code(), Code::usage);
  EXPECT_EQ(error_of("http://x/y").code(), Code::usage);
  options_.s3.addressing = "sideways";
  EXPECT_EQ(error_of("s3://models").code(), Code::usage);
}

}  // namespace
}  // namespace dray
