// What the fake registry does when it follows the distribution specification: blobs and uploads.
#include "tests/support/fake_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/raw_socket.h"
#include "tests/support/registry_user.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class FakeRegistryTest : public testing::Test {
 protected:
  static std::string code(const http::Response& response) { return RegistryUser::code(response); }
  static std::string header(const http::Response& response, const std::string& name) {
    return RegistryUser::header(response, name);
  }
  static std::string location(const http::Response& response) {
    return RegistryUser::location(response);
  }

  FakeRegistry registry_;
  RegistryUser user_{registry_};
  const std::string text_ = "0123456789";
  const std::string digest_ = FakeRegistry::digest_of(text_);
};

TEST_F(FakeRegistryTest, PingAndUnknownPaths) {
  EXPECT_EQ(user_.get("/v2/").status, 200);
  EXPECT_EQ(user_.get("/v3/").status, 404);
  EXPECT_EQ(user_.send("POST", "/v2/a/tags/list").status, 404);
  EXPECT_EQ(code(user_.get("/v2/Upper/tags/list")), "NAME_INVALID");
  EXPECT_EQ(digest_, "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
}

TEST_F(FakeRegistryTest, ABlobIsReadWholeAndInRanges) {
  registry_.put_blob("org/model", text_);
  const std::string path = "/v2/org/model/blobs/" + digest_;
  const auto head = user_.send("HEAD", path);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(header(head, "Content-Length"), "10");
  EXPECT_EQ(header(head, "Docker-Content-Digest"), digest_);
  EXPECT_EQ(user_.get(path).body, text_);

  const auto part = user_.get(path, {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(header(part, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(user_.get(path, {{"Range", "bytes=7-"}}).body, "789");
  EXPECT_EQ(user_.get(path, {{"Range", "bytes=-2"}}).body, "89");
  EXPECT_EQ(user_.get(path, {{"Range", "bytes=8-99"}}).body, "89");
  const auto beyond = user_.get(path, {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(header(beyond, "Content-Range"), "bytes */10");
}

TEST_F(FakeRegistryTest, ABlobBelongsToItsRepository) {
  registry_.put_blob("a", text_);
  EXPECT_EQ(code(user_.get("/v2/b/blobs/" + digest_)), "BLOB_UNKNOWN");
  EXPECT_EQ(code(user_.get("/v2/a/blobs/sha256:12")), "DIGEST_INVALID");
  EXPECT_EQ(user_.send("DELETE", "/v2/b/blobs/" + digest_).status, 404);
  EXPECT_EQ(user_.send("DELETE", "/v2/a/blobs/" + digest_).status, 202);
  EXPECT_EQ(user_.send("HEAD", "/v2/a/blobs/" + digest_).status, 404);
  EXPECT_TRUE(registry_.blobs("a").empty());
}

TEST_F(FakeRegistryTest, AnUploadInOnePatch) {
  const auto started = user_.send("POST", "/v2/org/model/blobs/uploads/");
  EXPECT_EQ(started.status, 202);
  EXPECT_EQ(header(started, "Range"), "0-0");
  EXPECT_THAT(location(started), StartsWith(registry_.url() + "/v2/org/model/blobs/uploads/"));
  const auto patched = user_.patch(location(started), text_);
  EXPECT_EQ(patched.status, 202);
  EXPECT_EQ(header(patched, "Range"), "0-9");
  EXPECT_NE(location(patched), location(started));
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
  const auto done = user_.finish(location(patched), digest_);
  EXPECT_EQ(done.status, 201);
  EXPECT_EQ(location(done), registry_.url() + "/v2/org/model/blobs/" + digest_);
  EXPECT_EQ(header(done, "Docker-Content-Digest"), digest_);
  EXPECT_EQ(registry_.blob("org/model", digest_), text_);
  EXPECT_TRUE(registry_.uploads().empty());
  EXPECT_EQ(code(user_.finish(location(patched), digest_)), "BLOB_UPLOAD_UNKNOWN");
}

TEST_F(FakeRegistryTest, AnUploadInOnePut) {
  EXPECT_EQ(user_.finish(user_.start("a"), digest_, text_).status, 201);
  EXPECT_EQ(registry_.blob("a", digest_), text_);
}

TEST_F(FakeRegistryTest, ChunksAreTakenInOrderOnly) {
  std::string to = user_.start("a");
  const auto wrong = user_.chunk(to, 5, "56789");
  EXPECT_EQ(wrong.status, 416);
  EXPECT_EQ(header(wrong, "Range"), "0-0");
  to = location(user_.chunk(to, 0, "01234"));
  const auto again = user_.chunk(to, 0, "01234");
  EXPECT_EQ(again.status, 416);
  EXPECT_EQ(header(again, "Range"), "0-4");
  EXPECT_EQ(user_.patch(location(again), "5", {{"Content-Range", "bytes 5-5/10"}}).status, 416);
  EXPECT_EQ(code(user_.patch(to, "56", {{"Content-Range", "5-9"}})), "SIZE_INVALID");
  to = location(user_.chunk(to, 5, "567"));
  EXPECT_EQ(user_.send("PUT", to + "&digest=" + digest_, {{"Content-Range", "7-8"}}, "89").status,
            416);
  EXPECT_EQ(user_.send("PUT", to + "&digest=" + digest_, {{"Content-Range", "8-9"}}, "89").status,
            201);
  EXPECT_EQ(registry_.blob("a", digest_), text_);
}

TEST_F(FakeRegistryTest, StatusSaysWhereToGoOn) {
  const std::string first = user_.start("a");
  user_.patch(first, "0123");
  const auto status = user_.get(first);  // GET takes an older Location, too
  EXPECT_EQ(status.status, 204);
  EXPECT_EQ(header(status, "Range"), "0-3");
  EXPECT_EQ(user_.patch(first, "456789").status, 416);
  EXPECT_EQ(user_.patch(location(status), "456789").status, 202);
  EXPECT_EQ(code(user_.get(first.substr(0, first.find("/uploads/")) + "/uploads/none")),
            "BLOB_UPLOAD_UNKNOWN");
}

TEST_F(FakeRegistryTest, TheQueryOfALocationMustBeKept) {
  const std::string to = user_.start("a");
  EXPECT_THAT(to, testing::HasSubstr("%3D"));
  EXPECT_EQ(code(user_.patch(to.substr(0, to.find('?')), "0")), "BLOB_UPLOAD_INVALID");
  EXPECT_EQ(user_.patch(to, "0").status, 202);
}

TEST_F(FakeRegistryTest, AWrongDigestEndsTheUpload) {
  const std::string to = location(user_.patch(user_.start("a"), "other"));
  EXPECT_EQ(code(user_.send("PUT", to)), "DIGEST_INVALID");
  EXPECT_EQ(registry_.uploads().size(), 1u);
  EXPECT_EQ(code(user_.finish(to, digest_)), "DIGEST_INVALID");
  EXPECT_TRUE(registry_.uploads().empty());
  EXPECT_TRUE(registry_.blobs("a").empty());
}

TEST_F(FakeRegistryTest, AnUploadIsCancelled) {
  const std::string to = user_.start("a");
  EXPECT_EQ(user_.send("DELETE", to).status, 204);
  EXPECT_EQ(user_.get(to).status, 404);
  EXPECT_TRUE(registry_.uploads().empty());
}

TEST_F(FakeRegistryTest, ASinglePost) {
  const std::string path = "/v2/a/blobs/uploads/?digest=";
  EXPECT_EQ(code(user_.send("POST", path + digest_, {}, "other")), "DIGEST_INVALID");
  const auto done = user_.send("POST", path + digest_, {}, text_);
  EXPECT_EQ(done.status, 201);
  EXPECT_EQ(registry_.blob("a", digest_), text_);

  registry_.configure([](RegistryOptions& options) { options.quirks.single_post = false; });
  const auto started = user_.send("POST", "/v2/b/blobs/uploads/?digest=" + digest_, {}, text_);
  EXPECT_EQ(started.status, 202);
  EXPECT_EQ(registry_.uploads().at(0).content, "");
  EXPECT_EQ(user_.finish(location(started), digest_, text_).status, 201);
}

TEST_F(FakeRegistryTest, ABlobIsMounted) {
  registry_.put_blob("base", text_);
  const std::string path = "/v2/a/blobs/uploads/?mount=" + digest_;
  EXPECT_EQ(user_.send("POST", path + "&from=other").status, 202);
  EXPECT_EQ(user_.send("POST", path).status, 202);
  EXPECT_TRUE(registry_.blobs("a").empty());
  EXPECT_EQ(user_.send("POST", path + "&from=base").status, 201);
  EXPECT_THAT(registry_.blobs("a"), ElementsAre(digest_));
}

TEST_F(FakeRegistryTest, AChunkedBodyIsTaken) {
  const http::Url to = http::parse_url(user_.start("a"));
  const Fd fd = connect_to_port(to.port);
  send_text(fd, "PATCH " + to.path + "?" + to.query + " HTTP/1.1\r\nHost: " + to.authority() +
                    "\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(read_head(fd), StartsWith("HTTP/1.1 100 "));
  send_text(fd, "4\r\n0123\r\n6;x=y\r\n45");
  send_text(fd, "6789\r\n0\r\nTrailer: 1\r\n\r\n");
  EXPECT_THAT(read_head(fd), StartsWith("HTTP/1.1 202 "));
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
  const RegistryRequest request = registry_.requests(RegistryOp::patch_upload).at(0);
  EXPECT_EQ(request.header("transfer-encoding"), "chunked");
  EXPECT_EQ(request.body_bytes, 10u);
  EXPECT_TRUE(request.complete);
}

TEST_F(FakeRegistryTest, WhatAClientLeftUnfinishedIsKept) {
  const http::Url to = http::parse_url(user_.start("a"));
  {
    const Fd fd = connect_to_port(to.port);
    send_text(fd, "PATCH " + to.path + "?" + to.query + " HTTP/1.1\r\nHost: " + to.authority() +
                      "\r\nContent-Length: 10\r\n\r\n0123");
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (registry_.uploads().at(0).content.empty() && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_EQ(registry_.uploads().at(0).content, "0123");
  const RegistryRequest request = registry_.requests(RegistryOp::patch_upload).at(0);
  EXPECT_EQ(request.body_bytes, 4u);
  EXPECT_FALSE(request.complete);
  EXPECT_EQ(request.status, 0);
}

TEST_F(FakeRegistryTest, TheLogHasWhatCame) {
  user_.authorization = "Bearer secret-token";
  const std::string to = user_.start("org/model");
  user_.patch(to, text_, {{"Content-Type", "application/octet-stream"}});
  EXPECT_THAT(registry_.operations(),
              ElementsAre(RegistryOp::start_upload, RegistryOp::patch_upload));
  const RegistryRequest request = registry_.requests().at(1);
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.repository, "org/model");
  EXPECT_EQ(request.reference, registry_.uploads().at(0).id);
  EXPECT_TRUE(request.parameter("_state"));
  EXPECT_FALSE(request.parameter("digest"));
  EXPECT_EQ(request.header("content-type"), "application/octet-stream");
  EXPECT_EQ(request.header("authorization"), "");
  EXPECT_EQ(request.authorization, "Bearer");
  EXPECT_EQ(request.body_bytes, 10u);
  EXPECT_EQ(request.status, 202);
}

TEST_F(FakeRegistryTest, ManyUploadsAtOnce) {
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      const std::string content(100'000, static_cast<char>('a' + i));
      RegistryUser user(registry_);
      std::string to = user.start("a");
      to = location(user.patch(to, std::string_view(content).substr(0, 60'000)));
      EXPECT_EQ(user.finish(to, FakeRegistry::digest_of(content),
                            std::string_view(content).substr(60'000))
                    .status,
                201);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry_.blobs("a").size(), static_cast<std::size_t>(kThreads));
}

}  // namespace
}  // namespace dray::test
