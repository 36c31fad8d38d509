// Where `dray import` takes models from: releases of other stores, plain prefixes, folders.
#include <gtest/gtest.h>

#include <filesystem>

#include "dray/base/file.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/fake_s3.h"

namespace dray::test {
namespace {

namespace fs = std::filesystem;

class CliSources : public CliHub {
 protected:
  CliSources() {
    dray.environment["DRAY_TO"] = dray.environment["DRAY_STORE"] = "";
    dray.environment["AWS_ENDPOINT_URL_S3"] = s3_.url();
    dray.environment["AWS_ACCESS_KEY_ID"] = s3_.options().access_key;
    dray.environment["AWS_SECRET_ACCESS_KEY"] = s3_.options().secret_key;
    dray.environment["AWS_REGION"] = "us-east-1";
    s3_.make_bucket("models");
    s3_.make_bucket("plain");
  }
  /// A model's files below a prefix, as another tool puts them.
  void put_plain(const std::string& prefix) {
    s3_.put("plain", prefix + "config.json", kConfig);
    s3_.put("plain", prefix + "tokenizer.json", "{}");
    s3_.put("plain", prefix + "model.safetensors", weights(1000));
    s3_.put("plain", prefix, "");  // a console's folder
  }

  FakeS3 s3_;
};

TEST_F(CliSources, AReleaseGoesFromOneStoreToAnother) {
  put(1000);
  const Json first =
      json_of(dray({"import", "org/llama", "--to", "dir:staging", "--alias", "tested", "--json"}));
  const auto plan =
      dray({"import", "llama@tested", "--from", "dir:staging", "--to", "s3://models", "--dry-run"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_TRUE(has(plan.out, "copied from  llama:1.0.0 in dir:")) << plan.out;
  const Json copied = json_of(
      dray({"import", "llama@tested", "--from", "dir:staging", "--to", "s3://models", "--json"}));
  EXPECT_EQ(copied["root_digest"], first["root_digest"]);
  EXPECT_EQ(copied["commit"], commit_);
  EXPECT_EQ(copied["source"], "hf://org/llama");
  EXPECT_EQ(s3_.object("models", "model-data/llama/1.0.0/model.safetensors")->content,
            weights(1000));
  EXPECT_TRUE(has(dray({"show", "llama", "--store", "s3://models"}).out, "copied from"));
  // And back, by the address of its folder.
  const Json back = json_of(
      dray({"import", "s3://models/model-data/llama/1.0.0/", "--to", "dir:back", "--json"}));
  EXPECT_EQ(back["root_digest"], first["root_digest"]);
  EXPECT_EQ(back["source"], "hf://org/llama");
  // A folder of a store is its release too.
  const Json beside =
      json_of(dray({"import", "./back/model-data/llama/1.0.0", "--to", "dir:last", "--json"}));
  EXPECT_EQ(beside["source"], "hf://org/llama");
}

TEST_F(CliSources, WrongBytesInTheOtherStoreAreFound) {
  put(1000);
  ASSERT_EQ(dray({"import", "org/llama", "--to", "s3://models"}).status, 0);
  std::string bytes = weights(1000);
  bytes[500] = static_cast<char>(bytes[500] ^ 1);
  s3_.put("models", "model-data/llama/1.0.0/model.safetensors", bytes);
  const auto result = dray({"import", "llama", "--from", "s3://models", "--to", "dir:store"});
  EXPECT_EQ(result.status, 7) << result.err;
  EXPECT_FALSE(fs::exists(folder() / "store/model-data/llama/1.0.0/model.safetensors"));
}

TEST_F(CliSources, APlainPrefixIsRefusedUntilItIsAllowed) {
  put_plain("llama-7b/");
  const auto refused = dray({"import", "s3://plain/llama-7b/", "--to", "dir:store", "--json"});
  EXPECT_EQ(refused.status, 6) << refused.err;
  EXPECT_TRUE(has(error_of(refused)["hint"].get<std::string>(), "--allow unverified-source"));
  const Json made = json_of(dray({"import", "s3://plain/llama-7b/", "--to", "dir:store", "--allow",
                                  "unverified-source", "--json"}));
  EXPECT_EQ(made["name"], "llama-7b");
  EXPECT_EQ(made["source"], "s3://plain/llama-7b/");
  EXPECT_EQ(made["files"], 3);
  const Json shown = json_of(dray({"show", "llama-7b", "--store", "dir:store", "--json"}));
  EXPECT_EQ(shown["allows"], Json::array({"unverified-source"}));
  EXPECT_EQ(read_file(folder() / "store/model-data/llama-7b/1.0.0/model.safetensors"),
            weights(1000));
}

TEST_F(CliSources, AFolderWithoutAManifestInAStoresPlaceIsAPlainOne) {
  put_plain("model-data/llama/1.0.0/");
  EXPECT_EQ(dray({"import", "s3://plain/model-data/llama/1.0.0/", "--to", "dir:store"}).status, 6);
  make_model();
  fs::create_directories(folder() / "other/model-data/llama");
  fs::rename(folder() / "model", folder() / "other/model-data/llama/1.0.0");
  const Json made = json_of(dray({"import", "./other/model-data/llama/1.0.0", "--name", "llama",
                                  "--to", "dir:store", "--json"}));
  EXPECT_TRUE(has(made["source"].get<std::string>(), "dir:"));
}

TEST_F(CliSources, MistakesNameTheRightForm) {
  put(10);
  ASSERT_EQ(dray({"import", "org/llama", "--to", "s3://models"}).status, 0);
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"import", "llama:1.0.0"}, "--from"},
      {{"import", "hf://org/llama", "--from", "s3://models"}, "NAME:VERSION"},
      {{"import", "s3://models"}, "--from s3://models"},
      {{"import", "llama", "--from", "nowhere"}, "s3://BUCKET"},
  };
  for (const auto& [words, hint] : cases) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--to", "dir:store", "--json"});
    const auto result = dray(all);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_TRUE(has(error_of(result)["hint"].get<std::string>(), hint)) << result.err;
  }
  EXPECT_EQ(dray({"import", "llama:9.9.9", "--from", "s3://models"}).status, 4);
  EXPECT_EQ(dray({"import", "s3://plain/nothing/here/"}).status, 4);
  EXPECT_EQ(json_of(dray({"doctor", "s3://models/model-data/llama/1.0.0/", "--json"}))["ok"], true);
}

TEST_F(CliSources, ANamedStoreBringsItsOwnEndpointAndKeys) {
  // Two services with keys of their own, which only the variables that are named hold.
  FakeS3Options other;
  other.access_key = "AKOTHER";
  other.secret_key = "other-secret-key";
  FakeS3 target(other);
  target.make_bucket("shelf");
  write("stores.yaml",
        "store: prod\n"
        "stores:\n"
        "  staging:\n    uri: s3://models/team\n    endpoint: " +
            s3_.url() +
            "\n"
            "    region: us-east-1\n    addressing: path\n"
            "    credentials: {access-key-env: A_KEY, secret-key-env: A_SECRET}\n"
            "  prod:\n    uri: s3://shelf\n    endpoint: " +
            target.url() +
            "\n"
            "    region: us-east-1\n    addressing: path\n"
            "    credentials:\n      access-key-env: B_KEY\n      secret-key-env: B_SECRET\n"
            "    headers:\n      x-amz-storage-class: STANDARD_IA\n");
  for (const char* name :
       {"AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"})
    dray.environment[name] = "";
  dray.environment["A_KEY"] = s3_.options().access_key;
  dray.environment["A_SECRET"] = s3_.options().secret_key;
  dray.environment["B_KEY"] = other.access_key;
  dray.environment["DRAY_CONFIG"] = (folder() / "stores.yaml").string();
  put(1000);
  ASSERT_EQ(dray({"import", "org/llama", "--to", "staging"}).status, 0);
  EXPECT_NE(s3_.object("models", "team/model-data/llama/1.0.0/config.json"), std::nullopt);

  const auto without = dray({"import", "llama", "--from", "staging"});
  EXPECT_EQ(without.status, 5) << without.err;
  EXPECT_TRUE(has(without.err, "B_SECRET is not set"));
  dray.environment["B_SECRET"] = other.secret_key;
  const Json made = json_of(dray({"import", "llama", "--from", "staging", "--json"}));
  EXPECT_EQ(made["uri"], "s3://shelf/model-data/llama/1.0.0/");
  const auto object = target.object("shelf", "model-data/llama/1.0.0/model.safetensors");
  ASSERT_NE(object, std::nullopt);
  EXPECT_EQ(object->headers.at("x-amz-storage-class"), "STANDARD_IA");
  // By its address it is the same store.
  EXPECT_EQ(dray({"verify", "llama", "--store", "s3://shelf"}).status, 0);
  const auto shown = dray({"config", "show"});
  EXPECT_TRUE(has(shown.out, "secret-key-env: B_SECRET"));
  EXPECT_FALSE(has(shown.out + shown.err, other.secret_key));
}

}  // namespace
}  // namespace dray::test
