// The places credentials come from, one by one and in their order.
#include "dray/s3/credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "tests/support/aws_environment.h"
#include "tests/support/environment.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_folder.h"

namespace dray::s3 {
namespace {

using test::RawRequest;
using test::RawResponse;
using test::RawServer;

CredentialsOptions with(test::Variables variables) {
  CredentialsOptions out;
  variables.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
  out.env = test::aws_environment(std::move(variables));
  out.instance_timeout = std::chrono::seconds(60);
  out.retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
  return out;
}

template <typename Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Code::internal, "nothing was thrown");
}

std::string all_text(const Error& e) { return std::string(e.what()) + e.hint(); }

/// A server and what it was asked, with bodies.
struct Recorder {
  explicit Recorder(RawServer::Handler handler)
      : server([this, handler](const RawRequest& request) {
          {
            const std::lock_guard lock(mutex);
            seen.push_back(request);
          }
          return handler(request);
        }) {}
  RawRequest last() {
    const std::lock_guard lock(mutex);
    return seen.at(seen.size() - 1);
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return seen.size();
  }
  std::mutex mutex;
  std::vector<RawRequest> seen;
  RawServer server;
};

std::string json(const std::string& id, const char* token = "Token") {
  return R"({"Version":1,"Code":"Success","AccessKeyId":")" + id +
         R"(","SecretAccessKey":"SECRETVALUE",")" + token +
         R"(":"TOKENVALUE","Expiration":"2036-01-02T03:04:05Z"})";
}

RawResponse sts_answer(const std::string& action, const std::string& id) {
  return {.body =
              "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" +
              action + "Result><Credentials><AccessKeyId>" + id +
              "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t+/=</SessionToken>"
              "<Expiration>2036-01-02T03:04:05Z</Expiration></Credentials></" +
              action + "Result></" + action + "Response>"};
}

std::string form_value(const RawRequest& request, const std::string& name) {
  for (const auto& [key, value] : http::parse_query(request.body))
    if (key == name) return value;
  return "";
}

TEST(CredentialsEnvironment, BothKeysOrNone) {
  EXPECT_FALSE(environment_credentials(with({}))({}));
  auto found =
      environment_credentials(with({{"AWS_ACCESS_KEY_ID", "id"},
                                    {"AWS_SECRET_ACCESS_KEY", "secret"},
                                    {"AWS_SECURITY_TOKEN", "old name"},
                                    {"AWS_CREDENTIAL_EXPIRATION", "2036-01-02T03:04:05Z"}}))({});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "id");
  EXPECT_EQ(found->session_token.reveal(), "old name");
  EXPECT_EQ(found->expires, parse_rfc3339("2036-01-02T03:04:05Z"));
  const Error e = error_of(
      [] { environment_credentials(with({{"AWS_SECRET_ACCESS_KEY", "SECRETVALUE"}}))({}); });
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_NE(all_text(e).find("AWS_ACCESS_KEY_ID"), std::string::npos);
  EXPECT_EQ(all_text(e).find("SECRETVALUE"), std::string::npos);
}

class CredentialsProfile : public ::testing::Test {
 protected:
  void config(const std::string& text) { write_file_atomic(folder_.path() / ".aws/config", text); }
  CredentialsOptions options(test::Variables variables = {}) const {
    variables.emplace("HOME", folder_.path().string());
    return with(std::move(variables));
  }
  std::optional<Credentials> find(const std::string& profile,
                                  test::Variables variables = {}) const {
    CredentialsOptions given = options(std::move(variables));
    given.settings.profile = profile;
    return profile_credentials(given)({});
  }
  std::string script(const std::string& text) {
    const auto path = folder_.path() / "tool with space.sh";
    write_file_atomic(path, "#!/bin/sh\n" + text, 0755);
    return path.string();
  }

  test::TempFolder folder_;
};

TEST_F(CredentialsProfile, KeysOfTheProfile) {
  config(
      "[profile p]\naws_access_key_id = id\naws_secret_access_key = s\n[profile half]\n"
      "aws_access_key_id = id\n[profile bare]\nregion = eu\n");
  const auto found = find("p");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "id");
  EXPECT_EQ(found->origin, "profile p");
  EXPECT_FALSE(find("bare"));
  EXPECT_EQ(error_of([&] { find("half"); }).code(), Code::auth);
}

TEST_F(CredentialsProfile, AMissingOneIsAnErrorOnlyIfAskedFor) {
  EXPECT_EQ(error_of([&] { find("none"); }).code(), Code::usage);
  EXPECT_EQ(error_of([&] { find("", {{"AWS_PROFILE", "none"}}); }).code(), Code::usage);
  EXPECT_FALSE(find(""));
}

TEST_F(CredentialsProfile, FilesAreReadAgainAtEachFetch) {
  config("[default]\naws_access_key_id = one\naws_secret_access_key = s\n");
  const CredentialSource source = profile_credentials(options());
  EXPECT_EQ(source({})->access_key_id, "one");
  config("[default]\naws_access_key_id = two\naws_secret_access_key = s\n");
  EXPECT_EQ(source({})->access_key_id, "two");
}

TEST_F(CredentialsProfile, RolesAreAssumedWithTheKeysOfAnother) {
  Recorder sts([](const RawRequest&) { return sts_answer("AssumeRole", "ASSUMED"); });
  config(
      "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
      "[profile p]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = base\nregion = eu-west-1\n"
      "external_id = ext 1\nrole_session_name = me\nduration_seconds = 900\n"
      "[profile self]\nrole_arn = arn:r\nsource_profile = self\naws_access_key_id = SELF\n"
      "aws_secret_access_key = s\n"
      "[profile env]\nrole_arn = arn:r\ncredential_source = Environment\n");
  const test::Variables at_sts{{"AWS_ENDPOINT_URL_STS", sts.server.url()}};
  auto found = find("p", at_sts);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "ASSUMED");
  EXPECT_EQ(found->session_token.reveal(), "t+/=");
  EXPECT_EQ(found->expires, parse_rfc3339("2036-01-02T03:04:05Z"));
  const RawRequest asked = sts.last();
  EXPECT_EQ(form_value(asked, "Action"), "AssumeRole");
  EXPECT_EQ(form_value(asked, "RoleArn"), "arn:aws:iam::1:role/x");
  EXPECT_EQ(form_value(asked, "ExternalId"), "ext 1");
  EXPECT_EQ(form_value(asked, "RoleSessionName"), "me");
  EXPECT_EQ(form_value(asked, "DurationSeconds"), "900");
  const std::string authorization = asked.header("authorization");
  EXPECT_NE(authorization.find("Credential=BASE/"), std::string::npos);
  EXPECT_NE(authorization.find("/sts/aws4_request"), std::string::npos);
  find("self", at_sts);
  EXPECT_NE(sts.last().header("authorization").find("Credential=SELF/"), std::string::npos);
  test::Variables keys = at_sts;
  keys["AWS_ACCESS_KEY_ID"] = "ENV";
  keys["AWS_SECRET_ACCESS_KEY"] = "s";
  find("env", keys);
  EXPECT_NE(sts.last().header("authorization").find("Credential=ENV/"), std::string::npos);
}

TEST_F(CredentialsProfile, CirclesAndWhatCannotBeDoneAreErrors) {
  config(
      "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\n"
      "source_profile = a\n[profile mfa]\nrole_arn = r\nsource_profile = a\nmfa_serial = x\n"
      "[profile odd]\nrole_arn = r\n"
      "credential_source = Moon\n[profile empty]\nrole_arn = r\nsource_profile = bare\n"
      "[profile bare]\nregion = x\n");
  EXPECT_EQ(error_of([&] { find("a"); }).code(), Code::auth);
  const Error mfa = error_of([&] { find("mfa"); });
  EXPECT_EQ(mfa.code(), Code::unsupported);
  EXPECT_NE(mfa.hint().find("credential_process"), std::string::npos);
  EXPECT_EQ(error_of([&] { find("odd"); }).code(), Code::auth);
  EXPECT_EQ(error_of([&] { find("empty"); }).code(), Code::auth);
}

TEST_F(CredentialsProfile, ProgramsPrintThem) {
  const std::string tool =
      script("echo '" + json("PRINTED", "SessionToken") + "'; test \"$1\" = 'a b'\n");
  config("[profile p]\ncredential_process = \"" + tool + "\" 'a b'\n");
  const auto found = find("p");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "PRINTED");
  EXPECT_EQ(found->session_token.reveal(), "TOKENVALUE");
  EXPECT_TRUE(found->expires);
}

TEST_F(CredentialsProfile, ProgramsThatFailAreNotQuoted) {
  for (const char* text :
       {"echo '{\"Version\":1,\"SecretAccessKey\":\"SECRETVALUE\"}'\n", "echo SECRETVALUE\n",
        "echo SECRETVALUE; exit 3\n", "kill -9 $$\n",
        "echo '{\"Version\":2,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"SECRETVALUE\"}'\n",
        "head -c 100000 /dev/zero\n"}) {
    const Error e = error_of([&] { run_credential_process("'" + script(text) + "'", "test", {}); });
    EXPECT_EQ(e.code(), Code::auth) << text;
    EXPECT_EQ(all_text(e).find("SECRETVALUE"), std::string::npos);
  }
  EXPECT_EQ(error_of([&] { run_credential_process("/nonexistent/tool", "test", {}); }).code(),
            Code::auth);
  EXPECT_EQ(error_of([&] { run_credential_process("  ", "test", {}); }).code(), Code::auth);
}

TEST_F(CredentialsProfile, AProgramThatHangsIsEndedWhenStopped) {
  // The program says that it runs by making a file; the stop comes only then.
  const auto mark = folder_.path() / "runs";
  const std::string tool = script("touch '" + mark.string() + "'; exec sleep 600\n");
  std::stop_source source;
  std::jthread stopper([&] {
    while (!std::filesystem::exists(mark)) std::this_thread::yield();
    std::stop_source(source).request_stop();
  });
  EXPECT_EQ(error_of([&] {
              run_credential_process("'" + tool + "'", "test", source.get_token());
            }).code(),
            Code::cancelled);
}

TEST(CredentialsCommand, WordsAsAShellSplitsThem) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_command("a  b\tc"), (Words{"a", "b", "c"}));
  EXPECT_EQ(split_command("'a b' \"c \\\"d\\\\\" e\\ f g'h'i ''"),
            (Words{"a b", "c \"d\\", "e f", "ghi", ""}));
  EXPECT_EQ(split_command("'a\\b' \"a\\b\" $HOME"), (Words{"a\\b", "a\\b", "$HOME"}));
  EXPECT_EQ(split_command(" "), Words{});
  EXPECT_THROW(split_command("'a"), Error);
  EXPECT_THROW(split_command("\"a"), Error);
}

class CredentialsWebIdentity : public ::testing::Test {
 protected:
  test::Variables variables(const RawServer& sts) const {
    return {{"AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"},
            {"AWS_WEB_IDENTITY_TOKEN_FILE", (folder_.path() / "token").string()},
            {"AWS_ROLE_SESSION_NAME", "session-1"},
            {"AWS_ENDPOINT_URL_STS", sts.url()}};
  }
  void token(const std::string& text) { write_file_atomic(folder_.path() / "token", text); }
  test::TempFolder folder_;
};

TEST_F(CredentialsWebIdentity, TheTokenIsReadAgainAndNothingIsSigned) {
  Recorder sts([](const RawRequest&) { return sts_answer("AssumeRoleWithWebIdentity", "POD"); });
  const CredentialSource source = web_identity_credentials(with(variables(sts.server)));
  token("eyJ.first\n");
  EXPECT_EQ(source({})->access_key_id, "POD");
  EXPECT_EQ(form_value(sts.last(), "WebIdentityToken"), "eyJ.first");
  EXPECT_EQ(form_value(sts.last(), "RoleSessionName"), "session-1");
  EXPECT_EQ(form_value(sts.last(), "Version"), "2011-06-15");
  EXPECT_EQ(sts.last().header("authorization"), "");
  token("eyJ.second+/=");
  source({});
  EXPECT_EQ(form_value(sts.last(), "WebIdentityToken"), "eyJ.second+/=");
}

TEST_F(CredentialsWebIdentity, FailuresOfTheServiceAreRepeatedRefusalsAreNot) {
  std::atomic<int> n{0};
  Recorder sts([&](const RawRequest&) -> RawResponse {
    if (++n == 1) return {.status = 503};
    if (n == 2) return {.drop = true};
    if (n == 3) return sts_answer("AssumeRoleWithWebIdentity", "POD");
    return {.status = 400,
            .body =
                "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad</Message>"
                "</Error></ErrorResponse>"};
  });
  token("TOKENVALUE");
  const CredentialSource source = web_identity_credentials(with(variables(sts.server)));
  EXPECT_EQ(source({})->access_key_id, "POD");
  const Error e = error_of([&] { source({}); });
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_EQ(e.server_code(), "InvalidIdentityToken");
  EXPECT_EQ(all_text(e).find("TOKENVALUE"), std::string::npos);
  EXPECT_EQ(n, 4);
}

TEST_F(CredentialsWebIdentity, HalfASetting) {
  Recorder sts([](const RawRequest&) { return RawResponse{.body = "<a/>"}; });
  EXPECT_FALSE(web_identity_credentials(with({{"AWS_ROLE_ARN", "arn"}}))({}));
  EXPECT_EQ(error_of([&] {
              web_identity_credentials(with({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/x"}}))({});
            }).code(),
            Code::auth);
  EXPECT_EQ(error_of([&] { web_identity_credentials(with(variables(sts.server)))({}); }).code(),
            Code::auth);  // no token file
  token("x");
  EXPECT_EQ(error_of([&] { web_identity_credentials(with(variables(sts.server)))({}); }).code(),
            Code::auth);  // an answer without credentials
}

TEST(CredentialsContainer, TheTokenGoesOnlyToHostsThatMayHaveIt) {
  for (const char* good :
       {"https://any.example/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x",
        "http://169.254.170.2/x", "http://169.254.170.23/x", "http://[fd00:ec2::23]/x"})
    EXPECT_TRUE(container_host_allowed(http::parse_url(good))) << good;
  for (const char* bad :
       {"http://example.com/", "http://169.254.169.254/", "http://169.254.170.2.evil.com/",
        "http://10.0.0.1/", "http://[fd00:ec2::24]/", "http://127.0.0.1.evil.com/"})
    EXPECT_FALSE(container_host_allowed(http::parse_url(bad))) << bad;
  EXPECT_EQ(
      error_of([] {
        container_credentials(with({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/c"},
                                    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "t"}}))({});
      }).code(),
      Code::auth);
}

TEST(CredentialsContainer, TokenFromTheFileIsPreferredAndReadAgain) {
  Recorder agent([](const RawRequest&) { return RawResponse{.body = json("POD")}; });
  const test::TempFolder folder;
  const auto file = folder.path() / "token";
  write_file_atomic(file, "first\n");
  const CredentialSource source = container_credentials(
      with({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.server.url() + "/v1/credentials?x=1"},
            {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "other"},
            {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.string()}}));
  const auto found = source({});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "POD");
  EXPECT_EQ(found->session_token.reveal(), "TOKENVALUE");
  EXPECT_EQ(agent.last().target, "/v1/credentials?x=1");
  EXPECT_EQ(agent.last().header("authorization"), "first");
  write_file_atomic(file, "second");
  source({});
  EXPECT_EQ(agent.last().header("authorization"), "second");
  write_file_atomic(file, "a\r\nX-Evil: 1");
  EXPECT_EQ(error_of([&] { source({}); }).code(), Code::auth);
  std::filesystem::remove(file);
  EXPECT_EQ(error_of([&] { source({}); }).code(), Code::auth);
  EXPECT_EQ(agent.count(), 2U);
}

TEST(CredentialsContainer, RelativeAddressesRetriesAndRefusals) {
  std::atomic<int> n{0};
  Recorder agent([&](const RawRequest&) -> RawResponse {
    if (++n == 1) return {.status = 500};
    if (n == 2) return {.body = json("TASK")};
    if (n == 3) return {.status = 404, .body = "SECRETVALUE"};
    return {.body = "{\"SecretAccessKey\":\"SECRETVALUE\"}"};
  });
  CredentialsOptions options = with({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/creds"}});
  options.container_host = agent.server.url();
  const CredentialSource source = container_credentials(options);
  EXPECT_EQ(source({})->access_key_id, "TASK");
  EXPECT_EQ(agent.last().target, "/v2/creds");
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(all_text(error_of([&] { source({}); })).find("SECRETVALUE"), std::string::npos);
  EXPECT_EQ(error_of([] {
              container_credentials(
                  with({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"}}))({});
            }).code(),
            Code::auth);
  EXPECT_FALSE(container_credentials(with({}))({}));
}

class CredentialsInstance : public ::testing::Test {
 protected:
  RawResponse answer(const RawRequest& request) const {
    const std::string base = "/latest/meta-data/iam/security-credentials/";
    if (request.method == "PUT" && request.path == "/latest/api/token") {
      if (request.header("x-aws-ec2-metadata-token-ttl-seconds") != "21600") return {.status = 400};
      return {.status = token_status_, .body = "IMDSTOKEN"};
    }
    if (request.header("x-aws-ec2-metadata-token") != "IMDSTOKEN") return {.status = 401};
    if (request.path == base) return {.status = role_status_, .body = "my-role\n"};
    if (request.path == base + "my-role") return {.status = keys_status_, .body = json("NODE")};
    return {.status = 404};
  }
  std::optional<Credentials> find(test::Variables variables = {}) {
    variables.emplace("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds_.url());
    variables.emplace("AWS_EC2_METADATA_DISABLED", "false");
    return instance_credentials(with(std::move(variables)))({});
  }
  int token_status_ = 200, role_status_ = 200, keys_status_ = 200;
  RawServer imds_{[this](const RawRequest& request) { return answer(request); }};
};

TEST_F(CredentialsInstance, VersionTwoOnly) {
  const auto found = find();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->access_key_id, "NODE");
  EXPECT_EQ(found->origin, "instance role my-role");
  EXPECT_TRUE(found->expires);
}

TEST_F(CredentialsInstance, OffMeansNotEvenAsked) {
  EXPECT_FALSE(find({{"AWS_EC2_METADATA_DISABLED", "true"}}));
  EXPECT_TRUE(imds_.requests().empty());
}

TEST_F(CredentialsInstance, MachinesWithoutItOrWithoutARole) {
  token_status_ = 403;
  EXPECT_FALSE(find());
  EXPECT_EQ(imds_.requests().size(), 1U);  // no falling back to version 1
  token_status_ = 200;
  role_status_ = 404;
  EXPECT_FALSE(find());
  role_status_ = 200;
  keys_status_ = 500;
  EXPECT_EQ(error_of([&] { find(); }).code(), Code::auth);
  // Nobody listens there.
  const std::string closed = [] {
    RawServer gone([](const RawRequest&) { return RawResponse{}; });
    return gone.url();
  }();
  EXPECT_FALSE(find({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", closed}}));
  EXPECT_EQ(error_of([&] { find({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "nonsense"}}); }).code(),
            Code::usage);
}

TEST_F(CredentialsInstance, NoProxyIsAsked) {
  RawServer proxy([this](const RawRequest& request) { return answer(request); });
  test::Environment process;
  process.set("http_proxy", proxy.url());
  CredentialsOptions options =
      with({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://metadata.invalid"},
            {"AWS_EC2_METADATA_DISABLED", "false"}});
  options.instance_timeout = std::chrono::seconds(2);
  EXPECT_FALSE(instance_credentials(options)({}));
  EXPECT_EQ(proxy.connections(), 0U);
}

class CredentialsChain : public CredentialsProfile {};

TEST_F(CredentialsChain, OrderOfThePlaces) {
  Recorder agent([](const RawRequest&) { return RawResponse{.body = json("CONTAINER")}; });
  Recorder sts([](const RawRequest&) { return sts_answer("AssumeRoleWithWebIdentity", "WEB"); });
  write_file_atomic(folder_.path() / "token", "x");
  config(
      "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n"
      "[profile p]\naws_access_key_id = P\naws_secret_access_key = s\n[profile bare]\nregion=r\n");
  test::Variables all{
      {"AWS_ACCESS_KEY_ID", "ENV"},
      {"AWS_SECRET_ACCESS_KEY", "s"},
      {"STORAGE_CONFIG", R"({"type":"s3","access_key_id":"KSERVE","secret_access_key":"s"})"},
      {"AWS_ROLE_ARN", "arn"},
      {"AWS_WEB_IDENTITY_TOKEN_FILE", (folder_.path() / "token").string()},
      {"AWS_ENDPOINT_URL_STS", sts.server.url()},
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.server.url() + "/"}};
  CredentialsOptions given;
  const auto chosen = [&] {
    CredentialsOptions now = options(all);
    now.settings = given.settings;
    return find_credentials(now)->get({})->access_key_id;
  };
  EXPECT_EQ(chosen(), "ENV");
  given.settings.profile = "p";
  EXPECT_EQ(chosen(), "P");  // a profile chosen by name disables the keys of the environment
  given.settings.profile = "bare";
  EXPECT_EQ(chosen(), "CONTAINER");  // and its web identity
  given.settings.access_key_id = "GIVEN";
  given.settings.secret_access_key = Secret("s");
  EXPECT_EQ(chosen(), "GIVEN");
  given.settings = {};
  all.erase("AWS_ACCESS_KEY_ID");
  all.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(chosen(), "KSERVE");
  all.erase("STORAGE_CONFIG");
  EXPECT_EQ(chosen(), "DEFAULT");
  config("");
  EXPECT_EQ(chosen(), "WEB");
  all.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(chosen(), "CONTAINER");
  all.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  EXPECT_EQ(error_of(chosen).code(), Code::auth);
  given.settings.access_key_id = "half";
  EXPECT_EQ(error_of(chosen).code(), Code::usage);
}

}  // namespace
}  // namespace dray::s3
