// The places credentials come from, in their order.
#include "dray/oci/credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "dray/base/bytes.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/variables.h"

namespace dray::oci {
namespace {

namespace fs = std::filesystem;
using test::error_of;

std::string all_text(const Error& error) { return std::string(error.what()) + error.hint(); }

class OciCredentials : public ::testing::Test {
 protected:
  OciCredentials() {
    variables_ = {{"HOME", (root_ / "home").string()},
                  {"XDG_RUNTIME_DIR", (root_ / "run").string()},
                  {"PATH", (root_ / "bin").string()}};
  }

  std::optional<Credentials> find(const std::string& reference = "quay.io/org/name") {
    CredentialsOptions options = options_;
    options.env = test::shared_environment(std::make_shared<const test::Variables>(variables_));
    return find_credentials(parse_reference("oci://" + reference), options);
  }
  std::string user(const std::string& reference = "quay.io/org/name") {
    const auto found = find(reference);
    return found ? found->user : "none";
  }
  Error refusal() {
    return error_of([&] { find(); });
  }

  static std::string with(const std::string& user, const std::string& host = "quay.io") {
    return R"({"auths":{")" + host + R"(":{"auth":")" + to_base64(as_bytes(user + ":hidden")) +
           R"("}}})";
  }
  void put(const std::string& path, const std::string& text) {
    write_file_atomic(root_ / path, text);
  }
  void helper(const std::string& name, const std::string& text) {
    write_file_atomic(root_ / "bin" / ("docker-credential-" + name), "#!/bin/sh\n" + text, 0755);
  }

  test::TempFolder folder_;
  const fs::path root_ = folder_.path();
  test::Variables variables_;
  CredentialsOptions options_;
};

TEST_F(OciCredentials, NoneIsNoError) {
  EXPECT_FALSE(find());
  put("home/.docker/config.json", with("me", "other.example"));
  EXPECT_FALSE(find());
}

TEST_F(OciCredentials, EachPlaceComesBeforeTheOnesAfterIt) {
  // From the last place to the first: each new file wins.
  put("home/.dockercfg", R"({"quay.io":{"username":"legacy","password":"p"}})");
  EXPECT_EQ(user(), "legacy");
  EXPECT_EQ(find()->origin, "~/.dockercfg");
  put("home/.docker/config.json", with("docker"));
  EXPECT_EQ(user(), "docker");
  EXPECT_EQ(find()->origin, "~/.docker/config.json");
  put("docker/config.json", with("docker_config"));
  variables_["DOCKER_CONFIG"] = (root_ / "docker").string();
  EXPECT_EQ(user(), "docker_config");
  put("home/.config/containers/auth.json", with("config"));
  EXPECT_EQ(user(), "config");
  put("xdg/containers/auth.json", with("xdg_config"));
  variables_["XDG_CONFIG_HOME"] = (root_ / "xdg").string();
  EXPECT_EQ(user(), "xdg_config");
  put("run/containers/auth.json", with("runtime"));
  EXPECT_EQ(user(), "runtime");
  put("named.json", with("named"));
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "named.json").string();
  EXPECT_EQ(user(), "named");
  EXPECT_EQ(find()->origin, (root_ / "named.json").string());
  options_.user = "given";
  variables_["DRAY_REGISTRY_PASSWORD"] = "pw";
  EXPECT_EQ(user(), "given");
  EXPECT_EQ(find()->password.reveal(), "pw");
  EXPECT_EQ(find()->origin, "DRAY_REGISTRY_PASSWORD");
  options_.anonymous = true;
  EXPECT_EQ(user(), "none");
}

TEST_F(OciCredentials, AFileWithNothingForTheRegistryIsPassedOver) {
  put("named.json", with("me", "other.example"));
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "named.json").string();
  put("run/containers/auth.json", R"({"auths":{"quay.io":{}}})");
  put("home/.docker/config.json", with("docker"));
  EXPECT_EQ(user(), "docker");
  EXPECT_EQ(user("other.example/a"), "me");
}

TEST_F(OciCredentials, WithoutAUserThePasswordVariableCountsForNothing) {
  variables_["DRAY_REGISTRY_PASSWORD"] = "pw";
  EXPECT_FALSE(find());
}

TEST_F(OciCredentials, PasswordsFromAFile) {
  options_.user = "me";
  options_.password_file = (root_ / "password").string();
  const Error missing = refusal();
  EXPECT_EQ(missing.code(), Code::auth);
  EXPECT_NE(all_text(missing).find(options_.password_file), std::string::npos);
  put("password", "\n");
  EXPECT_EQ(refusal().code(), Code::auth);
  for (const char* text : {"p w \n", "p w \r\n", "p w "}) {
    put("password", text);
    EXPECT_EQ(find()->password.reveal(), "p w ") << text;
  }
  put("password", "a\n\n");
  EXPECT_EQ(find()->password.reveal(), "a\n");
  // The file was named, so it wins.
  variables_["DRAY_REGISTRY_PASSWORD"] = "variable";
  EXPECT_EQ(find()->password.reveal(), "a\n");
  EXPECT_EQ(find()->origin, options_.password_file);
}

TEST_F(OciCredentials, HalfAPairIsAUsageError) {
  options_.user = "me";
  EXPECT_EQ(refusal().code(), Code::usage);
  EXPECT_NE(refusal().hint().find("DRAY_REGISTRY_PASSWORD"), std::string::npos);
  options_ = {};
  options_.password_file = "/nonexistent";
  EXPECT_EQ(refusal().code(), Code::usage);
}

TEST_F(OciCredentials, AMountedSecretIsAFolder) {
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "secret").string();
  fs::create_directories(root_ / "secret");
  const Error empty = refusal();
  EXPECT_EQ(empty.code(), Code::auth);
  EXPECT_NE(empty.hint().find("dockerconfigjson"), std::string::npos);
  put("secret/.dockercfg", R"({"quay.io":{"username":"dockercfg","password":"p"}})");
  EXPECT_EQ(user(), "dockercfg");
  put("secret/auth.json", with("auth"));
  EXPECT_EQ(user(), "auth");
  put("secret/config.json", with("config"));
  EXPECT_EQ(user(), "config");
  put("secret/.dockerconfigjson", with("dockerconfigjson"));
  EXPECT_EQ(user(), "dockerconfigjson");
  // Named itself it is the same.
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "secret/.dockerconfigjson").string();
  EXPECT_EQ(user(), "dockerconfigjson");
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "secret/.dockercfg").string();
  EXPECT_EQ(user(), "dockercfg");
}

TEST_F(OciCredentials, ANamedFileMustBeThere) {
  put("home/.docker/config.json", with("docker"));
  variables_["REGISTRY_AUTH_FILE"] = (root_ / "absent.json").string();
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_NE(all_text(error).find("absent.json"), std::string::npos);
  EXPECT_NE(all_text(error).find("REGISTRY_AUTH_FILE"), std::string::npos);
}

TEST_F(OciCredentials, ABrokenFileIsNamed) {
  put("home/.docker/config.json", R"({"auths":{"quay.io":{"auth":"hidden"}}})");
  Error error = refusal();
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_NE(all_text(error).find("~/.docker/config.json"), std::string::npos);
  EXPECT_EQ(all_text(error).find("hidden"), std::string::npos);
  put("home/.docker/config.json", std::string((1 << 20) + 1, ' '));
  error = refusal();
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_NE(all_text(error).find(".docker/config.json"), std::string::npos);
}

TEST_F(OciCredentials, AFileThatMayNotBeReadIsPassedOverUnlessNamed) {
  // A folder in its place cannot be read by root either.
  fs::create_directories(root_ / "run/containers/auth.json");
  put("home/.docker/config.json", with("docker"));
  int warnings = 0;
  set_log_sink([&](LogLevel level, std::string_view) { warnings += level == LogLevel::warn; });
  EXPECT_EQ(user(), "docker");
  set_log_sink(nullptr);
  EXPECT_EQ(warnings, 1);
}

TEST_F(OciCredentials, AHelperIsAskedForTheHostWithoutAShell) {
  helper("x",
         "test \"$1\" = get || exit 9\nread host\n"
         "printf '{\"ServerURL\":\"%s\",\"Username\":\"of %s\",\"Secret\":\"hidden\"}' "
         "\"$host\" \"$host\"\n");
  put("home/.docker/config.json", R"({"credsStore":"x"})");
  EXPECT_EQ(user(), "of quay.io");
  EXPECT_EQ(find()->password.reveal(), "hidden");
  EXPECT_EQ(find()->origin, "docker-credential-x (named by ~/.docker/config.json)");
  EXPECT_EQ(user("quay.io:5000/a"), "of quay.io:5000");
  EXPECT_EQ(user("docker.io/busybox"), "of https://index.docker.io/v1/");
}

TEST_F(OciCredentials, OrderWithinOneFile) {
  helper("own", "echo '{\"Username\":\"own\",\"Secret\":\"s\"}'\n");
  helper("all", "echo '{\"Username\":\"all\",\"Secret\":\"s\"}'\n");
  helper("nothing", "echo credentials not found in native keychain; exit 1\n");
  const std::string stored = R"("auths":{"quay.io":{"username":"stored","password":"p"}})";
  const auto put_file = [&](const std::string& text) { put("home/.docker/config.json", text); };
  put_file(R"({"credHelpers":{"quay.io":"own"},"credsStore":"all",)" + stored + "}");
  EXPECT_EQ(user(), "own");
  EXPECT_EQ(user("ghcr.io/a"), "all");
  put_file(R"({"credsStore":"all",)" + stored + "}");
  EXPECT_EQ(user(), "stored");
  put_file(R"({"credsStore":"all","auths":{"quay.io":{}}})");
  EXPECT_EQ(user(), "all");
  put_file(R"({"credHelpers":{"quay.io":"nothing"},"credsStore":"all",)" + stored + "}");
  EXPECT_EQ(user(), "stored");
  put_file(R"({"credHelpers":{"quay.io":""},"credsStore":"all"})");
  EXPECT_EQ(user(), "none");
  put("home/.dockercfg", R"({"quay.io":{"username":"legacy","password":"p"}})");
  put_file(R"({"credsStore":"nothing"})");
  EXPECT_EQ(user(), "legacy");
}

TEST_F(OciCredentials, TheUserTokenMarksAnIdentityToken) {
  helper("x", "echo '{\"Username\":\"<token>\",\"Secret\":\"hidden\"}'\n");
  put("home/.docker/config.json", R"({"credHelpers":{"quay.io":"x"}})");
  EXPECT_EQ(find()->identity_token.reveal(), "hidden");
  EXPECT_TRUE(find()->password.empty());
}

TEST_F(OciCredentials, AMissingHelperIsToldWithTheFileThatNamesIt) {
  put("home/.docker/config.json", R"({"credsStore":"desktop"})");
  for (const bool exists : {false, true}) {
    if (exists) put("bin/docker-credential-desktop", "not a program");
    const Error error = refusal();
    EXPECT_EQ(error.code(), Code::auth);
    EXPECT_NE(all_text(error).find("docker-credential-desktop"), std::string::npos);
    EXPECT_NE(error.hint().find("~/.docker/config.json"), std::string::npos);
  }
  variables_.erase("PATH");
  EXPECT_EQ(refusal().code(), Code::auth);
}

TEST_F(OciCredentials, AHelperThatFailsIsNotQuoted) {
  put("home/.docker/config.json", R"({"credHelpers":{"quay.io":"x"}})");
  const auto failure = [&](const std::string& text) {
    helper("x", text);
    const Error error = refusal();
    EXPECT_EQ(all_text(error).find("hidden"), std::string::npos) << error.what();
    EXPECT_NE(all_text(error).find("docker-credential-x"), std::string::npos) << error.what();
    return error;
  };
  const Error failed = failure("echo hidden; exit 3\n");
  EXPECT_EQ(failed.code(), Code::auth);
  EXPECT_NE(failed.hint().find("~/.docker/config.json"), std::string::npos);
  EXPECT_EQ(failure("echo hidden; kill -9 $$\n").code(), Code::auth);
  EXPECT_EQ(failure("echo hidden; head -c 100000 /dev/zero\n").code(), Code::auth);
  for (const char* text : {"hidden", "[\"hidden\"]", "{\"Secret\":[\"hidden\"]}", ""})
    EXPECT_EQ(failure("echo '" + std::string(text) + "'\n").code(), Code::malformed) << text;
  helper("x", "echo '{}'\n");
  EXPECT_FALSE(find());
}

}  // namespace
}  // namespace dray::oci
