// Single sign-on: the cached token is exchanged for the credentials of a role.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/s3/credentials.h"
#include "tests/support/aws_environment.h"
#include "tests/support/errors.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_folder.h"

namespace dray::s3 {
namespace {

using test::error_of;
using test::RawRequest;
using test::RawResponse;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class CredentialsSso : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file_atomic(folder_.path() / ".aws/config",
                      "[sso-session corp]\nsso_start_url = https://corp.example/start\n"
                      "sso_region = eu-west-1\n"
                      "[profile p]\nsso_session = corp\nsso_account_id = 123456789012\n"
                      "sso_role_name = Model Writer\n"
                      "[profile legacy]\nsso_start_url = https://corp.example/start\n"
                      "sso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n"
                      "[profile half]\nsso_session = corp\nsso_account_id = 1\n"
                      "[profile lost]\nsso_session = none\nsso_account_id = 1\n"
                      "sso_role_name = r\n");
  }
  void cache(const std::string& name, const std::string& json) {
    write_file_atomic(folder_.path() / ".aws/sso/cache" / (sha1_hex(as_bytes(name)) + ".json"),
                      json);
  }
  static std::string token(const std::string& expires) {
    return R"({"accessToken":"TOKENVALUE","expiresAt":")" + expires + R"("})";
  }
  Credentials find(const std::string& profile, const std::string& url = "") {
    CredentialsOptions options;
    options.settings.profile = profile;
    options.env =
        test::aws_environment({{"HOME", folder_.path().string()},
                               {"AWS_ENDPOINT_URL_SSO", url.empty() ? portal_.url() : url}});
    options.now = [] { return *parse_rfc3339("2026-06-17T10:00:00Z"); };
    options.retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
    auto found = profile_credentials(options)({});
    return found.value();
  }
  Error refusal(const std::string& profile, const std::string& url = "") {
    const Error e = error_of([&] { find(profile, url); });
    EXPECT_EQ(e.code(), Code::auth);
    EXPECT_THAT(std::string(e.what()) + e.hint(), Not(HasSubstr("TOKENVALUE")));
    return e;
  }

  test::TempFolder folder_;
  int status_ = 200;
  std::string answer_ =
      R"({"roleCredentials":{"accessKeyId":"ROLE","secretAccessKey":"s","sessionToken":"t",)"
      R"("expiration":1781690400000}})";
  test::RawServer portal_{
      [this](const RawRequest&) { return RawResponse{.status = status_, .body = answer_}; }};
};

TEST_F(CredentialsSso, TheSessionsTokenGivesTheRolesKeys) {
  cache("corp", token("2026-06-17T11:00:00Z"));
  const Credentials found = find("p");
  EXPECT_EQ(found.access_key_id, "ROLE");
  EXPECT_EQ(found.session_token.reveal(), "t");
  EXPECT_EQ(found.expires, 1781690400);
  EXPECT_EQ(found.origin, "single sign-on of profile p");
  const RawRequest asked = portal_.requests().at(0);
  EXPECT_EQ(asked.target,
            "/federation/credentials?account_id=123456789012&role_name=Model%20Writer");
  EXPECT_EQ(asked.header("x-amz-sso_bearer_token"), "TOKENVALUE");
  EXPECT_EQ(asked.header("authorization"), "");
}

TEST_F(CredentialsSso, ProfilesWithoutASessionNameTheirTokenAfterTheUrl) {
  cache("https://corp.example/start", token("2026-06-17T11:00:00UTC"));
  EXPECT_EQ(find("legacy").access_key_id, "ROLE");
}

TEST_F(CredentialsSso, WhoIsNotSignedInIsToldToDoSo) {
  EXPECT_EQ(refusal("p").hint(), "run: aws sso login --profile p");
  for (const std::string& text :
       {token("2026-06-17T09:59:59Z"), token("soon"), std::string("{}"), std::string("TOKENVALUE"),
        std::string(
            R"({"accessToken":"TOKENVALUE\r\nx: y","expiresAt":"2036-01-01T00:00:00Z"})")}) {
    cache("corp", text);
    EXPECT_EQ(refusal("p").hint(), "run: aws sso login --profile p") << text;
  }
  EXPECT_THAT(portal_.requests(), IsEmpty());
  cache("corp", token("2026-06-17T11:00:00Z"));
  status_ = 401;
  EXPECT_EQ(refusal("p").hint(), "run: aws sso login --profile p");
}

TEST_F(CredentialsSso, ARoleThatIsNotGivenIsNamed) {
  cache("corp", token("2026-06-17T11:00:00Z"));
  status_ = 403;
  EXPECT_THAT(refusal("p").hint(), HasSubstr("Model Writer"));
  status_ = 200;
  answer_ = R"({"roleCredentials":{"accessKeyId":"ROLE","secretAccessKey":"SECRETVALUE"}})";
  EXPECT_THAT(std::string(refusal("p").what()), Not(HasSubstr("SECRETVALUE")));
}

TEST_F(CredentialsSso, HalfASettingIsNamed) {
  cache("corp", token("2026-06-17T11:00:00Z"));
  EXPECT_THAT(refusal("half").message(), HasSubstr("sso_role_name"));
  EXPECT_THAT(refusal("lost").message(), HasSubstr("sso-session none"));
}

TEST_F(CredentialsSso, TheTokenGoesOverHttpsOnly) {
  cache("corp", token("2026-06-17T11:00:00Z"));
  EXPECT_THAT(refusal("p", "http://portal.example").message(), HasSubstr("https"));
}

}  // namespace
}  // namespace dray::s3
