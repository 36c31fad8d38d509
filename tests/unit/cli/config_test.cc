#include "dray/cli/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "dray/base/error.h"
#include "dray/cli/yaml.h"
#include "tests/support/temp_folder.h"

namespace dray::cli {
namespace {

std::string message_of(std::string_view text) {
  try {
    Config config;
    config.add(text, "c.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::usage);
    return std::string(e.what()) + " | " + e.hint();
  }
  return "no error";
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(CliYaml, ReadsMapsListsAndLines) {
  const YamlNode root = parse_yaml("a: 1\nb:\n  - x\n  - 'y z'\nc: {d: ~}\n", "f");
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].second.text, "1");
  EXPECT_EQ(root.entries[1].second.items[1].text, "y z");
  EXPECT_EQ(root.entries[1].second.items[1].line, 4);
  EXPECT_EQ(root.entries[2].second.entries[0].second.kind, YamlNode::Kind::null);
  EXPECT_EQ(parse_yaml("", "f").kind, YamlNode::Kind::null);
  EXPECT_EQ(parse_yaml("# only a comment\n", "f").kind, YamlNode::Kind::null);
}

TEST(CliYaml, RefusesWhatAConfigurationDoesNotNeed) {
  for (const char* bad :
       {"a: &x 1\nb: *x\n", "a: !!str 1\n", "--- 1\n--- 2\n", "a: 1\na: 2\n", "? [x]\n: 1\n",
        "a: [1\n", "\"a\": \"\\0\"\n", "\tx: 1\n", "a: *b\n", "{{}: 1}\n"})
    EXPECT_THROW(parse_yaml(bad, "f"), Error) << bad;
}

TEST(CliYaml, IsBoundedInDepthAndSize) {
  EXPECT_THROW(parse_yaml(std::string(100, '['), "f"), Error);
  EXPECT_THROW(parse_yaml(std::string(10, '[') + std::string(10, '{'), "f"), Error);
  EXPECT_THROW(parse_yaml("a: " + std::string((1 << 20) + 1, 'x'), "f"), Error);
}

TEST(CliConfig, ReadsSettingsAndStores) {
  Config config;
  config.add(
      "store: prod\nregistry: https://r\nmemory: 1GiB\n"
      "stores:\n"
      "  prod:\n"
      "    uri: s3://bucket/models\n    endpoint: https://s3.example\n    region: eu-1\n    ca: "
      "/ca.pem\n"
      "    addressing: path\n    verify-tls: false\n"
      "    credentials:\n      access-key-env: PROD_ID\n      secret-key-env: PROD_KEY\n"
      "  local: dir:/srv/models\n",
      "c.yaml");
  const ConfigStore* prod = config.store("prod");
  ASSERT_NE(prod, nullptr);
  EXPECT_EQ(prod->store.uri, "s3://bucket/models");
  EXPECT_EQ(prod->store.s3.endpoint, "https://s3.example");
  EXPECT_EQ(prod->store.s3.secret_key_env, "PROD_KEY");
  EXPECT_EQ(prod->store.s3.verify_tls, false);
  EXPECT_EQ(prod->origin, "c.yaml:5");
  EXPECT_EQ(config.store("local")->store.uri, "dir:/srv/models");
  EXPECT_EQ(config.values().at("registry").origin, "c.yaml:2");
}

TEST(CliConfig, TheFirstFileWinsAndStoresAreTakenWhole) {
  Config config;
  config.add("memory: 1GiB\nstores: {prod: {uri: 's3://a'}}\n", "project");
  config.add(
      "memory: 2GiB\nstore: prod\nstores: {prod: {uri: 's3://b', endpoint: 'https://evil'}}\n",
      "user");
  EXPECT_EQ(config.values().at("memory").origin, "project:1");
  EXPECT_EQ(config.values().at("store").origin, "user:2");
  EXPECT_EQ(config.store("prod")->store.uri, "s3://a");
  EXPECT_EQ(config.store("prod")->store.s3.endpoint, "");  // nothing mixed in
}

TEST(CliConfig, UnknownKeysAreNamedWithLineAndCloseOne) {
  EXPECT_EQ(message_of("store: x\nregistri: y\n"),
            "c.yaml:2: unknown key 'registri' | did you mean 'registry'?");
  EXPECT_TRUE(has(message_of("limit_rate: 1\n"), "did you mean 'limit-rate'?"));
  EXPECT_TRUE(
      has(message_of("stores:\n  a:\n    uri: s3://b\n    endpont: x\n"), "c.yaml:4: unknown key"));
  EXPECT_TRUE(has(message_of("json: true\n"), "unknown key"));  // a flag for one run only
}

TEST(CliConfig, SecretsAreRefusedWithoutBeingShown) {
  for (const char* text : {"token: hf_verysecret\n", "registry-token: hf_verysecret\n",
                           "stores:\n  a:\n    uri: s3://b\n    secret_key: hf_verysecret\n",
                           "stores:\n  a:\n    uri: s3://b\n    credentials:\n      "
                           "secret-key-env: hf_very/secret+\n      access-key-env: X\n",
                           "stores:\n  a:\n    uri: s3://b\n    credentials:\n      "
                           "access-key-env: AKIAVERYSECRETVALUE7\n      secret-key-env: X\n"}) {
    const std::string message = message_of(text);
    EXPECT_FALSE(has(message, "verysecret") || has(message, "VERYSECRET") ||
                 has(message, "very/secret"))
        << message;
    EXPECT_TRUE(has(message, "secret") || has(message, "variable")) << message;
  }
}

TEST(CliConfig, WrongTypesAreErrors) {
  EXPECT_TRUE(has(message_of("memory: [1, 2]\n"), "needs one value"));
  EXPECT_TRUE(has(message_of("- a\n"), "key: value"));
  EXPECT_TRUE(has(message_of("stores: 5\n"), "'stores' needs"));
  EXPECT_TRUE(has(message_of("stores:\n  a: {region: x}\n"), "has no uri"));
  EXPECT_TRUE(has(message_of("stores:\n  a: {uri: 's3://b', addressing: sideways}\n"),
                  "auto, path or virtual"));
  EXPECT_TRUE(
      has(message_of("stores:\n  a: {uri: 's3://b', anonymous: maybe}\n"), "true or false"));
  EXPECT_TRUE(has(message_of("stores:\n  'a/b': s3://b\n"), "c.yaml:2"));
  EXPECT_TRUE(has(message_of("stores:\n  a: {uri: 's3://b', credentials: {access-key-env: X}}\n"),
                  "needs both"));
  EXPECT_TRUE(
      has(message_of("stores:\n  a: {uri: 's3://b', profile: p, credentials: {access-key-env: X, "
                     "secret-key-env: Y}}\n"),
          "keep one"));
}

TEST(CliConfig, HeadersOfS3Only) {
  Config config;
  config.add("stores: {a: {uri: 's3://b', headers: {X-Amz-Server-Side-Encryption: 'aws:kms'}}}\n",
             "c");
  EXPECT_EQ(config.store("a")->store.s3.headers.front(),
            (std::pair<std::string, std::string>{"x-amz-server-side-encryption", "aws:kms"}));
  for (const char* name :
       {"authorization", "x-amz-security-token", "x-amz-server-side-encryption-customer-key"})
    EXPECT_TRUE(
        has(message_of(std::string("stores: {a: {uri: 's3://b', headers: {") + name + ": x}}}\n"),
            "cannot be set here"))
        << name;
}

TEST(CliConfig, AnEmptyKeySetsNothing) {
  EXPECT_EQ(message_of("registry:\nstore: ~\n"), "no error");
}

class CliConfigFiles : public testing::Test {
 protected:
  void put(const std::filesystem::path& file, std::string_view text) {
    std::ofstream(file) << text;
  }

  test::TempFolder temp_;
  std::filesystem::path folder_ = temp_.path();
  ConfigPlaces places_{folder_ / "project.yaml", folder_ / "user.yaml", folder_ / "system.yaml"};
};

TEST_F(CliConfigFiles, ProjectOverUserOverSystem) {
  put(places_.system, "memory: 1GiB\nstore: s3://system\nregistry: none\n");
  put(places_.user, "memory: 2GiB\nstore: s3://user\n");
  put(places_.project, "memory: 3GiB\n");
  const Config config = load_config(places_);
  EXPECT_EQ(config.values().at("memory").values.front(), "3GiB");
  EXPECT_EQ(config.values().at("store").values.front(), "s3://user");
  EXPECT_EQ(config.values().at("registry").origin, places_.system.string() + ":3");
  EXPECT_EQ(config.files().size(), 3u);
}

TEST_F(CliConfigFiles, MissingFilesAreNoErrorUnlessNamed) {
  EXPECT_TRUE(load_config(places_).files().empty());
  EXPECT_THROW(load_config_file(folder_ / "absent.yaml"), Error);
}

TEST_F(CliConfigFiles, AProjectFileThatOthersCanWriteIsRefused) {
  put(places_.project, "registry: https://evil\n");
  chmod(places_.project.c_str(), 0666);
  EXPECT_THROW(load_config(places_), Error);
  chmod(places_.project.c_str(), 0644);
  EXPECT_EQ(load_config(places_).files().size(), 1u);
}

}  // namespace
}  // namespace dray::cli
