// The S3 client against services that want another time, token, region or place than it has, and
// what it signs.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "tests/component/s3_faults_fixture.h"

namespace dray::s3 {
namespace {

using test::FakeS3;
using test::FakeS3Options;
using test::RawRequest;
using test::RawResponse;

TEST_F(S3Faults, ADifferentClockIsLearnedOnce) {
  for (const std::int64_t offset : {-7200, 7200}) {
    fake_.configure([=](FakeS3Options& o) { o.now = [=] { return unix_now() + offset; }; });
    Client client(test::s3_options(fake_, "models"));
    int before = fake_.count("PutObject");
    client.put_object("k", as_bytes("x"));
    EXPECT_EQ(fake_.count("PutObject"), before + 2);
    client.put_object("k", as_bytes("x"));
    EXPECT_EQ(fake_.count("PutObject"), before + 3);
    // Answers to HEAD have no code: the date alone must tell.
    Client other(test::s3_options(fake_, "models"));
    EXPECT_TRUE(other.head_object("there"));
    EXPECT_NO_THROW(other.head_bucket());
  }
}

TEST_F(S3Faults, AClockThatCannotBeLearnedIsAnErrorWithAHint) {
  fake_.fail("GetObject", 403, "RequestTimeTooSkewed", 10);
  rewrite("GetObject", [](RawResponse& r) {
    std::erase_if(r.headers, [](const auto& field) { return field.first == "Date"; });
  });
  const Error e = error_of([&] { client_.get_object("there", 10); });
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_NE(e.hint().find("clock"), std::string::npos);
  EXPECT_EQ(fake_.count("GetObject"), 1);
}

class S3Tokens : public S3Faults {
 protected:
  /// A client whose credentials source gives tokens one after another.
  Client client_with(std::vector<std::string> tokens) {
    ClientOptions options = test::s3_options(fake_, "models");
    auto left = std::make_shared<std::vector<std::string>>(std::move(tokens));
    auto fetches = &fetches_;
    options.credentials = std::make_shared<CredentialsProvider>(
        std::vector<CredentialSource>{[=](const std::stop_token&) {
          const std::size_t i = std::min<std::size_t>((*fetches)++, left->size() - 1);
          const FakeS3Options keys;
          return std::optional(Credentials{keys.access_key, Secret(keys.secret_key),
                                           Secret((*left)[i]), std::nullopt, "tokens of the test"});
        }});
    return Client(options);
  }
  std::atomic<std::size_t> fetches_{0};
};

TEST_F(S3Tokens, ExpiredOnesAreRenewedOnce) {
  fake_.expire_token("old");
  fake_.configure([](FakeS3Options& o) { o.session_token = "new"; });
  Client client = client_with({"old", "new"});
  client.put_object("k", as_bytes("x"));
  EXPECT_EQ(fetches_, 2U);
  EXPECT_EQ(fake_.count("PutObject"), 2);
  client.put_object("k", as_bytes("x"));
  EXPECT_EQ(fetches_, 2U);
}

TEST_F(S3Tokens, HeadAnswersWithoutACodeAreUnderstoodToo) {
  fake_.expire_token("old");
  fake_.configure([](FakeS3Options& o) { o.session_token = "new"; });
  Client client = client_with({"old", "new"});
  EXPECT_TRUE(client.head_object("there"));
  EXPECT_EQ(fetches_, 2U);
}

TEST_F(S3Tokens, TheSameTokenAgainIsAnError) {
  fake_.expire_token("old");
  Client client = client_with({"old"});
  const Error e = error_of([&] { client.put_object("k", as_bytes("x")); });
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_EQ(e.server_code(), "ExpiredToken");
  EXPECT_NE(e.hint().find("expired"), std::string::npos);
  EXPECT_NE(e.hint().find("tokens of the test"), std::string::npos);
  EXPECT_EQ(fake_.count("PutObject"), 1);
}

TEST_F(S3Faults, TheRegionIsLearnedOnce) {
  fake_.configure([](FakeS3Options& o) { o.region = "eu-west-1"; });
  ClientOptions options = test::s3_options(fake_, "models");
  options.endpoint.region = "us-east-1";
  Client client(options);
  client.put_object("k", as_bytes("x"));
  EXPECT_EQ(fake_.count("PutObject"), 2);
  EXPECT_EQ(client.endpoint().region, "eu-west-1");
  client.put_object("k", as_bytes("x"));
  EXPECT_EQ(fake_.count("PutObject"), 3);
  Client head(options);
  EXPECT_TRUE(head.head_object("there"));  // from x-amz-bucket-region
  EXPECT_EQ(head.head_bucket(), "eu-west-1");
}

TEST_F(S3Faults, TheRegionIsLearnedByAllThatAreInFlight) {
  fake_.configure([](FakeS3Options& o) { o.region = "eu-west-1"; });
  std::barrier both(2);  // the second request has left before the first is refused
  fake_.before([&](const RawRequest&, const std::string& op, int n) -> std::optional<RawResponse> {
    if (op == "PutObject" && n <= 2) both.arrive_and_wait();
    return std::nullopt;
  });
  ClientOptions options = test::s3_options(fake_, "models");
  options.endpoint.region = "us-east-1";
  Client client(options);
  {
    std::jthread one([&] { EXPECT_NO_THROW(client.put_object("a", as_bytes("x"))); });
    std::jthread two([&] { EXPECT_NO_THROW(client.put_object("b", as_bytes("x"))); });
  }
  EXPECT_EQ(fake_.count("PutObject"), 4);
}

TEST_F(S3Faults, RedirectsAreNeverFollowed) {
  FakeS3 elsewhere(options());
  fake_.before([&](const RawRequest&, const std::string&, int) {
    RawResponse moved{.status = 307};
    moved.headers.emplace_back("Location", elsewhere.url() + "/models/there?X=secret");
    return std::optional(moved);
  });
  const Error e = error_of([&] { client_.get_object("there", 10); });
  EXPECT_EQ(e.code(), Code::usage);
  EXPECT_NE(e.hint().find(elsewhere.url()), std::string::npos);
  EXPECT_EQ(e.hint().find("secret"), std::string::npos);
  EXPECT_TRUE(elsewhere.operations().empty());
}

TEST_F(S3Faults, WrongKeysAreExplainedEvenByHeadBucket) {
  ClientOptions options = test::s3_options(fake_, "models");
  const auto keys = [&](const std::string& id, const std::string& secret) {
    options.credentials = std::make_shared<CredentialsProvider>(std::vector<CredentialSource>{
        static_credentials(id, Secret(secret), Secret(), "the test")});
    return error_of([&] { Client(options).head_bucket(); });
  };
  const FakeS3Options good;
  Error e = keys(good.access_key, "wrong-secret-value");
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_EQ(e.server_code(), "SignatureDoesNotMatch");
  EXPECT_NE(e.hint().find("AWS_SECRET_ACCESS_KEY"), std::string::npos);
  EXPECT_EQ((std::string(e.what()) + e.hint()).find("wrong-secret-value"), std::string::npos);
  e = keys("NOBODY", good.secret_key);
  EXPECT_EQ(e.server_code(), "InvalidAccessKeyId");
}

TEST_F(S3Faults, AnonymousRequestsAreNotSigned) {
  fake_.configure([](FakeS3Options& o) { o.verify_signature = false; });
  ClientOptions options = test::s3_options(fake_, "models");
  options.endpoint.anonymous = true;
  EXPECT_TRUE(Client(options).get_object("there", 100));
  const RawRequest last = fake_.server().requests().back();
  for (const auto& [name, value] : last.headers)
    EXPECT_TRUE(name != "authorization" && name != "x-amz-date") << name;
}

TEST_F(S3Faults, OnlyControlBodiesAreHashed) {
  std::string id;
  const auto parts = one_part(id);
  EXPECT_EQ(fake_.server().requests().back().header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  client_.complete_upload("new", id, parts);
  EXPECT_EQ(fake_.server().requests().back().header("x-amz-content-sha256").size(), 64U);
  client_.get_object("there", 100);
  EXPECT_EQ(fake_.server().requests().back().header("x-amz-content-sha256"), kEmptyPayload);
}

}  // namespace
}  // namespace dray::s3
