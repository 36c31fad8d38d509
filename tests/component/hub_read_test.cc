// The Hub client against a Hub in memory: how the bytes of files come, where its token goes on the
// way, and what wrong ones are.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/component/hub_client_fixture.h"

namespace dray::hub {
namespace {

using test::HubQuirks;
using test::RawRequest;
using test::RawResponse;

TEST_F(HubClient, BytesComeFromTheSignedLinkWithoutTheToken) {
  Client c = client();
  const RepoFile file = large(c);
  EXPECT_EQ(read(c, file, 0, 1000), large_.substr(0, 1000));
  EXPECT_EQ(read(c, file, 299'000, 1000), large_.substr(299'000));
  EXPECT_EQ(read(c, file, 5, 7), large_.substr(5, 7));
  EXPECT_EQ(hub_.count("GET", "/resolve/"), 1u) << "the link was not remembered";
  EXPECT_EQ(hub_.cdn_requests().size(), 3u);
  EXPECT_FALSE(hub_.token_leaked());
}

TEST_F(HubClient, ManyReadersAskForOneLink) {
  Client c = client();
  const RepoFile file = large(c);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 8; ++i)
      readers.emplace_back([&, i] {
        const std::size_t offset = static_cast<std::size_t>(i) * 30'000;
        right += read(c, file, offset, 30'000) == large_.substr(offset, 30'000);
      });
  }
  EXPECT_EQ(right, 8);
  EXPECT_EQ(hub_.count("GET", "/resolve/"), 1u);
  EXPECT_EQ(hub_.count("HEAD", ""), 0u);
}

TEST_F(HubClient, AnExpiredLinkIsFoundAgainAndReadingGoesOn) {
  Client c = client();
  const RepoFile file = large(c);
  hub_.link_uses(2);
  std::string all;
  for (std::size_t at = 0; at < large_.size(); at += 50'000) all += read(c, file, at, 50'000);
  EXPECT_EQ(all, large_);
  EXPECT_EQ(hub_.count("GET", "/resolve/"), 3u);
  EXPECT_FALSE(hub_.token_leaked());
}

TEST_F(HubClient, AHostThatRefusesFreshLinksEndsInAnErrorAndNotInALoop) {
  Client c = client();
  const RepoFile file = large(c);
  read(c, file, 0, 10);
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response = {.status = 403}; });
  const Error error = error_of([&] { read(c, file, 0, 10); });
  EXPECT_EQ(error.code(), Code::server);
  EXPECT_EQ(error.http_status(), 403);
  EXPECT_TRUE(error.retryable());
  EXPECT_EQ(hub_.count("GET", "/resolve/"), 2u);
  EXPECT_EQ(std::string(error.what()).find("Signature"), std::string::npos);
}

TEST_F(HubClient, ARelativeRedirectKeepsTheToken) {
  const std::string commit =
      hub_.put({.id = "org/secret",
                .files = {test::git_file("sub dir/config.json", "{\"a\":1}")},
                .is_private = true});
  hub_.quirks({.resolve_cache = true});
  Client c = client();
  Buffer out(7);
  c.read({"org/secret", commit}, {.path = "sub dir/config.json", .size = 7}, 0, out, {});
  EXPECT_EQ(as_text(out), "{\"a\":1}");
  EXPECT_EQ(hub_.count("GET", "/api/resolve-cache/"), 1u);
}

TEST_F(HubClient, AWayThatLeftTheHubGetsNoTokenWhenItComesBack) {
  Client c = client();
  const RepoFile file = large(c);
  hub_.cdn_fault([&](const RawRequest&, RawResponse& response) {
    response = {.status = 302,
                .headers = {{"Location", hub_.url() + "/org/model/resolve/main/config.json"}}};
  });
  error_of([&] { read(c, file, 0, 10); });
  const RawRequest last = hub_.hub_requests().back();
  EXPECT_EQ(last.path, "/org/model/resolve/main/config.json");
  EXPECT_EQ(last.header("authorization"), "");
}

TEST_F(HubClient, ABrokenRedirectIsAnError) {
  Client c = client();
  for (const char* location : {"", "http://", "ftp://host/x", "http://user:geheim@127.0.0.1/"}) {
    hub_.hub_fault([&](const RawRequest&, RawResponse& response) {
      response = {.status = 302};
      if (*location != '\0') response.headers.emplace_back("Location", location);
    });
    const Error error = error_of([&] { read(c, {.path = "config.json", .size = 2}, 0, 2); });
    EXPECT_EQ(error.code(), Code::malformed) << location;
    EXPECT_EQ(std::string(error.what()).find("geheim"), std::string::npos);
  }
}

TEST(HubRedirect, FromHttpsToPlainHttpIsNotFollowed) {
  http::Request request;
  request.url = http::parse_url("https://huggingface.co/org/model/resolve/main/x");
  http::Response response;
  response.status = 302;
  response.headers.set("Location", "http://cdn.example/x");
  EXPECT_THROW(redirect_target(request, response), Error);
  response.headers.set("Location", "http://127.0.0.1:8080/x");
  EXPECT_EQ(redirect_target(request, response).host, "127.0.0.1");
  response.headers.set("Location", "//other.example/x?a=b");
  EXPECT_EQ(redirect_target(request, response).text(), "https://other.example/x?a=b");
}

TEST_F(HubClient, AThrottledReadCarriesTheWait) {
  Client c = client();
  hub_.hub_fault([](const RawRequest&, RawResponse& response) {
    response = {.status = 429, .headers = {{"RateLimit", "\"resolvers\";r=0;t=9"}}};
  });
  const Error error = error_of([&] { read(c, {.path = "config.json", .size = 2}, 0, 2); });
  EXPECT_EQ(error.code(), Code::throttled);
  EXPECT_EQ(error.retry_after(), std::chrono::seconds(10));
  EXPECT_TRUE(waits_.empty()) << "reads are not retried inside";
}

TEST_F(HubClient, AFileThatChangesWhileReadIsAPermanentError) {
  Client c = client(false);
  hub_.quirks({.commit_header = false});
  pin_.commit = "main";
  const RepoFile file{.path = "config.json", .size = 2};
  EXPECT_EQ(read(c, file, 0, 2), "{}");
  hub_.put({.id = "org/model", .files = {test::git_file("config.json", "[]")}});
  Error error = error_of([&] { read(c, file, 0, 2); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_FALSE(error.retryable());

  hub_.put({.id = "org/model", .files = {test::git_file("config.json", "{\"a\":2}")}});
  Client fresh = client(false);
  error = error_of([&] { read(fresh, file, 0, 2); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("7 bytes"), std::string::npos) << error.what();
}

TEST_F(HubClient, AnAnswerOfAnotherCommitOrDigestIsRefusedBeforeItsBytes) {
  Client c = client();
  RepoFile file = large(c);
  file.sha256 = std::string(64, '0');
  EXPECT_EQ(error_of([&] { read(c, file, 0, 10); }).code(), Code::verification);
  EXPECT_TRUE(hub_.cdn_requests().empty());
  hub_.hub_fault([](const RawRequest&, RawResponse& response) {
    for (auto& [name, value] : response.headers)
      if (name == "X-Repo-Commit") value = std::string(40, '1');
  });
  EXPECT_EQ(error_of([&] { read(c, {.path = "config.json", .size = 2}, 0, 2); }).code(),
            Code::verification);
}

TEST_F(HubClient, ADownloadHostWithAnotherSizeIsAPermanentError) {
  Client c = client();
  RepoFile file = large(c);
  hub_.quirks({.linked_headers = false});
  file.size = *file.size + 1;
  const Error error = error_of([&] { read(c, file, 0, 10); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_FALSE(error.retryable());
}

TEST_F(HubClient, AWrongRangeMayComeRightNextTime) {
  Client c = client();
  const RepoFile file = large(c);
  std::atomic<int> calls = 0;
  hub_.cdn_fault([&](const RawRequest&, RawResponse& response) {
    if (calls++ > 0) return;
    for (auto& [name, value] : response.headers)
      if (name == "Content-Range") value = "bytes 7-16/300000";
  });
  const Error error = error_of([&] { read(c, file, 0, 10); });
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_TRUE(error.retryable());
  EXPECT_EQ(read(c, file, 0, 10), large_.substr(0, 10));
}

TEST_F(HubClient, PointersInPlaceOfContentAreNamed) {
  hub_.quirks({.cdn = false, .pointers = true});
  Client c = client();
  const RepoFile file = large(c);
  const Error error = error_of([&] { read(c, file, 0, 1000); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("LFS pointer"), std::string::npos) << error.what();
}

TEST_F(HubClient, CutAndStalledBodiesAreTransient) {
  Client c = client();
  const RepoFile file = large(c);
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.reset_after = 100; });
  EXPECT_EQ(error_of([&] { read(c, file, 0, 1000); }).retry(), Retry::yes);
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.close_after = 100; });
  EXPECT_EQ(error_of([&] { read(c, file, 0, 1000); }).retry(), Retry::yes);
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.drop = true; });
  EXPECT_EQ(error_of([&] { read(c, file, 0, 1000); }).retry(), Retry::yes);
  hub_.cdn_fault(nullptr);
  EXPECT_EQ(read(c, file, 0, 1000), large_.substr(0, 1000));
}

TEST_F(HubClient, WhereRangesAreIgnoredReadsStillGiveTheRange) {
  hub_.quirks({.ranges = false});
  Client c = client();
  const RepoFile file = large(c);
  EXPECT_FALSE(c.probe(pin_, file, {}));
  EXPECT_EQ(read(c, file, 200'000, 50'000), large_.substr(200'000, 50'000));
  EXPECT_EQ(read(c, file, 0, large_.size()), large_);
  EXPECT_EQ(read(c, listed(c, "config.json"), 1, 1), "}");
}

TEST_F(HubClient, AStreamGivesTheWholeFileOrUntilItIsEnough) {
  Client c = client();
  const RepoFile file = large(c);
  std::string got;
  const auto take = [&](Bytes bytes) {
    got += as_text(bytes);
    return true;
  };
  c.stream(pin_, file, take, {});
  EXPECT_EQ(got, large_);
  std::size_t pieces = 0;
  c.stream(pin_, file, [&](Bytes) { return ++pieces < 2; }, {});
  EXPECT_EQ(pieces, 2u);
  EXPECT_THROW(c.stream(pin_, file, [](Bytes) -> bool { throw Error(Code::storage, "full"); }, {}),
               Error);
}

TEST_F(HubClient, AStreamOfAnotherLengthIsAnError) {
  hub_.quirks({.ranges = false});
  Client c = client();
  const RepoFile file = large(c);
  const auto drop = [](Bytes) { return true; };
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.close_after = 1000; });
  EXPECT_EQ(error_of([&] { c.stream(pin_, file, drop, {}); }).code(), Code::network);
  for (const std::size_t size : {large_.size() - 1, large_.size() + 1}) {
    hub_.cdn_fault([&](const RawRequest&, RawResponse& response) {
      response.headers.clear();
      response.body.resize(size);
    });
    const Error error = error_of([&] { c.stream(pin_, file, drop, {}); });
    EXPECT_EQ(error.code(), Code::verification) << size;
    EXPECT_FALSE(error.retryable());
  }
}

TEST_F(HubClient, FactsComeByHeadOrByOneByte) {
  struct Case {
    HubQuirks quirks;
    std::string path;
    std::uint64_t size;
    bool etag;
  };
  for (const auto& [quirks, path, size, etag] : {
           Case{{}, "a b/m\xc3\xa9.safetensors", large_.size(), true},
           Case{{.head = false}, "a b/m\xc3\xa9.safetensors", large_.size(), true},
           Case{{.linked_headers = false}, "a b/m\xc3\xa9.safetensors", large_.size(), false},
           Case{{.head = false, .ranges = false, .cdn = false},
                "a b/m\xc3\xa9.safetensors",
                large_.size(),
                true},
           Case{{.etags = false}, "config.json", 2, false},
           Case{{.quoted_etags = false}, "config.json", 2, true},
           Case{{}, "empty", 0, true},
           Case{{.head = false}, "empty", 0, false},
       }) {
    hub_.quirks(quirks);
    Client c = client();
    const FileFacts facts = c.facts(pin_, path, {});
    EXPECT_EQ(facts.size, size) << path;
    EXPECT_EQ(!facts.etag.empty(), etag) << path;
    if (!facts.etag.empty()) {
      EXPECT_EQ(facts.etag.find('"'), std::string::npos);
      EXPECT_EQ(facts.commit, commit_);
    }
  }
  EXPECT_FALSE(hub_.token_leaked());
}

TEST_F(HubClient, AMissingFileIsNamed) {
  Client c = client();
  const Error error = error_of([&] { c.facts(pin_, "nothing.bin", {}); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find("nothing.bin"), std::string::npos);
}

TEST_F(HubClient, ProbingAnEmptyFileFetchesNothing) {
  Client c = client();
  EXPECT_TRUE(c.probe(pin_, listed(c, "empty"), {}));
}

TEST_F(HubClient, AFileOfMoreThan50GbIsReadInBoundedRanges) {
  constexpr std::uint64_t size = std::uint64_t{60} << 30;
  test::FakeFile huge{.path = "huge.safetensors", .lfs = true, .produced_size = size};
  huge.sha256 = std::string(64, 'c');
  huge.produce = [](std::uint64_t offset, MutableBytes out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::byte((offset + i) % 251);
  };
  pin_ = {"org/huge", hub_.put({.id = "org/huge", .files = {huge}})};
  Client c = client();
  const RepoFile file = listed(c, "huge.safetensors");
  EXPECT_EQ(file.size, size);
  EXPECT_TRUE(c.probe(pin_, file, {}));
  const std::string end = read(c, file, size - 1000, 1000);
  EXPECT_EQ(static_cast<unsigned char>(end.back()), (size - 1) % 251);
}

TEST_F(HubClient, StoppingEndsAReadThatWaits) {
  Client c = client();
  const RepoFile file = large(c);
  std::stop_source source;
  hub_.cdn_fault([&](const RawRequest&, RawResponse& response) {
    response.stall_after = 10;
    std::stop_source(source).request_stop();
  });
  Buffer out(1000);
  EXPECT_EQ(error_of([&] { c.read(pin_, file, 0, out, source.get_token()); }).code(),
            Code::cancelled);
}

}  // namespace
}  // namespace dray::hub
