// A CI job's identity in place of a token: what is asked of whom, and what goes where.
#include "dray/hub/identity.h"

#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "tests/support/hub_world.h"
#include "tests/support/raw_server.h"

namespace dray::hub {
namespace {

using test::FakeHub;
using test::RawRequest;
using test::RawResponse;

class HubIdentity : public test::HubWorld {
 protected:
  HubIdentity() {
    environment_.set("HF_OIDC_RESOURCE", "org/model");
    hub_.put(
        {.id = "org/model", .files = {test::git_file("config.json", "{}")}, .is_private = true});
    hub_.hub_fault([this](const RawRequest& request, RawResponse& response) {
      if (request.path != "/oauth/token") return;
      const std::lock_guard lock(mutex_);
      asked_.push_back(nlohmann::json::parse(request.body));
      if (answers_.empty()) {
        response = {.body = R"({"access_token":")" + std::string(FakeHub::kToken) +
                            R"(","token_type":"bearer","expires_in":3600})"};
      } else {
        response = answers_.front();
        answers_.erase(answers_.begin());
      }
    });
  }

  Client client() {
    ClientOptions options = this->options(3);
    options.token.anonymous = false;
    return Client(options);
  }
  Error refusal() {
    Client c = client();
    return error_of([&] { c.info("org/model", "main", false, {}); });
  }

  std::mutex mutex_;
  std::vector<nlohmann::json> asked_;  // bodies of the exchanges
  std::vector<RawResponse> answers_;   // instead of the right one
};

TEST_F(HubIdentity, AGivenOneIsExchangedOnceForAToken) {
  environment_.set("HF_OIDC_ID_TOKEN", "jwt.of.job");
  environment_.set("HF_TOKEN", "hf_ignored");
  Client c = client();
  EXPECT_TRUE(c.info("org/model", "main", false, {}).is_private);
  EXPECT_EQ(c.tree({"org/model", "main"}, {})->size(), 1u);
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0]["subject_token"], "jwt.of.job");
  EXPECT_EQ(asked_[0]["resource"], "org/model");
  EXPECT_EQ(asked_[0]["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
  EXPECT_EQ(asked_[0]["subject_token_type"], "urn:ietf:params:oauth:token-type:id_token");
}

TEST_F(HubIdentity, InGitHubActionsItIsAskedForAndAgainWhenTheTokenIsOver) {
  std::vector<RawRequest> seen;
  int issued = 0;
  const test::RawServer github([&](const RawRequest& request) {
    const std::lock_guard lock(mutex_);
    seen.push_back(request);
    return RawResponse{.body = R"({"value":"jwt)" + std::to_string(++issued) + R"("})"};
  });
  environment_.set("GITHUB_ACTIONS", "true");
  environment_.set("ACTIONS_ID_TOKEN_REQUEST_URL", github.url() + "/token?api-version=2");
  environment_.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-secret");
  // The first token that the Hub gives is one that it does not know any more.
  answers_ = {{.body = R"({"access_token":"hf_over"})"}};
  EXPECT_TRUE(client().info("org/model", "main", false, {}).is_private);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].header("authorization"), "Bearer runner-secret");
  EXPECT_NE(seen[0].query.find("api-version=2&audience=http%3A%2F%2F127.0.0.1"), std::string::npos);
  ASSERT_EQ(asked_.size(), 2u);
  EXPECT_EQ(asked_[1]["subject_token"], "jwt2");
  for (const RawRequest& request : hub_.hub_requests())
    EXPECT_EQ(request.header("authorization").find("runner-secret"), std::string::npos);
}

TEST_F(HubIdentity, WithoutOneNothingElseIsTriedInItsPlace) {
  environment_.set("HF_TOKEN", std::string(FakeHub::kToken));
  const Error missing = refusal();
  EXPECT_EQ(missing.code(), Code::auth);
  EXPECT_NE(missing.hint().find("HF_OIDC_ID_TOKEN"), std::string::npos);
  environment_.set("GITHUB_ACTIONS", "true");
  environment_.set("ACTIONS_ID_TOKEN_REQUEST_URL", std::nullopt);
  environment_.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", std::nullopt);
  EXPECT_NE(refusal().hint().find("id-token: write"), std::string::npos);
  EXPECT_TRUE(hub_.hub_requests().empty());
}

TEST_F(HubIdentity, ARefusalNamesTheResourceAndShowsNoSecret) {
  environment_.set("HF_OIDC_ID_TOKEN", "jwt.of.job");
  answers_ = {{.status = 403, .body = R"({"error":"no trusted publisher"})"}};
  const Error error = refusal();
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_EQ(error.http_status(), 403);
  EXPECT_NE(std::string(error.what()).find("org/model"), std::string::npos);
  EXPECT_NE(error.hint().find("trusted publisher"), std::string::npos);
  EXPECT_EQ((std::string(error.what()) + error.hint()).find("jwt.of.job"), std::string::npos);
}

TEST_F(HubIdentity, TroubleIsTriedAgainAndNonsenseIsNoToken) {
  environment_.set("HF_OIDC_ID_TOKEN", "jwt.of.job");
  answers_ = {{.status = 503}, {.drop = true}};
  EXPECT_TRUE(client().info("org/model", "main", false, {}).is_private);
  EXPECT_EQ(waits_.size(), 1u) << "a kept connection that dies is replaced at once";
  for (const char* body : {"<html>", "[]", "{}", R"({"access_token":"a b"})"}) {
    answers_ = {{.body = body}};
    EXPECT_EQ(refusal().code(), Code::malformed) << body;
  }
  answers_ = {{.status = 302, .headers = {{"Location", hub_.cdn_url() + "/"}}}};
  EXPECT_EQ(refusal().code(), Code::auth) << "the identity goes nowhere else";
  EXPECT_TRUE(hub_.cdn_requests().empty());
}

}  // namespace
}  // namespace dray::hub
