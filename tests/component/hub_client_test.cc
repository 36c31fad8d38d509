// The Hub client against a Hub in memory: what it asks of the API, with which token, and what it
// makes of answers.
#include "dray/hub/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "dray/base/file.h"
#include "tests/component/hub_client_fixture.h"

namespace dray::hub {
namespace {

using test::FakeHub;
using test::RawRequest;
using test::RawResponse;

TEST_F(HubClient, InfoPinsTheCommitAndReadsTheCard) {
  Client c = client();
  const RepoInfo info = c.info("org/model", "main", false, {});
  EXPECT_EQ(info.id, "org/model");
  EXPECT_EQ(info.commit, commit_);
  EXPECT_EQ(info.license, "mit");
  EXPECT_EQ(info.library, "transformers");
  EXPECT_EQ(info.siblings.size(), 3u);
  for (const RawRequest& request : hub_.hub_requests())
    EXPECT_EQ(request.header("accept-encoding"), "identity");
}

TEST_F(HubClient, ARevisionIsOnePathSegment) {
  hub_.tag("org/model", "refs/pr/1", commit_);
  EXPECT_EQ(client().info("org/model", "refs/pr/1", false, {}).commit, commit_);
}

TEST_F(HubClient, AMissingRepositoryIsToldFromABadTokenAndAPrivateOne) {
  hub_.put({.id = "org/secret", .is_private = true});
  Client anonymous = client(false), known = client();
  for (const char* repo : {"org/nothing", "org/secret"}) {
    const Error error = info_error(anonymous, repo);
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_NE(error.hint().find("HF_TOKEN"), std::string::npos);
    EXPECT_EQ(error.request_id(), "Root=1-fake");
  }
  EXPECT_EQ(info_error(known, "org/nothing").code(), Code::not_found);
  EXPECT_EQ(info_error(known, "org/nothing").server_code(), "RepoNotFound");
  EXPECT_TRUE(known.info("org/secret", "main", false, {}).is_private);

  write_file_atomic(token_file(), "hf_wrong");
  Client bad = client();
  const Error error = info_error(bad, "org/model");
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_NE(std::string(error.what()).find(token_file()), std::string::npos);
  EXPECT_EQ(std::string(error.what()).find("hf_wrong"), std::string::npos);
}

TEST_F(HubClient, AGatedRepositorySaysWhatToDoWithAndWithoutAToken) {
  const std::string commit = hub_.put({.id = "org/gated",
                                       .files = {test::git_file("config.json", "{}")},
                                       .gated = "manual",
                                       .granted = false});
  for (const bool with_token : {false, true}) {
    Client c = client(with_token);
    EXPECT_EQ(c.info("org/gated", "main", false, {}).gated, "manual");
    const Error error =
        error_of([&] { c.probe({"org/gated", commit}, {.path = "config.json", .size = 2}, {}); });
    EXPECT_EQ(error.code(), Code::gated);
    EXPECT_NE(error.hint().find(hub_.url() + "/org/gated"), std::string::npos);
    EXPECT_EQ(error.hint().find("HF_TOKEN") != std::string::npos, !with_token) << error.hint();
    EXPECT_FALSE(error.retryable());
  }
}

TEST_F(HubClient, ADisabledRepositoryIsNotAQuestionOfAccess) {
  hub_.put({.id = "org/off", .disabled = true});
  Client c = client();
  const Error error = info_error(c, "org/off");
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find("disabled"), std::string::npos);
}

TEST_F(HubClient, ARenamedRepositoryNamesItsNewName) {
  hub_.put({.id = "org/old", .renamed_to = "org/model"});
  Client c = client();
  const Error error = info_error(c, "org/old");
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(error.hint().find("hf://org/model"), std::string::npos);
}

TEST_F(HubClient, LetterCaseAloneIsNoOtherName) {
  hub_.put({.id = "Org/Model", .renamed_to = "org/model"});
  EXPECT_EQ(client().info("Org/Model", "main", false, {}).id, "org/model");
}

TEST_F(HubClient, AMissingRevisionIsNamedAndAShortHashExplained) {
  Client c = client();
  const Error branch = info_error(c, "org/model", "nothing");
  EXPECT_EQ(branch.code(), Code::not_found);
  EXPECT_NE(std::string(branch.what()).find("'nothing'"), std::string::npos);
  EXPECT_EQ(branch.hint().find("40 digits"), std::string::npos);
  EXPECT_NE(info_error(c, "org/model", commit_.substr(0, 8)).hint().find("40 digits"),
            std::string::npos);
}

TEST_F(HubClient, AnotherCommitThanTheOneAskedForIsRefused) {
  hub_.hub_fault([&](const RawRequest&, RawResponse& response) {
    response.body = R"({"id":"org/model","sha":"0000000000000000000000000000000000000000"})";
  });
  Client c = client();
  EXPECT_EQ(info_error(c, "org/model", commit_).code(), Code::verification);
}

TEST_F(HubClient, ServerTroubleIsRetriedAndTheWaitAskedForIsKept) {
  std::atomic<int> calls = 0;
  hub_.hub_fault([&](const RawRequest&, RawResponse& response) {
    const int call = calls++;
    if (call == 0) response = {.status = 503};
    if (call == 1) response = {.status = 429, .headers = {{"RateLimit", "\"api\";r=0;t=37"}}};
  });
  Client c = client();
  EXPECT_EQ(c.info("org/model", "main", false, {}).commit, commit_);
  ASSERT_EQ(waits_.size(), 2u);
  EXPECT_EQ(waits_[1], std::chrono::seconds(38));

  hub_.hub_fault([](const RawRequest&, RawResponse& response) {
    response = {.status = 429,
                .headers = {{"RateLimit", "\"api\";r=9;t=300"}, {"Retry-After", "2"}}};
  });
  const Error error = info_error(c, "org/model");
  EXPECT_EQ(error.code(), Code::throttled);
  EXPECT_EQ(error.retry_after(), std::chrono::seconds(2));
}

TEST_F(HubClient, ALoginPageIsNotData) {
  hub_.quirks({.login_page = true});
  Client c = client();
  const Error error = info_error(c, "org/model");
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_NE(error.hint().find("login"), std::string::npos);
}

TEST_F(HubClient, TheApiIsNotFollowedToAnotherOrigin) {
  hub_.hub_fault([&](const RawRequest& request, RawResponse& response) {
    response = {.status = 307, .headers = {{"Location", hub_.cdn_url() + request.target}}};
  });
  Client c = client();
  EXPECT_EQ(info_error(c, "org/model").code(), Code::malformed);
  EXPECT_TRUE(hub_.cdn_requests().empty());
}

TEST_F(HubClient, RedirectsInACircleEnd) {
  hub_.hub_fault([](const RawRequest& request, RawResponse& response) {
    response = {.status = 307, .headers = {{"Location", request.target}}};
  });
  Client c = client();
  EXPECT_EQ(info_error(c, "org/model").code(), Code::malformed);
  EXPECT_LE(hub_.hub_requests().size(), 10u);
  const RepoFile file{.path = "config.json", .size = 2};
  EXPECT_EQ(error_of([&] { read(c, file, 0, 2); }).code(), Code::malformed);
}

TEST_F(HubClient, ATreeIsReadPageByPage) {
  hub_.quirks({.page_size = 1});
  Client c = client();
  const auto files = c.tree(pin_, {});
  ASSERT_EQ(files->size(), 3u);
  EXPECT_EQ(hub_.count("GET", "/tree/"), 4u);  // the folder is an entry too
  for (const RawRequest& request : hub_.hub_requests())
    EXPECT_EQ(request.header("authorization"), "Bearer " + std::string(FakeHub::kToken));
}

TEST_F(HubClient, ANextPageElsewhereIsRefusedAndGetsNoRequest) {
  hub_.hub_fault([&](const RawRequest& request, RawResponse& response) {
    response.headers.emplace_back("Link", "<" + hub_.cdn_url() + request.path + ">; rel=\"next\"");
  });
  Client c = client();
  const Error error = error_of([&] { c.tree(pin_, {}); });
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_TRUE(hub_.cdn_requests().empty());
}

TEST_F(HubClient, PagesThatRepeatEnd) {
  hub_.hub_fault([&](const RawRequest& request, RawResponse& response) {
    response.headers.emplace_back("Link", "<" + request.path + "?cursor=1>; rel=\"next\"");
  });
  Client c = client();
  EXPECT_EQ(error_of([&] { c.tree(pin_, {}); }).code(), Code::malformed);
  EXPECT_EQ(hub_.hub_requests().size(), 2u);
}

TEST_F(HubClient, AServerWithoutTreeIsToldFromAMissingCommit) {
  Client c = client();
  hub_.quirks({.tree = false});
  EXPECT_FALSE(c.tree(pin_, {}).has_value());
  hub_.quirks({});
  hub_.forget("org/model", commit_);
  EXPECT_EQ(error_of([&] { c.tree(pin_, {}); }).code(), Code::not_found);
}

TEST_F(HubClient, HalfAListingIsNotAListing) {
  hub_.hub_fault([](const RawRequest&, RawResponse& response) { response.body.resize(20); });
  Client c = client();
  EXPECT_EQ(error_of([&] { c.tree(pin_, {}); }).code(), Code::malformed);
}

TEST_F(HubClient, ATokenThatWasRenewedInItsFileIsReadAgain) {
  const std::string old = "hf_old";
  write_file_atomic(token_file(), old);
  std::atomic<bool> expired = false;
  hub_.hub_fault([&](const RawRequest& request, RawResponse& response) {
    if (request.header("authorization") != "Bearer " + old) return;
    response = expired ? RawResponse{.status = 401} : RawResponse{.body = "[]"};
  });
  Client c = client();
  EXPECT_TRUE(c.tree(pin_, {})->empty());
  expired = true;
  write_file_atomic(token_file(), FakeHub::kToken);
  EXPECT_EQ(c.tree(pin_, {})->size(), 3u);
}

TEST_F(HubClient, ATokenThatAnotherRequestRenewedIsTakenToo) {
  write_file_atomic(token_file(), "hf_old");
  std::atomic<int> refused = 0;
  hub_.hub_fault([&](const RawRequest& request, RawResponse& response) {
    if (request.header("authorization") != "Bearer hf_old") return;
    // Both requests are on their way with the old token before either is refused.
    ++refused;
    while (refused < 2) std::this_thread::yield();
    write_file_atomic(token_file(), FakeHub::kToken);
    response = {.status = 401};
  });
  Client c = client();
  std::atomic<int> listed = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 2; ++i)
      readers.emplace_back([&] { listed += c.tree(pin_, {})->size() == 3; });
  }
  EXPECT_EQ(listed, 2);
}

TEST_F(HubClient, ARefusedTokenThatExpiredSaysHowToRenewIt) {
  environment_.set("HF_TOKEN", std::nullopt);
  write_file_atomic((folder_.path() / "token").string(), "hf_browser");
  write_file_atomic((folder_.path() / "stored_tokens").string(),
                    "[laptop]\nhf_token = hf_browser\nexpires_at = 1000\n");
  ClientOptions options = this->options(3);
  options.token.anonymous = false;
  Client c(options);
  const Error error = info_error(c, "org/model");
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_NE(std::string(error.what()).find("stored as 'laptop'"), std::string::npos);
  EXPECT_NE(error.hint().find("hf auth whoami"), std::string::npos) << error.hint();
  EXPECT_EQ((std::string(error.what()) + error.hint()).find("hf_browser"), std::string::npos);
}

TEST_F(HubClient, OfflineMeansNoRequest) {
  environment_.set("HF_HUB_OFFLINE", "1");
  Client c = client();
  const Error error = info_error(c, "org/model");
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_NE(error.hint().find("hf-cache:"), std::string::npos);
  EXPECT_EQ(error_of([&] { read(c, {.path = "config.json", .size = 2}, 0, 2); }).code(),
            Code::usage);
  EXPECT_TRUE(hub_.hub_requests().empty());
}

TEST_F(HubClient, AnAddressThatIsNoneIsNamedByItsVariable) {
  ClientOptions options;
  options.endpoint = "hub.example.com";
  try {
    const Client c(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_NE(std::string(error.what()).find("HF_ENDPOINT"), std::string::npos);
  }
}

}  // namespace
}  // namespace dray::hub
