// What the environment decides is told, what confirms is typed, and long lists stay short.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "dray/base/digest.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/fake_s3.h"

namespace dray::test {
namespace {

namespace fs = std::filesystem;

class CliSettings : public Cli {};

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

TEST_F(CliSettings, VariablesThatDecideAreTold) {
  make_model();
  dray.environment["DRAY_NAME"] = "stray";
  dray.environment["DRAY_VERSION"] = "9.0.0";
  dray.environment["DRAY_MEMORY"] = "128MiB";
  dray.environment["DRAY_ALL_FILES"] = "0";
  const auto result = dray({"import", "./model", "--to", "dir:store"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(has(result.err,
                  "set by the environment: --name stray (DRAY_NAME), --version 9.0.0 "
                  "(DRAY_VERSION), --registry none (DRAY_REGISTRY)\n"))
      << result.err;
  const auto json = dray({"import", "./model", "--to", "dir:store", "--dry-run", "--json"});
  EXPECT_TRUE(has(json.err, "DRAY_NAME"));
  EXPECT_EQ(parse_json(json.err.substr(0, json.err.find('\n')), "stderr")["type"], "log");
  // What only reads tells nothing.
  EXPECT_FALSE(has(dray({"list", "--store", "dir:store"}).err, "DRAY_"));
  dray.environment["DRAY_REGISTRY"] = "https://me:registry-secret@registry.invalid";
  const auto secret = dray({"import", "./model", "--to", "dir:store", "--dry-run"});
  EXPECT_FALSE(has(secret.err + secret.out, "registry-secret")) << secret.err;
}

TEST_F(CliSettings, OnlyATypedYesRemoves) {
  make_model();
  ASSERT_EQ(dray({"import", "./model", "--to", "dir:store"}).status, 0);
  dray.environment["DRAY_YES"] = "1";
  const auto result = dray({"gc", "--store", "dir:store", "--json"});
  EXPECT_EQ(json_of(result)["dry_run"], true);
  EXPECT_TRUE(has(result.err, "DRAY_YES means nothing: type --yes")) << result.err;
  EXPECT_EQ(json_of(dray({"gc", "--store", "dir:store", "--yes", "--json"}))["dry_run"], false);
}

TEST_F(CliSettings, LessMemoryThanCanBeKeptToIsRefused) {
  make_model();
  const auto result = dray({"import", "./model", "--to", "dir:store", "--memory", "100MiB"});
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(has(result.err, "128 MiB")) << result.err;
  EXPECT_EQ(dray({"import", "./model", "--to", "dir:store", "--memory", "128MiB"}).status, 0);
  EXPECT_TRUE(has(dray({"verify", "--store", "dir:store"}).err, "hint: name one"));
}

TEST_F(CliSettings, TheOlderPipelinesNamesCountOnlyWhereAskedFor) {
  FakeS3 s3;
  s3.make_bucket("models");
  make_model();
  write("model/extra.bin", "x");
  dray.environment["MODEL_NAME"] = "granite";
  dray.environment["MODEL_VERSION"] = "3.3.0";
  dray.environment["S3_BUCKET"] = "models";
  dray.environment["S3_ENDPOINT_URL"] = s3.url();
  dray.environment["HUGGINGFACE_ALLOW_PATTERNS"] = "*.safetensors *.json";
  dray.environment["AWS_ACCESS_KEY_ID"] = s3.options().access_key;
  dray.environment["AWS_SECRET_ACCESS_KEY"] = s3.options().secret_key;
  dray.environment["AWS_REGION"] = "us-east-1";
  EXPECT_EQ(json_of(dray({"import", "./model", "--json"}))["name"], "model");
  dray.environment["DRAY_COMPAT"] = "modelcar";
  const auto result = dray({"import", "./model", "--json"});
  const Json made = json_of(result);
  EXPECT_EQ(made["uri"], "s3://models/model-data/granite/3.3.0/");
  EXPECT_EQ(made["files"], 3);
  EXPECT_TRUE(has(result.err, "--name granite (MODEL_NAME)")) << result.err;
  EXPECT_EQ(json_of(dray({"import", "./model", "--name", "mine", "--json"}))["name"], "mine");
  dray.environment["DRAY_COMPAT"] = "modelcat";
  EXPECT_EQ(dray({"import", "./model"}).status, 2);
}

TEST_F(CliSettings, ManyFilesAreNotAsManyLines) {
  FakeHub hub;
  dray.environment["HF_ENDPOINT"] = hub.url();
  FakeRepo repo{.id = "org/many"};
  repo.files = {git_file("config.json", kConfig), git_file("tokenizer.json", "{}"),
                lfs_file("model.safetensors", weights(1000))};
  const std::string voice(64, 'v');
  for (int i = 0; i < 500; ++i)
    repo.files.push_back(git_file("voices/" + std::to_string(i) + " \xc3\xa4.json", voice));
  hub.put(std::move(repo));
  const std::vector<std::string> words = {"import", "org/many", "--to", "dir:store", "--dry-run"};
  const auto plan = dray(words);
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_LT(lines_of(plan.out), 60u);
  EXPECT_TRUE(has(plan.out, "model.safetensors")) << "the largest are shown";
  EXPECT_TRUE(has(plan.out, "and 483 more files")) << plan.out;
  auto asked = words;
  asked.push_back("-v");
  EXPECT_GT(lines_of(dray(asked).out), 500u);
  asked.back() = "--json";
  EXPECT_EQ(json_of(dray(asked))["files"].size(), 503u);
}

}  // namespace
}  // namespace dray::test
