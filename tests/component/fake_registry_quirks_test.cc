// What registries in use do differently, as the fake registry does it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/fake_registry.h"
#include "tests/support/raw_socket.h"
#include "tests/support/registry_user.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class FakeRegistryQuirks : public testing::Test {
 protected:
  void be(const RegistryQuirks& quirks) {
    registry_.configure([&](RegistryOptions& options) { options.quirks = quirks; });
  }
  static std::string code(const http::Response& response) { return RegistryUser::code(response); }
  static std::string header(const http::Response& response, const std::string& name) {
    return RegistryUser::header(response, name);
  }
  static std::string location(const http::Response& response) {
    return RegistryUser::location(response);
  }
  /// An upload whose PATCH was cut after 4 of 10 bytes; its first Location.
  std::string cut_upload() {
    const std::string to = user_.start("a");
    registry_.fault({.op = RegistryOp::patch_upload, .cut_body = 4});
    EXPECT_ANY_THROW(user_.patch(to, text_));
    EXPECT_EQ(registry_.requests(RegistryOp::patch_upload).back().body_bytes, 4u);
    return to;
  }
  /// The answer to a PATCH of unstated length, up to the end of its head.
  std::string patch_chunked(const std::string& to, const std::string& body) {
    const http::Url url = http::parse_url(to);
    const Fd fd = connect_to_port(url.port);
    std::ostringstream size;
    size << std::hex << body.size();
    send_text(fd, "PATCH " + url.path + "?" + url.query + " HTTP/1.1\r\nHost: " + url.authority() +
                      "\r\nTransfer-Encoding: chunked\r\n\r\n" + size.str() + "\r\n" + body +
                      "\r\n0\r\n\r\n");
    return read_head(fd);
  }

  FakeRegistry registry_;
  RegistryUser user_{registry_};
  const std::string text_ = "0123456789";
  const std::string digest_ = FakeRegistry::digest_of(text_);
};

TEST_F(FakeRegistryQuirks, DockerRegistryCancelsWhatWasCut) {
  be(RegistryQuirks::docker28());
  const std::string to = cut_upload();
  EXPECT_EQ(registry_.uploads().at(0).content, "0123");
  const auto status = user_.get(to);
  EXPECT_EQ(status.status, 404);
  EXPECT_EQ(code(status), "BLOB_UPLOAD_INVALID");
  EXPECT_EQ(code(user_.get(to)), "BLOB_UPLOAD_UNKNOWN");
  EXPECT_TRUE(registry_.uploads().empty());
}

TEST_F(FakeRegistryQuirks, DockerRegistryTakesChunksAsTheyCome) {
  be(RegistryQuirks::docker28());
  std::string to = user_.start("a");
  auto answer = user_.patch(to, "0");
  EXPECT_EQ(header(answer, "Range"), "0-0");  // as for no byte at all
  answer = user_.chunk(location(answer), 77, "1");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(header(answer, "Range"), "0-1");
  EXPECT_EQ(user_.finish(location(answer), FakeRegistry::digest_of("01")).status, 201);
}

TEST_F(FakeRegistryQuirks, DockerRegistryHasNoReferrersAndNoSinglePost) {
  be(RegistryQuirks::docker28());
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/?digest=" + digest_, {}, text_).status, 202);
  const auto referrers = user_.get("/v2/a/referrers/" + digest_);
  EXPECT_EQ(referrers.status, 404);
  EXPECT_THAT(header(referrers, "Content-Type"), StartsWith("text/plain"));
}

TEST_F(FakeRegistryQuirks, DistributionGoesOnAfterACut) {
  be(RegistryQuirks::distribution3());
  const std::string to = cut_upload();
  const auto status = user_.get(to);
  EXPECT_EQ(status.status, 204);
  EXPECT_EQ(header(status, "Range"), "0-3");
  EXPECT_EQ(user_.patch(to, "456789").status, 416);
  EXPECT_EQ(user_.finish(to, digest_).status, 416);
  const auto patched = user_.chunk(location(status), 4, "456789");
  EXPECT_EQ(patched.status, 202);
  EXPECT_EQ(user_.finish(location(patched), digest_).status, 201);
}

TEST_F(FakeRegistryQuirks, QuayIsOffByOne) {
  be(RegistryQuirks::quay());
  const auto started = user_.send("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(header(started, "Range"), "bytes=0--1");
  const std::string to = location(started);
  EXPECT_EQ(to.find('?'), std::string::npos);
  EXPECT_EQ(header(user_.get(to), "Range"), "bytes=0-0");
  EXPECT_EQ(header(user_.chunk(to, 0, "0123"), "Range"), "0-3");
  const auto status = user_.get(to);
  EXPECT_EQ(header(status, "Range"), "bytes=0-4");
  EXPECT_FALSE(status.headers.has("Location"));
  EXPECT_EQ(header(user_.chunk(to, 5, "5"), "Range"), "0-4");
}

TEST_F(FakeRegistryQuirks, QuaySkipsWhatItHasAndGoesOnAfterACut) {
  be(RegistryQuirks::quay());
  const std::string to = cut_upload();
  EXPECT_EQ(registry_.uploads().at(0).content, "0123");
  EXPECT_EQ(header(user_.chunk(to, 2, "234567"), "Range"), "0-7");
  EXPECT_EQ(header(user_.chunk(to, 1, "12"), "Range"), "0-7");
  EXPECT_EQ(user_.finish(to, digest_, "89").status, 201);
}

TEST_F(FakeRegistryQuirks, QuayEndsAnUploadWhosePutFails) {
  be(RegistryQuirks::quay());
  const std::string to = user_.start("a");
  user_.fresh = true;
  registry_.fault({.op = RegistryOp::finish_upload, .cut_body = 4});
  EXPECT_ANY_THROW(user_.finish(to, digest_, text_));
  EXPECT_TRUE(registry_.uploads().empty());
  EXPECT_EQ(code(user_.finish(user_.start("a"), digest_, "other")), "BLOB_UPLOAD_INVALID");
}

TEST_F(FakeRegistryQuirks, QuayHasALargestLayer) {
  be(RegistryQuirks::quay(9));
  const std::string to = user_.start("a");
  EXPECT_EQ(user_.finish(to, digest_, text_).status, 413);
  EXPECT_EQ(user_.chunk(to, 0, "01234567").status, 202);
  EXPECT_EQ(user_.chunk(to, 8, "89").status, 413);
  EXPECT_EQ(user_.patch(to, "89").status, 413);
  EXPECT_EQ(user_.patch(to, "8").status, 202);
  EXPECT_EQ(user_.send("POST", "/v2/a/blobs/uploads/?digest=" + digest_, {}, text_).status, 413);
  EXPECT_THAT(patch_chunked(user_.start("a"), text_ + text_.substr(1)),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(FakeRegistryQuirks, HarborHasReferrers) {
  be(RegistryQuirks::harbor());
  EXPECT_EQ(user_.get("/v2/a/referrers/" + digest_).status, 200);
  const std::string to = cut_upload();
  EXPECT_EQ(code(user_.get(to)), "BLOB_UPLOAD_INVALID");
}

TEST_F(FakeRegistryQuirks, ZotForgetsWhatWasCut) {
  be(RegistryQuirks::zot());
  EXPECT_THAT(user_.start("a"), StartsWith("/v2/a/blobs/uploads/"));
  const std::string to = cut_upload();
  EXPECT_EQ(code(user_.get(to)), "BLOB_UPLOAD_UNKNOWN");
  EXPECT_EQ(registry_.uploads().size(), 1u);  // the other one
}

TEST_F(FakeRegistryQuirks, SomeLoseWhatTheCutRequestBrought) {
  RegistryQuirks quirks;
  quirks.after_cut = AfterCut::loses_bytes;
  be(quirks);
  const std::string to = cut_upload();
  EXPECT_EQ(registry_.uploads().at(0).content, "");
  EXPECT_EQ(user_.finish(to, digest_, text_).status, 201);
}

TEST_F(FakeRegistryQuirks, GhcrWantsNoLargeSizedPatch) {
  be(RegistryQuirks::ghcr(9));
  const std::string path = user_.start("a");
  EXPECT_EQ(user_.patch(path, text_).status, 416);
  EXPECT_EQ(user_.finish(path, digest_, text_).status, 201);
  const std::string to = registry_.url() + user_.start("a");
  EXPECT_THAT(patch_chunked(to, text_), StartsWith("HTTP/1.1 202 "));
  EXPECT_EQ(registry_.uploads().at(0).content, text_);
}

TEST_F(FakeRegistryQuirks, EcrAnswers201AndHasALeastChunk) {
  be(RegistryQuirks::ecr(4));
  EXPECT_EQ(code(user_.send("POST", "/v2/a/blobs/uploads/")), "NAME_UNKNOWN");
  registry_.make_repository("a");
  const auto started = user_.send("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(header(started, "OCI-Chunk-Min-Length"), "4");
  auto answer = user_.chunk(location(started), 0, "01234");
  EXPECT_EQ(answer.status, 201);
  answer = user_.chunk(location(answer), 5, "567");
  EXPECT_EQ(answer.status, 201);  // it could be the last one
  EXPECT_EQ(code(user_.chunk(location(answer), 8, "89")), "SIZE_INVALID");
  EXPECT_EQ(user_.finish(location(answer), digest_, "89").status, 201);
}

TEST_F(FakeRegistryQuirks, GoogleTakesOnePatchOnly) {
  for (const int status : {416, 405}) {
    RegistryQuirks quirks = RegistryQuirks::google();
    quirks.extra_patch_status = status;
    be(quirks);
    const auto first = user_.patch(user_.start("a"), "01234");
    EXPECT_EQ(first.status, 202);
    EXPECT_EQ(user_.patch(location(first), "56789").status, status);
    EXPECT_EQ(user_.finish(location(first), digest_, "56789").status, 201);
  }
}

TEST_F(FakeRegistryQuirks, ArtifactoryAndCraneAnswerPatchDifferently) {
  be(RegistryQuirks::artifactory());
  EXPECT_EQ(user_.patch(user_.start("a"), "0").status, 200);
  be(RegistryQuirks::artifactory(204));
  const auto patched = user_.patch(user_.start("a"), text_);
  EXPECT_EQ(patched.status, 204);
  EXPECT_EQ(user_.finish(location(patched), digest_).status, 201);

  be(RegistryQuirks::crane());
  const std::string to = user_.start("b");
  EXPECT_EQ(user_.patch(to, text_).status, 204);
  EXPECT_EQ(user_.get(to).status, 400);
  EXPECT_EQ(user_.finish(to, digest_).status, 201);
  EXPECT_EQ(user_.send("POST", "/v2/b/blobs/uploads/?mount=" + digest_ + "&from=a").status, 202);
}

TEST_F(FakeRegistryQuirks, AProxyRefusesLargeBodiesWithAPage) {
  be(RegistryQuirks::cloudflare(1'000'000));
  const std::string large(2'000'000, 'x');
  const std::string to = user_.start("a");
  const auto refused = user_.patch(to, large);
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(header(refused, "Content-Type"), StartsWith("text/html"));
  EXPECT_EQ(code(refused), "");
  const RegistryRequest request = registry_.requests(RegistryOp::patch_upload).at(0);
  EXPECT_TRUE(request.refused);
  EXPECT_EQ(request.body_bytes, 0u);
  const std::string half(1'000'000, 'x');
  const auto one = user_.chunk(to, 0, half);
  const auto two = user_.chunk(location(one), 1'000'000, half);
  EXPECT_EQ(user_.finish(location(two), FakeRegistry::digest_of(large)).status, 201);
}

TEST_F(FakeRegistryQuirks, SomeReadTheBodyBeforeTheyRefuse) {
  RegistryQuirks quirks = RegistryQuirks::cloudflare(5);
  quirks.early_refusals = false;
  be(quirks);
  EXPECT_EQ(user_.patch(user_.start("a"), text_).status, 413);
  const RegistryRequest request = registry_.requests(RegistryOp::patch_upload).at(0);
  EXPECT_FALSE(request.refused);
  EXPECT_EQ(request.body_bytes, 10u);
  EXPECT_EQ(registry_.uploads().at(0).content, "");
}

TEST_F(FakeRegistryQuirks, UploadsCanLieAtAnotherHost) {
  RegistryQuirks quirks;
  quirks.uploads_elsewhere = true;
  be(quirks);
  registry_.configure([](RegistryOptions& options) { options.auth = RegistryAuth::basic(); });
  user_.authorization = "Basic cm9ib3Q6cmVnaXN0cnktcGFzc3dvcmQ=";
  const std::string to = user_.start("a");
  EXPECT_THAT(to, StartsWith(registry_.storage_url() + "/v2/a/blobs/uploads/"));
  user_.authorization = "";
  EXPECT_EQ(user_.finish(to, digest_, text_).status, 201);
  EXPECT_EQ(registry_.requests().back().host, RegistryRequest::Host::storage);
  EXPECT_FALSE(registry_.credentials_leaked());
  EXPECT_EQ(user_.get(registry_.storage_url() + "/v2/a/blobs/" + digest_).status, 404);
}

TEST_F(FakeRegistryQuirks, DigestsCanBeUnstated) {
  RegistryQuirks quirks;
  quirks.digest_header = false;
  be(quirks);
  registry_.put_blob("a", text_);
  EXPECT_FALSE(user_.get("/v2/a/blobs/" + digest_).headers.has("Docker-Content-Digest"));
  const auto done = user_.finish(user_.start("a"), digest_, text_);
  EXPECT_EQ(done.status, 201);
  EXPECT_FALSE(done.headers.has("Docker-Content-Digest"));
}

TEST_F(FakeRegistryQuirks, RangesCanBeUnknown) {
  RegistryQuirks quirks;
  quirks.ranges = false;
  be(quirks);
  registry_.put_blob("a", text_);
  const auto whole = user_.get("/v2/a/blobs/" + digest_, {{"Range", "bytes=2-3"}});
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, text_);
}

class FakeRegistryRedirects : public FakeRegistryQuirks {
 protected:
  FakeRegistryRedirects() {
    be(RegistryQuirks::redirecting());
    registry_.configure(
        [this](RegistryOptions& options) { options.now = [this] { return now_; }; });
    registry_.put_blob("a", text_);
  }
  std::string link() { return location(user_.get("/v2/a/blobs/" + digest_)); }
  void quirk(const std::function<void(RegistryQuirks&)>& change) {
    registry_.configure([&](RegistryOptions& options) { change(options.quirks); });
  }
  std::int64_t now_ = 1000;
};

TEST_F(FakeRegistryRedirects, LeadToTheOtherHost) {
  const auto redirect = user_.get("/v2/a/blobs/" + digest_);
  EXPECT_EQ(redirect.status, 307);
  EXPECT_THAT(location(redirect), StartsWith(registry_.storage_url() + "/blobs/" + digest_));
  EXPECT_EQ(user_.get(location(redirect)).body, text_);
  EXPECT_EQ(user_.get(location(redirect), {{"Range", "bytes=3-5"}}).body, "345");
  EXPECT_EQ(user_.send("HEAD", location(redirect)).status, 403);
  EXPECT_EQ(user_.send("HEAD", "/v2/a/blobs/" + digest_).status, 200);
  quirk([](RegistryQuirks& quirks) { quirks.redirects_head = true; });
  const auto head = user_.send("HEAD", "/v2/a/blobs/" + digest_);
  EXPECT_EQ(head.status, 307);
  EXPECT_EQ(user_.send("HEAD", location(head)).status, 200);
  EXPECT_EQ(user_.get(registry_.storage_url() + "/blobs/" + digest_).status, 403);
}

TEST_F(FakeRegistryRedirects, DoNotTakeCredentialsAlong) {
  const std::string to = link();
  EXPECT_EQ(user_.get(to).status, 200);
  EXPECT_FALSE(registry_.credentials_leaked());
  user_.authorization = "Bearer x";
  EXPECT_EQ(user_.get(to).status, 400);
  EXPECT_TRUE(registry_.credentials_leaked());
}

TEST_F(FakeRegistryRedirects, End) {
  std::string to = link();
  registry_.expire_links();
  EXPECT_EQ(user_.get(to).status, 403);
  quirk([](RegistryQuirks& quirks) { quirks.link_uses = 2; });
  to = link();
  EXPECT_EQ(user_.get(to).status, 200);
  EXPECT_EQ(user_.get(to).status, 200);
  EXPECT_EQ(user_.get(to).status, 403);
  quirk([](RegistryQuirks& quirks) {
    quirks.link_uses = 0;
    quirks.link_life = std::chrono::seconds(30);
  });
  to = link();
  now_ += 29;
  EXPECT_EQ(user_.get(to).status, 200);
  now_ += 1;
  EXPECT_EQ(user_.get(to).status, 403);
}

}  // namespace
}  // namespace dray::test
