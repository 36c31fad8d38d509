// What only the S3 store promises of uploads; the rest is in the conformance suite.
#include "dray/store/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/component/s3_store_fixture.h"
#include "tests/support/errors.h"

namespace dray::test {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

TEST_F(S3StoreTest, PartSizesFitTenThousandPartsAtAnySize) {
  S3StoreOptions with;
  with.client.bucket = kBucket;
  const S3Store store(with);
  EXPECT_EQ(store.layout(0).part_size, 32 * kMiB);
  EXPECT_EQ(store.layout(281 * kGiB).part_size, 32 * kMiB);
  EXPECT_EQ(store.layout(282 * kGiB).part_size, 40 * kMiB);
  for (const std::uint64_t size : {700 * kGiB, 5'000 * kGiB, 40'000 * kGiB}) {
    const PartLayout layout = store.layout(size);
    EXPECT_LE(layout.count(), 9'000u);
    EXPECT_LE(layout.part_size, 5 * kGiB);
    EXPECT_EQ(layout.part_size % (8 * kMiB), 0u);
  }
}

// ---- what is sent ----

TEST_F(S3StoreTest, ChecksumsGoWithEveryPartAndTheWhole) {
  serve();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const auto parts = put_all(*upload, bytes_);
  EXPECT_EQ(header("PUT", "partNumber=2", "x-amz-checksum-crc64nvme"),
            crc64_header(parts[1].crc64));
  const StoredObject made = upload->commit(parts, sha256_, kGo);
  EXPECT_EQ(header("POST", "uploadId=", "x-amz-checksum-crc64nvme"),
            crc64_header(crc64nvme(0, bytes_)));
  EXPECT_EQ(header("POST", "uploadId=", "if-none-match"), "*");
  EXPECT_EQ(made.crc64, crc64nvme(0, bytes_));
}

TEST_F(S3StoreTest, WhereChecksumsAreIgnoredMd5GoesWithEveryPart) {
  serve(FakeS3Options::rgw16());
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const auto parts = put_all(*upload, bytes_);
  EXPECT_EQ(header("PUT", "partNumber=1", "content-md5"),
            to_base64(md5(Bytes(bytes_).first(8 * kMiB))));
  EXPECT_EQ(header("PUT", "partNumber=1", "x-amz-checksum-crc64nvme"), "");
  upload->commit(parts, sha256_, kGo);
  EXPECT_EQ(header("POST", "uploadId=", "if-none-match"), "");
}

TEST_F(S3StoreTest, WhereCrc64IsUnknownCrc32cGoesWithEveryPart) {
  for (const bool whole : {true, false}) {
    FakeS3Options options = FakeS3Options::old_checksums();
    options.full_object_crc32c = whole;
    serve(options);
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    const auto parts = put_all(*upload, bytes_);
    const Bytes first = Bytes(bytes_).first(8 * kMiB);
    EXPECT_EQ(header("PUT", "partNumber=1", "x-amz-checksum-crc32c"),
              crc32_header(crc32c(0, first)));
    EXPECT_EQ(header("PUT", "partNumber=1", "content-md5"), "");
    EXPECT_EQ(parts[0].crc64, crc64nvme(0, first)) << "the manifest keeps its own";
    upload->commit(parts, sha256_, kGo);
    EXPECT_EQ(header("POST", "uploadId=", "x-amz-checksum-crc32c"),
              whole ? crc32_header(crc32c(0, bytes_)) : "");
    EXPECT_EQ(service_->object(kBucket, "team/w")->checksum.type,
              whole ? "FULL_OBJECT" : "COMPOSITE");
    EXPECT_EQ(service_->count("GetObject"), 0) << "the checksum was proof enough";
  }
}

TEST_F(S3StoreTest, AnUploadWithCrc32cIsTakenUp) {
  for (const bool whole : {true, false}) {
    FakeS3Options options = FakeS3Options::old_checksums();
    options.full_object_crc32c = whole;
    serve(options);
    SavedUpload saved;
    {
      const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
      saved = {upload->id(), upload->layout().part_size, {put_part(*upload, bytes_, 0)}};
    }
    open();
    const auto upload = store_->begin(spec_of("w", bytes_), &saved, kGo);
    auto parts = upload->present(kGo);
    ASSERT_THAT(parts, SizeIs(1));
    parts.push_back(put_part(*upload, bytes_, 1));
    upload->commit(parts, sha256_, kGo);
    EXPECT_EQ(stored("w"), as_text(bytes_));
  }
}

TEST_F(S3StoreTest, ObjectsOfWrongBytesWithCrc32cDoNotKeepAName) {
  for (const bool whole : {true, false}) {
    FakeS3Options options = FakeS3Options::old_checksums();
    options.full_object_crc32c = whole;
    options.md5_part_etags = false;
    serve(options);
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    const auto parts = put_all(*upload, bytes_);
    service_->after([&](const RawRequest&, const std::string& op, int, RawResponse&) {
      if (op != "CompleteMultipartUpload") return;
      service_->spoil(kBucket, "team/w", [&](FakeObject& object) {
        object.content.assign(bytes_.size(), 'x');
        object.checksum.value = whole ? "AAAAAA==" : "AAAAAA==-2";
      });
    });
    EXPECT_EQ(error_of([&] { upload->commit(parts, sha256_, kGo); }).code(), Code::verification);
    EXPECT_FALSE(service_->object(kBucket, "team/w"));
  }
}

TEST_F(S3StoreTest, ContentMd5GoesAlongWhereItIsAskedFor) {
  serve();
  with_.content_md5 = true;
  open();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  put_all(*upload, bytes_);
  EXPECT_NE(header("PUT", "partNumber=1", "content-md5"), "");
  EXPECT_NE(header("PUT", "partNumber=1", "x-amz-checksum-crc64nvme"), "");
  create("c", pattern(10, 9));
  EXPECT_NE(header("PUT", "/team/c", "content-md5"), "");
}

TEST_F(S3StoreTest, ObjectsCarryTypeMetadataAndWhatWasAskedFor) {
  serve();
  with_.headers = {{"x-amz-storage-class", "STANDARD_IA"}};
  open();
  ObjectSpec big = spec_of("w", bytes_);
  big.content_type = "application/x-big";
  big.metadata = {{"origin", "hf://a/b"}};
  const auto upload = store_->begin(big, nullptr, kGo);
  upload->commit(put_all(*upload, bytes_), sha256_, kGo);
  const auto object = service_->object(kBucket, "team/w");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->content_type, "application/x-big");
  EXPECT_THAT(object->metadata, Contains(Pair("dray-sha256", sha256_)));
  EXPECT_THAT(object->metadata, Contains(Pair("origin", "hf://a/b")));
  EXPECT_THAT(object->headers, Contains(Pair("x-amz-storage-class", "STANDARD_IA")));
  EXPECT_EQ(store_->stat("w", kGo)->meta("dray-sha256"), sha256_);

  const Buffer small = pattern(10, 2);
  create("s", small);
  EXPECT_THAT(service_->object(kBucket, "team/s")->metadata,
              Contains(Pair("dray-sha256", Sha256::hex_of(small))));
  EXPECT_THAT(service_->object(kBucket, "team/s")->headers,
              Contains(Pair("x-amz-storage-class", "STANDARD_IA")));
}

// ---- Complete ----

TEST_F(S3StoreTest, ALostAnswerToCompleteIsSettledByLooking) {
  for (const auto& flavour : {FakeS3Options(), FakeS3Options::minio(), careless_s3()}) {
    serve(flavour);
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    const auto parts = put_all(*upload, bytes_);
    service_->lose_answers("CompleteMultipartUpload");
    const StoredObject made = upload->commit(parts, sha256_, kGo);
    EXPECT_EQ(made.size, bytes_.size());
    EXPECT_EQ(stored("w"), as_text(bytes_));
    EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
  }
}

TEST_F(S3StoreTest, AFailedCompleteMayBeTriedAgain) {
  serve();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const auto parts = put_all(*upload, bytes_);
  service_->fail("CompleteMultipartUpload", 500, "InternalError");
  const Error failed = error_of([&] { upload->commit(parts, sha256_, kGo); });
  EXPECT_EQ(failed.retry(), Retry::yes);
  EXPECT_FALSE(store_->stat("w", kGo));
  service_->fail("CompleteMultipartUpload", 409, "ConditionalRequestConflict");
  EXPECT_EQ(error_of([&] { upload->commit(parts, sha256_, kGo); }).retry(), Retry::yes);
  upload->commit(parts, sha256_, kGo);
  EXPECT_EQ(stored("w"), as_text(bytes_));
}

TEST_F(S3StoreTest, AnErrorInsideA200IsNoSuccess) {
  serve();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const auto parts = put_all(*upload, bytes_);
  service_->before([](const RawRequest&, const std::string& op, int) {
    std::optional<RawResponse> out;
    if (op == "CompleteMultipartUpload") {
      out = FakeS3::error(500, "InternalError");
      out->status = 200;
    }
    return out;
  });
  EXPECT_EQ(error_of([&] { upload->commit(parts, sha256_, kGo); }).retry(), Retry::yes);
  EXPECT_FALSE(service_->object(kBucket, "team/w"));
}

TEST_F(S3StoreTest, AnotherWriterIsQuicker) {
  for (const bool same : {true, false}) {
    serve();
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    const auto parts = put_all(*upload, bytes_);
    const std::string theirs =
        same ? std::string(as_text(bytes_)) : std::string(bytes_.size(), 'x');
    service_->before([&](const RawRequest&, const std::string& op, int) {
      if (op == "CompleteMultipartUpload") service_->put(kBucket, "team/w", theirs);
      return std::optional<RawResponse>();
    });
    if (same) {
      EXPECT_EQ(upload->commit(parts, sha256_, kGo).size, bytes_.size());
    } else {
      const Error e = error_of([&] { upload->commit(parts, sha256_, kGo); });
      EXPECT_EQ(e.code(), Code::conflict);
      EXPECT_FALSE(e.retryable());
    }
    EXPECT_EQ(stored("w"), theirs);
    EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
  }
}

TEST_F(S3StoreTest, WrongBytesDoNotKeepAName) {
  serve(careless_s3());
  service_->configure([](FakeS3Options& o) { o.md5_part_etags = true; });
  open();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const auto parts = put_all(*upload, bytes_);
  service_->after([&](const RawRequest&, const std::string& op, int, RawResponse& answer) {
    if (op != "CompleteMultipartUpload") return;
    // The service lost some of it, and says so in the ETag only.
    const std::string before = service_->object(kBucket, "team/w")->etag;
    service_->put(kBucket, "team/w", std::string(bytes_.size(), '\0'));
    std::string now = service_->object(kBucket, "team/w")->etag;
    const auto bare = [](std::string etag) { return etag.substr(1, etag.size() - 2); };
    const auto at = answer.body.find(bare(before));
    ASSERT_NE(at, std::string::npos);
    answer.body.replace(at, bare(before).size(), bare(now));
  });
  EXPECT_EQ(error_of([&] { upload->commit(parts, sha256_, kGo); }).code(), Code::verification);
  EXPECT_FALSE(service_->object(kBucket, "team/w"));
}

TEST_F(S3StoreTest, AWrongCopyWhoseCompleteWasNotAnsweredDoesNotKeepAName) {
  serve(FakeS3Options::rgw16());
  const StoredObject old = create("old", bytes_);
  ASSERT_TRUE(store_->range_copies(old, bytes_.size(), kGo));
  ObjectSpec spec = spec_of("new", bytes_);
  const std::uint64_t cut = 6 * kMiB, rest = bytes_.size() - cut;
  spec.part_ends = {cut, bytes_.size()};
  const auto upload = store_->begin(spec, nullptr, kGo);
  const PutPart put = put_part(*upload, bytes_, 0);
  // Other bytes than the caller thinks are in the range.
  const auto copied = upload->put_copy(1, {old.key, old.etag, {cut - 1, rest}}, {},
                                       crc64nvme(0, Bytes(bytes_).subspan(cut)), kGo);
  ASSERT_TRUE(copied);
  service_->lose_answers("CompleteMultipartUpload");
  const Error error = error_of([&] { upload->commit({put, *copied}, sha256_, kGo); });
  EXPECT_EQ(error.code(), Code::verification) << error.what();
  EXPECT_FALSE(service_->object(kBucket, "team/new"));
}

TEST_F(S3StoreTest, ARefusedPartIsToldAsItIs) {
  serve();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  service_->fail("UploadPart", 503, "SlowDown");
  EXPECT_EQ(error_of([&] { put_part(*upload, bytes_, 0); }).code(), Code::throttled);
  auto parts = put_all(*upload, bytes_);
  parts[0].etag = "\"00000000000000000000000000000000\"";
  EXPECT_EQ(error_of([&] { upload->commit(parts, sha256_, kGo); }).code(), Code::verification);
}

TEST_F(S3StoreTest, ACrcThatDoesNotFitTheBytesIsRefusedByTheService) {
  serve();
  const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
  const Error e = error_of([&] { upload->put(0, Bytes(bytes_).first(8 * kMiB), 12345, kGo); });
  EXPECT_EQ(e.code(), Code::verification);
  EXPECT_EQ(e.http_status(), 400);
}

TEST_F(S3StoreTest, ManyPagesOfPartsAreRead) {
  FakeS3Options options;
  options.page_size = 1;
  serve(options);
  SavedUpload saved;
  {
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    saved = {upload->id(), upload->layout().part_size, put_all(*upload, bytes_)};
  }
  const auto upload = store_->begin(spec_of("w", bytes_), &saved, kGo);
  EXPECT_THAT(upload->present(kGo), SizeIs(2));
  upload->commit(saved.parts, sha256_, kGo);
  EXPECT_EQ(stored("w"), as_text(bytes_));
}

TEST_F(S3StoreTest, AnUploadWithNothingOfUseIsReplacedAndAborted) {
  serve();
  SavedUpload saved;
  {
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    saved = {upload->id(), upload->layout().part_size, {put_part(*upload, bytes_, 0)}};
  }
  saved.parts[0].etag = "\"other\"";
  const auto upload = store_->begin(spec_of("w", bytes_), &saved, kGo);
  EXPECT_NE(upload->id(), saved.id);
  ASSERT_THAT(service_->uploads(kBucket), SizeIs(1));
  EXPECT_EQ(service_->uploads(kBucket)[0].id, upload->id());
}

TEST_F(S3StoreTest, APartListedTwiceWithDifferentContentDoesNotCount) {
  serve();
  SavedUpload saved;
  {
    const auto upload = store_->begin(spec_of("w", bytes_), nullptr, kGo);
    saved = {upload->id(), upload->layout().part_size, put_all(*upload, bytes_)};
  }
  service_->after([](const RawRequest&, const std::string& op, int, RawResponse& answer) {
    if (op != "ListParts") return;
    const auto begin = answer.body.find("<Part>"), end = answer.body.find("</Part>") + 7;
    std::string first = answer.body.substr(begin, end - begin);
    const auto etag = first.find("<ETag>") + 6;
    first.replace(etag, first.find("</ETag>") - etag, "&quot;other&quot;");
    answer.body.insert(begin, first);
  });
  const auto upload = store_->begin(spec_of("w", bytes_), &saved, kGo);
  const auto present = upload->present(kGo);
  ASSERT_THAT(present, SizeIs(1));
  EXPECT_EQ(present[0].index, 1u);
}

}  // namespace
}  // namespace dray::test
