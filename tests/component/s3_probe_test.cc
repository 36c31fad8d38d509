// Finding out what an endpoint honours, and remembering it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/store/endpoint_cache.h"
#include "dray/store/multipart_etag.h"
#include "dray/store/probe.h"
#include "tests/support/s3_store_place.h"
#include "tests/support/temp_folder.h"

namespace dray::test {
namespace {

using testing::IsEmpty;

const std::stop_token kGo;
constexpr const char* kBucket = "bucket";

class S3Probe : public testing::Test {
 protected:
  void serve(FakeS3Options options = {}) {
    service_ = std::make_unique<FakeS3>(std::move(options));
    service_->make_bucket(kBucket);
    with_ = fake_store_options(*service_, kBucket);
  }
  S3Capabilities probe() {
    s3::Client client(with_.client);
    return probe_endpoint(client, "p/.dray/probe/", with_.client.retry, kGo);
  }
  void expect_clean() const {
    EXPECT_THAT(service_->objects(kBucket), IsEmpty());
    EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
  }
  std::unique_ptr<FakeS3> service_;
  S3StoreOptions with_;
};

TEST_F(S3Probe, AnEndpointThatHonoursAll) {
  serve();
  const S3Capabilities found = probe();
  EXPECT_EQ(found.crc64, (ChecksumSupport{true, true, true, false, true}));
  EXPECT_EQ(found.part_checksum(), s3::ChecksumKind::crc64nvme);
  EXPECT_EQ(found.crc32c, ChecksumSupport{}) << "not needed, not asked";
  EXPECT_TRUE(found.checks_md5);
  EXPECT_FALSE(found.needs_md5);
  EXPECT_TRUE(found.put_if_absent);
  EXPECT_TRUE(found.complete_if_absent);
  EXPECT_TRUE(found.md5_etags);
  expect_clean();
}

TEST_F(S3Probe, AnEndpointThatHonoursNothing) {
  serve(careless_s3());
  const S3Capabilities found = probe();
  S3Capabilities nothing;
  nothing.crc64.taken = nothing.crc32c.taken = true;
  EXPECT_EQ(found, nothing);
  expect_clean();
}

TEST_F(S3Probe, EachPromiseIsFoundByItself) {
  serve(careless_s3());
  service_->configure([](FakeS3Options& o) { o.put_conditions = true; });
  EXPECT_TRUE(probe().put_if_absent);
  EXPECT_FALSE(probe().complete_if_absent);
  service_->configure([](FakeS3Options& o) {
    o.put_conditions = false;
    o.complete_conditions = true;
  });
  EXPECT_FALSE(probe().put_if_absent);
  EXPECT_TRUE(probe().complete_if_absent);
  service_->configure([](FakeS3Options& o) {
    o.complete_conditions = false;
    o.content_md5 = true;
  });
  EXPECT_TRUE(probe().checks_md5);
  EXPECT_FALSE(probe().checks_objects());
  service_->configure([](FakeS3Options& o) { o.md5_part_etags = true; });
  EXPECT_TRUE(probe().md5_etags);
  expect_clean();
}

TEST_F(S3Probe, AnEndpointThatRefusesTheChecksumHeader) {
  serve();
  service_->before([](const RawRequest& request, const std::string&, int) {
    std::optional<RawResponse> out;
    if (!request.header("x-amz-checksum-crc64nvme").empty())
      out = FakeS3::error(400, "InvalidRequest");
    return out;
  });
  const S3Capabilities found = probe();
  EXPECT_FALSE(found.crc64.taken);
  EXPECT_TRUE(found.crc32c.whole) << "the second choice";
  EXPECT_FALSE(found.needs_md5);
  EXPECT_TRUE(found.checks_md5);
  expect_clean();
}

TEST_F(S3Probe, AnEndpointThatChecksObjectsButKnowsNoChecksumsOfUploads) {
  serve();
  service_->before([](const RawRequest& request, const std::string& op, int) {
    std::optional<RawResponse> out;
    if (op == "CreateMultipartUpload" && !request.header("x-amz-checksum-algorithm").empty())
      out = FakeS3::error(501, "NotImplemented");
    return out;
  });
  const S3Capabilities found = probe();
  EXPECT_TRUE(found.crc64.objects);
  EXPECT_FALSE(found.crc64.parts);
  EXPECT_FALSE(found.part_checksum());
  EXPECT_TRUE(found.complete_if_absent);
  expect_clean();
}

TEST_F(S3Probe, Crc32cIsTheSecondChoice) {
  FakeS3Options options;
  options.crc64nvme = false;
  serve(options);
  S3Capabilities found = probe();
  EXPECT_FALSE(found.crc64.objects);
  EXPECT_EQ(found.crc32c, (ChecksumSupport{true, true, true, false, true}));
  EXPECT_EQ(found.object_checksum(), s3::ChecksumKind::crc32c);
  expect_clean();
  service_->configure([](FakeS3Options& o) { o = FakeS3Options::old_checksums(); });
  found = probe();
  EXPECT_EQ(found.crc32c, (ChecksumSupport{true, true, true, true, false}));
  EXPECT_TRUE(found.complete_if_absent);
  expect_clean();
}

TEST_F(S3Probe, ACompositeChecksumThatIsAnotherThanOursIsNotReliedOn) {
  serve(FakeS3Options::old_checksums());
  service_->after([](const RawRequest&, const std::string& op, int, RawResponse& answer) {
    if (op != "CompleteMultipartUpload") return;
    const auto at = answer.body.find("<ChecksumCRC32C>");
    if (at != std::string::npos) answer.body.replace(at + 16, 4, "AAAA");
  });
  EXPECT_FALSE(probe().part_checksum());
  expect_clean();
}

TEST_F(S3Probe, HowRangesAreCopied) {
  const auto probed = [&](FakeS3Options options) {
    serve(std::move(options));
    s3::Client client(with_.client);
    const S3Capabilities can = probe();
    service_->put(kBucket, "source", std::string(6 << 20, 'x') + "tail");
    const auto found =
        probe_range_copies(client, "p/.dray/probe/", can, "source",
                           service_->object(kBucket, "source")->etag, with_.client.retry, kGo);
    service_->erase(kBucket, "source");
    expect_clean();
    return found;
  };
  EXPECT_EQ(probed({}), (RangeCopySupport{true, true, true, true}));
  EXPECT_EQ(probed(FakeS3Options::rgw16()), (RangeCopySupport{true, true, false, false}));
  EXPECT_EQ(probed(FakeS3Options::old_checksums()), (RangeCopySupport{true, true, true, false}));
  FakeS3Options options;
  options.right_copy_checksums = false;
  EXPECT_EQ(probed(options), (RangeCopySupport{true, true, true, false}));
  options.copies_ranges = false;
  EXPECT_EQ(probed(options), (RangeCopySupport{true, false, false, false}));
}

TEST_F(S3Probe, ASourceThatIsGoneSaysNothingAboutCopies) {
  serve();
  s3::Client client(with_.client);
  EXPECT_THROW(probe_range_copies(client, "p/.dray/probe/", probe(), "none", "\"e\"",
                                  with_.client.retry, kGo),
               Error);
  expect_clean();
}

TEST_F(S3Probe, ABucketWithObjectLockThatWantsMd5) {
  serve();
  service_->before([](const RawRequest& request, const std::string& op, int) {
    std::optional<RawResponse> out;
    if ((op == "PutObject" || op == "UploadPart") && request.header("content-md5").empty())
      out = FakeS3::error(400, "InvalidRequest");
    return out;
  });
  const S3Capabilities found = probe();
  EXPECT_TRUE(found.needs_md5);
  EXPECT_TRUE(found.crc64.objects);
  expect_clean();
}

TEST_F(S3Probe, TroubleOnTheWayIsNoFinding) {
  serve();
  service_->fail("PutObject", 503, "SlowDown", 2);
  service_->fail("UploadPart", 500, "InternalError", 1);
  EXPECT_TRUE(probe().put_if_absent);
  service_->lose_answers("CompleteMultipartUpload", 1);
  probe();
  expect_clean();
}

TEST_F(S3Probe, AFailureLeavesNothingBehind) {
  serve();
  service_->fail("CompleteMultipartUpload", 403, "AccessDenied", 1000);
  EXPECT_THROW(probe(), Error);
  expect_clean();
}

// ---- remembering ----

class S3EndpointCache : public S3Probe {
 protected:
  void SetUp() override {
    serve();
    file_ = folder_.path() / "sub" / "endpoints.json";
    with_.endpoint_cache = file_;
    with_.client.now = [this] { return unix_now() + later_; };
  }
  int probes() {
    S3Store(with_).capabilities(kGo);
    return service_->count("CreateMultipartUpload") / kUploadsOfAProbe;
  }
  static constexpr int kUploadsOfAProbe = 3;
  TempFolder folder_;
  std::filesystem::path file_;
  UnixTime later_ = 0;
};

TEST_F(S3EndpointCache, EachEndpointAndBucketIsAskedOnce) {
  EXPECT_EQ(probes(), 1);
  EXPECT_EQ(probes(), 1);
  service_->make_bucket("other");
  with_.client.bucket = "other";
  EXPECT_EQ(probes(), 2);
  with_.client.bucket = kBucket;
  EXPECT_EQ(probes(), 2);
}

TEST_F(S3EndpointCache, WhatIsReadIsWhatWasFound) {
  EndpointCache cache(file_);
  S3Capabilities found;
  found.checks_md5 = found.complete_if_absent = found.crc32c.composite = true;
  found.range_copies = {true, true, false, true};
  EXPECT_FALSE(cache.find("https://h/b"));
  cache.remember("https://h/b", found);
  EXPECT_EQ(EndpointCache(file_).find("https://h/b"), found);
  EXPECT_FALSE(cache.find("https://h/c"));
  cache.forget("https://h/b");
  EXPECT_FALSE(cache.find("https://h/b"));
}

TEST_F(S3EndpointCache, AWeekLaterItIsAskedAnew) {
  UnixTime now = 1'000'000'000;
  EndpointCache cache(file_, [&] { return now; });
  cache.remember("a", {});
  now += 7 * 24 * 3600 - 1;
  EXPECT_TRUE(cache.find("a"));
  now += 2;
  EXPECT_FALSE(cache.find("a"));
  cache.remember("b", {});
  EXPECT_EQ(read_file(file_)->find("\"a\""), std::string::npos) << "what is old goes";
  now -= 30 * 24 * 3600;
  EXPECT_FALSE(cache.find("b")) << "from the future";
}

TEST_F(S3EndpointCache, ABrokenFileIsAskedAnewAndReplaced) {
  for (const char* text :
       {"", "{", "[]", R"({"format": "other"})",
        R"({"format":"dray-endpoints","format_version":3})",
        R"({"format":"dray-endpoints","format_version":2,"endpoints":{"a":7}})"}) {
    write_file_atomic(file_, text);
    EndpointCache cache(file_);
    EXPECT_FALSE(cache.find("a")) << text;
    cache.remember("a", {});
    EXPECT_TRUE(cache.find("a")) << text;
  }
}

TEST_F(S3EndpointCache, AFileThatCannotBeWrittenIsNoError) {
  with_.endpoint_cache = "/dev/null/endpoints.json";
  EXPECT_EQ(probes(), 1);
  EXPECT_EQ(probes(), 2);
}

TEST(S3MultipartEtag, IsTheMd5OfMd5sAndACount) {
  const std::string a = to_hex(md5(as_bytes("a"))), b = to_hex(md5(as_bytes("b")));
  Buffer both = *from_hex(a);
  const Buffer second = *from_hex(b);
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(multipart_etag({"\"" + a + "\"", b}), to_hex(md5(both)) + "-2");
  EXPECT_FALSE(multipart_etag({a, "opaque"}));
  EXPECT_FALSE(multipart_etag({a, a + "-3"}));
  EXPECT_FALSE(multipart_etag({a, ""}));
}

}  // namespace
}  // namespace dray::test
