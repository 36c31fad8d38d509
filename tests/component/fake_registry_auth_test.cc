// Whom the fake registry lets in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/http/url.h"
#include "tests/support/fake_registry.h"
#include "tests/support/registry_user.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FakeRegistryAuth : public testing::Test {
 protected:
  /// A token for these scopes; "" if there is none.
  std::string token(const std::vector<std::string>& scopes, bool with_credentials = true) {
    std::string target = registry_.token_url() + "?service=registry.test";
    for (const std::string& scope : scopes) target += "&scope=" + http::percent_encode(scope);
    RegistryUser asking(registry_);
    if (with_credentials) asking.authorization = kCredentials;
    const auto answer = asking.get(target);
    if (answer.status != 200) return "";
    return Json::parse(answer.body).value("token", "");
  }
  void use(const std::string& token) { user_.authorization = "Bearer " + token; }
  void configure(const std::function<void(RegistryAuth&)>& change) {
    registry_.configure([&](RegistryOptions& options) { change(options.auth); });
  }
  static std::string challenge(const http::Response& response) {
    return RegistryUser::header(response, "WWW-Authenticate");
  }

  const std::string kCredentials = "Basic cm9ib3Q6cmVnaXN0cnktcGFzc3dvcmQ=";
  std::int64_t now_ = 1000;
  FakeRegistry registry_{{.auth = RegistryAuth::bearer(), .now = [this] { return now_; }}};
  RegistryUser user_{registry_};
};

TEST_F(FakeRegistryAuth, BasicWantsTheRightPassword) {
  configure([](RegistryAuth& auth) { auth = RegistryAuth::basic(); });
  const auto refused = user_.get("/v2/");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(RegistryUser::code(refused), "UNAUTHORIZED");
  EXPECT_THAT(challenge(refused), testing::StartsWith("Basic realm="));
  user_.authorization = "Basic cm9ib3Q6d3Jvbmc=";
  EXPECT_EQ(user_.get("/v2/").status, 401);
  user_.authorization = kCredentials;
  EXPECT_EQ(user_.get("/v2/").status, 200);
}

TEST_F(FakeRegistryAuth, AChallengeNamesRealmServiceAndScope) {
  const std::string start =
      "Bearer realm=\"" + registry_.url() + "/token\",service=\"registry.test\"";
  EXPECT_EQ(challenge(user_.get("/v2/")), start);
  EXPECT_EQ(challenge(user_.get("/v2/org/model/manifests/v1")),
            start + ",scope=\"repository:org/model:pull\"");
  EXPECT_EQ(challenge(user_.send("POST", "/v2/a/blobs/uploads/?mount=sha256:1&from=base")),
            start + ",scope=\"repository:a:pull,push repository:base:pull\"");
  use("made-up");
  EXPECT_EQ(challenge(user_.get("/v2/")), start + ",error=\"invalid_token\"");
}

TEST_F(FakeRegistryAuth, ATokenIsGoodForItsScopesOnly) {
  use(token({"repository:a:pull"}));
  EXPECT_EQ(user_.get("/v2/").status, 200);
  EXPECT_EQ(user_.get("/v2/a/manifests/v1").status, 404);
  EXPECT_THAT(challenge(user_.get("/v2/b/manifests/v1")), HasSubstr("insufficient_scope"));
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 401);
  use(token({"repository:a:pull,push"}));
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 202);
  EXPECT_EQ(user_.send("DELETE", "/v2/a/manifests/v1").status, 401);
  configure([](RegistryAuth& auth) { auth.checks_scopes = false; });
  EXPECT_EQ(user_.get("/v2/b/manifests/v1").status, 404);
}

TEST_F(FakeRegistryAuth, TheTokenEndpointNotesWhatItIsAskedFor) {
  EXPECT_NE(token({"repository:a:pull,push", "repository:b:pull"}), "");
  EXPECT_NE(token({"repository:a:pull repository:b:pull"}), "");
  const auto asked = registry_.token_requests();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_THAT(asked[0].scopes, ElementsAre("repository:a:pull,push", "repository:b:pull"));
  EXPECT_THAT(asked[0].granted, ElementsAre("repository:a:pull,push", "repository:b:pull"));
  EXPECT_THAT(asked[1].scopes, ElementsAre("repository:a:pull", "repository:b:pull"));
  EXPECT_EQ(asked[0].user, "robot");
  EXPECT_EQ(asked[0].service, "registry.test");
  EXPECT_EQ(registry_.count(RegistryOp::get_token), 2u);
}

TEST_F(FakeRegistryAuth, FewerRightsThanAskedForAreNoError) {
  configure([](RegistryAuth& auth) { auth.grants["a"] = "pull"; });
  use(token({"repository:a:pull,push", "repository:b:pull,push"}));
  EXPECT_THAT(registry_.token_requests().at(0).granted,
              ElementsAre("repository:a:pull", "repository:b:pull,push"));
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 401);
  EXPECT_EQ(user_.send("POST", "/v2/b/blobs/uploads/").status, 202);
}

TEST_F(FakeRegistryAuth, WithoutCredentialsThereIsATokenOnlyWhereThatIsSaid) {
  EXPECT_EQ(token({"repository:a:pull"}, false), "");
  EXPECT_EQ(registry_.token_requests().at(0).status, 401);
  configure([](RegistryAuth& auth) { auth.anonymous_grant = "pull"; });
  use(token({"repository:a:pull,push"}, false));
  EXPECT_EQ(user_.get("/v2/a/tags/list").status, 404);
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 401);
}

TEST_F(FakeRegistryAuth, ATokenEndsAfterSomeRequests) {
  configure([](RegistryAuth& auth) { auth = RegistryAuth::harbor(2); });
  use(token({"repository:a:pull,push"}));
  const std::string to = user_.start("a");
  const auto patched = user_.patch(to, "text");
  EXPECT_EQ(patched.status, 202);
  const std::string digest = FakeRegistry::digest_of("text");
  const auto refused = user_.finish(RegistryUser::location(patched), digest);
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(challenge(refused), HasSubstr("error=\"invalid_token\""));
  EXPECT_EQ(registry_.uploads().at(0).content, "text");
  use(token({"repository:a:pull,push"}));
  EXPECT_EQ(user_.finish(RegistryUser::location(patched), digest).status, 201);
}

TEST_F(FakeRegistryAuth, ATokenEndsAfterSomeTime) {
  configure([](RegistryAuth& auth) { auth.token_life = std::chrono::seconds(60); });
  RegistryUser asking(registry_);
  asking.authorization = kCredentials;
  const auto answer =
      Json::parse(asking.get(registry_.token_url() + "?service=registry.test").body);
  EXPECT_EQ(answer.at("expires_in"), 60);
  use(answer.at("token"));
  now_ += 59;
  EXPECT_EQ(user_.get("/v2/").status, 200);
  now_ += 1;
  EXPECT_EQ(user_.get("/v2/").status, 401);
}

TEST_F(FakeRegistryAuth, TokensCanBeMadeVoid) {
  use(token({}));
  EXPECT_EQ(user_.get("/v2/").status, 200);
  registry_.expire_tokens();
  EXPECT_EQ(user_.get("/v2/").status, 401);
}

TEST_F(FakeRegistryAuth, AFieldAndAHostOfItsOwn) {
  configure([](RegistryAuth& auth) {
    auth.own_host = true;
    auth.token_field = "access_token";
  });
  EXPECT_EQ(registry_.token_url().find(registry_.url() + "/"), std::string::npos);
  EXPECT_THAT(challenge(user_.get("/v2/")), HasSubstr("realm=\"" + registry_.token_url() + "\""));
  user_.authorization = kCredentials;
  const auto answer = user_.get(registry_.token_url() + "?service=registry.test");
  const Json body = Json::parse(answer.body);
  EXPECT_FALSE(body.contains("token"));
  use(body.at("access_token"));
  EXPECT_EQ(user_.get("/v2/").status, 200);
  EXPECT_EQ(registry_.requests(RegistryOp::get_token).at(0).host, RegistryRequest::Host::tokens);
  EXPECT_EQ(registry_.requests(RegistryOp::get_token).at(0).authorization, "Basic");
}

TEST_F(FakeRegistryAuth, AnIdentityTokenIsPosted) {
  const std::string form =
      "grant_type=refresh_token&service=registry.test&client_id=x&refresh_token=identity%2B"
      "&scope=repository%3Aa%3Apull+repository%3Ab%3Apull";
  EXPECT_EQ(user_.send("POST", registry_.token_url(), {}, form).status, 405);
  configure([](RegistryAuth& auth) { auth.refresh_token = "other"; });
  EXPECT_EQ(user_.send("POST", registry_.token_url(), {}, form).status, 401);
  configure([](RegistryAuth& auth) { auth.refresh_token = "identity+"; });
  const auto answer = user_.send("POST", registry_.token_url(), {}, form);
  EXPECT_THAT(registry_.token_requests().back().granted,
              ElementsAre("repository:a:pull", "repository:b:pull"));
  use(Json::parse(answer.body).at("access_token"));
  EXPECT_EQ(user_.get("/v2/b/tags/list").status, 404);
}

TEST_F(FakeRegistryAuth, AMountNeedsToPullFromTheOther) {
  const std::string digest = registry_.put_blob("base", "layer");
  const std::string path = "/v2/a/blobs/uploads/?mount=" + digest + "&from=base";
  use(token({"repository:a:pull,push"}));
  EXPECT_EQ(user_.send("POST", path).status, 401);
  registry_.configure([](RegistryOptions& options) { options.quirks.mount_needs_pull = false; });
  EXPECT_EQ(user_.send("POST", path).status, 202);
  EXPECT_THAT(registry_.blobs("a"), IsEmpty());
  use(token({"repository:a:pull,push", "repository:base:pull"}));
  EXPECT_EQ(user_.send("POST", path).status, 201);
}

TEST_F(FakeRegistryAuth, CancellingMayNeedMore) {
  use(token({"repository:a:pull,push"}));
  const std::string one = user_.start("a"), two = user_.start("a");
  EXPECT_EQ(user_.send("DELETE", one).status, 204);
  configure([](RegistryAuth& auth) { auth.cancel_needs_delete = true; });
  EXPECT_THAT(challenge(user_.send("DELETE", two)), HasSubstr("repository:a:delete"));
  use(token({"repository:a:delete"}));
  EXPECT_EQ(user_.send("DELETE", two).status, 204);
}

}  // namespace
}  // namespace dray::test
