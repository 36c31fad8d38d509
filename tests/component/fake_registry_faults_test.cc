// The fake registry, misbehaving as told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <future>
#include <thread>

#include "tests/support/errors.h"
#include "tests/support/fake_registry.h"
#include "tests/support/raw_socket.h"
#include "tests/support/registry_user.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class FakeRegistryFaults : public testing::Test {
 protected:
  ~FakeRegistryFaults() override { EXPECT_EQ(registry_.faults_left(), 0u); }

  static std::string code(const http::Response& response) { return RegistryUser::code(response); }
  static std::string header(const http::Response& response, const std::string& name) {
    return RegistryUser::header(response, name);
  }
  static std::string location(const http::Response& response) {
    return RegistryUser::location(response);
  }
  std::string put_manifest_text() {
    const Json config{{"mediaType", "application/vnd.oci.image.config.v1+json"},
                      {"digest", registry_.put_blob("a", "{}")},
                      {"size", 2}};
    return Json{{"schemaVersion", 2},
                {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                {"config", config},
                {"layers", Json::array()}}
        .dump();
  }

  FakeRegistry registry_;
  RegistryUser user_{registry_};
  RegistryUser impatient_{registry_, std::chrono::milliseconds(200)};
  const std::string text_ = "0123456789";
  const std::string digest_ = FakeRegistry::digest_of(text_);
};

TEST_F(FakeRegistryFaults, AStatusInsteadOfTheAnswer) {
  registry_.fault({.op = RegistryOp::start_upload, .status = 503, .code = "UNAVAILABLE"});
  const auto refused = user_.send("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(code(refused), "UNAVAILABLE");
  EXPECT_TRUE(registry_.uploads().empty());
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 202);
}

TEST_F(FakeRegistryFaults, SkipAndTimesSayWhichOnes) {
  registry_.fault({.op = RegistryOp::ping, .skip = 1, .times = 2, .status = 500});
  std::vector<int> seen;
  for (int i = 0; i < 4; ++i) seen.push_back(user_.get("/v2/").status);
  EXPECT_THAT(seen, ElementsAre(200, 500, 500, 200));
}

TEST_F(FakeRegistryFaults, OnlyOneRepository) {
  registry_.fault({.op = RegistryOp::start_upload, .repository = "b", .status = 500});
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/").status, 202);
  EXPECT_EQ(registry_.faults_left(), 1u);
  EXPECT_EQ(user_.send("POST", "/v2/b/blobs/uploads/").status, 500);
}

TEST_F(FakeRegistryFaults, OnlyOneTarget) {
  registry_.fault({.op = RegistryOp::finish_upload, .target = digest_, .status = 500});
  const std::string other = FakeRegistry::digest_of("other");
  EXPECT_EQ(user_.finish(user_.start("a"), other, "other").status, 201);
  EXPECT_EQ(user_.finish(user_.start("a"), digest_, text_).status, 500);
}

TEST_F(FakeRegistryFaults, ARequestIsHeldUntilATestLetsItGo) {
  std::promise<void> go;
  registry_.fault({.op = RegistryOp::get_blob,
                   .before = [&](const RawRequest&) { go.get_future().wait(); },
                   .change =
                       [&](const RawRequest&, RawResponse& response) {
                         response.body = std::to_string(registry_.count(RegistryOp::ping));
                       }});
  registry_.put_blob("a", text_);
  std::thread held([&] {
    RegistryUser other(registry_);
    EXPECT_EQ(other.get("/v2/a/blobs/" + digest_).body, "2");
  });
  while (registry_.count(RegistryOp::get_blob) == 0) std::this_thread::yield();
  EXPECT_EQ(user_.get("/v2/").status, 200);
  EXPECT_EQ(user_.get("/v2/").status, 200);
  go.set_value();
  held.join();
}

TEST_F(FakeRegistryFaults, TooManyRequests) {
  registry_.fault(
      {.op = RegistryOp::put_manifest, .status = 429, .code = "TOOMANYREQUESTS", .retry_after = 7});
  const auto refused = user_.send("PUT", "/v2/a/manifests/v1", {}, "{}");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(header(refused, "Retry-After"), "7");
}

TEST_F(FakeRegistryFaults, ACutInTheSecondPatchOfALargeBody) {
  const std::string large(8'000'000, 'x');
  std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .skip = 1, .cut_body = 3'000'000});
  to = location(user_.patch(to, "y"));
  const Error error = error_of([&] { user_.patch(to, large); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(registry_.uploads().at(0).content.size(), 3'000'001u);
  const RegistryRequest request = registry_.requests(RegistryOp::patch_upload).at(1);
  EXPECT_EQ(request.body_bytes, 3'000'000u);
  EXPECT_FALSE(request.complete);
  EXPECT_EQ(request.status, 0);
}

TEST_F(FakeRegistryFaults, ACutInAChunkedBodyIsAReset) {
  const http::Url to = http::parse_url(user_.start("a"));
  registry_.fault({.op = RegistryOp::patch_upload, .cut_body = 6});
  const Fd fd = connect_to_port(to.port);
  // Nothing is left unread: that alone would make the kernel send a reset.
  send_text(fd, "PATCH " + to.path + "?" + to.query + " HTTP/1.1\r\nHost: " + to.authority() +
                    "\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n45");
  char byte = 0;
  EXPECT_EQ(::recv(fd.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(registry_.uploads().at(0).content, "012345");
}

TEST_F(FakeRegistryFaults, ACutAtTheEndOfABody) {
  user_.fresh = true;
  const std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::finish_upload, .cut_body = 100});
  EXPECT_ANY_THROW(user_.finish(to, digest_, text_));
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
  EXPECT_TRUE(registry_.blobs("a").empty());
  registry_.fault({.op = RegistryOp::finish_upload, .cut_body = 0});
  EXPECT_ANY_THROW(user_.finish(location(user_.get(to)), digest_));
  EXPECT_TRUE(registry_.blobs("a").empty());
}

TEST_F(FakeRegistryFaults, AStallInsideABody) {
  const std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .stall_body = 5});
  const Error error = error_of([&] { impatient_.patch(to, text_); });
  EXPECT_THAT(std::string(error.what()), testing::HasSubstr("stalled"));
  EXPECT_EQ(registry_.uploads().at(0).content, "01234");
}

TEST_F(FakeRegistryFaults, AnUploadIsForgotten) {
  std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .skip = 1, .forget_upload = true});
  to = location(user_.patch(to, "0123"));
  EXPECT_EQ(code(user_.patch(to, "456789")), "BLOB_UPLOAD_UNKNOWN");
  const std::string other = user_.start("a");
  registry_.forget_uploads();
  EXPECT_EQ(user_.get(other).status, 404);
}

TEST_F(FakeRegistryFaults, TheAnswerToAPatchIsLost) {
  const std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .lose_answer = true});
  EXPECT_EQ(error_of([&] { user_.patch(to, text_); }).retry(), Retry::ambiguous);
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
  EXPECT_EQ(registry_.requests(RegistryOp::patch_upload).at(0).status, 0);
  EXPECT_TRUE(registry_.requests(RegistryOp::patch_upload).at(0).complete);
}

TEST_F(FakeRegistryFaults, TheAnswerToTheClosingPutIsLost) {
  const std::string to = location(user_.patch(user_.start("a"), text_));
  registry_.fault({.op = RegistryOp::finish_upload, .lose_answer = true});
  user_.fresh = true;
  EXPECT_ANY_THROW(user_.finish(to, digest_));
  EXPECT_EQ(registry_.blob("a", digest_), text_);
  EXPECT_EQ(code(user_.finish(to, digest_)), "BLOB_UPLOAD_UNKNOWN");
}

TEST_F(FakeRegistryFaults, TheAnswerToAManifestIsLost) {
  const std::string text = put_manifest_text();
  user_.fresh = true;
  registry_.fault({.op = RegistryOp::put_manifest, .lose_answer = true});
  EXPECT_ANY_THROW(user_.send("PUT", "/v2/a/manifests/v1",
                              {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"}},
                              text));
  EXPECT_EQ(registry_.manifest("a", "v1")->content, text);
}

TEST_F(FakeRegistryFaults, NoAnswerAtAll) {
  const std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .silent = true});
  EXPECT_ANY_THROW(impatient_.patch(to, text_));
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
}

TEST_F(FakeRegistryFaults, HtmlInsteadOfJson) {
  registry_.put_manifest("a", "v1", put_manifest_text());
  registry_.fault({.op = RegistryOp::list_tags, .html = true});
  const auto page = user_.get("/v2/a/tags/list");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(header(page, "Content-Type"), StartsWith("text/html"));
  EXPECT_THAT(page.body, StartsWith("<html>"));
  registry_.fault({.op = RegistryOp::list_tags, .status = 502, .html = true});
  const auto error = user_.get("/v2/a/tags/list");
  EXPECT_EQ(error.status, 502);
  EXPECT_THAT(error.body, StartsWith("<html>"));
}

TEST_F(FakeRegistryFaults, WrongAndMissingBytesOfABlob) {
  const std::string path = "/v2/a/blobs/" + digest_;
  registry_.put_blob("a", text_);
  registry_.fault({.op = RegistryOp::get_blob, .flip_at = 3});
  const std::string wrong = user_.get(path).body;
  EXPECT_EQ(wrong.size(), text_.size());
  EXPECT_NE(wrong, text_);
  registry_.fault({.op = RegistryOp::get_blob, .close_after = 4});
  EXPECT_ANY_THROW(user_.get(path));
  registry_.fault({.op = RegistryOp::get_blob, .reset_after = 4});
  EXPECT_ANY_THROW(user_.get(path));
  registry_.fault({.op = RegistryOp::get_blob, .stall_after = 4});
  EXPECT_THAT(std::string(error_of([&] { impatient_.get(path); }).what()),
              testing::HasSubstr("stalled"));
  EXPECT_EQ(user_.get(path).body, text_);
  registry_.spoil_blob(digest_, "9876543210");
  EXPECT_EQ(user_.get(path).body, "9876543210");
}

TEST_F(FakeRegistryFaults, AnAnswerIsChangedByATest) {
  registry_.fault({.op = RegistryOp::ping, .change = [](const RawRequest&, RawResponse& response) {
                     response.headers.emplace_back("X-Changed", "yes");
                   }});
  EXPECT_EQ(header(user_.get("/v2/"), "X-Changed"), "yes");
}

TEST_F(FakeRegistryFaults, TokensEndInTheMiddleOfAnUpload) {
  registry_.configure([](RegistryOptions& options) { options.auth = RegistryAuth::bearer(); });
  const auto token = [&] {
    user_.authorization = "Basic cm9ib3Q6cmVnaXN0cnktcGFzc3dvcmQ=";
    const auto answer =
        user_.get(registry_.token_url() + "?service=registry.test&scope=repository:a:pull,push");
    user_.authorization = "Bearer " + Json::parse(answer.body).at("token").get<std::string>();
  };
  token();
  const std::string to = user_.start("a");
  registry_.fault({.op = RegistryOp::patch_upload, .expire_tokens = true});
  const auto patched = user_.patch(to, text_);
  EXPECT_EQ(patched.status, 202);
  EXPECT_EQ(user_.finish(location(patched), digest_).status, 401);
  token();
  registry_.fault({.op = RegistryOp::finish_upload, .expire_tokens_before = true});
  EXPECT_EQ(user_.finish(location(patched), digest_).status, 401);
  token();
  EXPECT_EQ(user_.finish(location(patched), digest_).status, 201);
}

TEST_F(FakeRegistryFaults, TheStorageHostFailsToo) {
  registry_.configure(
      [](RegistryOptions& options) { options.quirks = RegistryQuirks::redirecting(); });
  registry_.put_blob("a", text_);
  const std::string link = location(user_.get("/v2/a/blobs/" + digest_));
  registry_.fault({.op = RegistryOp::stored_blob, .status = 503});
  EXPECT_EQ(user_.get(link).status, 503);
  registry_.fault({.op = RegistryOp::stored_blob, .close_after = 4});
  EXPECT_ANY_THROW(user_.get(link));
  EXPECT_EQ(user_.get(link).body, text_);
}

}  // namespace
}  // namespace dray::test
