// What only the S3 store promises; the rest is in the conformance suite.
#include "dray/store/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/s3_store_place.h"
#include "tests/support/store_objects.h"

namespace dray::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const std::stop_token kGo;
constexpr const char* kBucket = "bucket";

class S3StoreTest : public testing::Test {
 protected:
  void serve(FakeS3Options options = {}) {
    service_ = std::make_unique<FakeS3>(std::move(options));
    service_->make_bucket(kBucket);
    with_ = fake_store_options(*service_, kBucket);
    with_.prefix = "team";
    open();
  }
  void open() {
    store_ = std::make_unique<S3Store>(with_);
    store_->capabilities(kGo);
  }

  StoredObject create(const std::string& key, const Buffer& bytes) {
    return store_->create(spec_of(key, bytes), bytes, Sha256::hex_of(bytes), kGo);
  }
  std::string stored(const std::string& key) const {
    const auto object = service_->object(kBucket, "team/" + key);
    return object ? object->content : "";
  }
  /// Header of the last request of this kind.
  std::string header(const std::string& method, const std::string& part_of_target,
                     const std::string& name) const {
    std::string out;
    for (const auto& request : service_->server().requests())
      if (request.method == method && request.target.find(part_of_target) != std::string::npos)
        out = request.header(name);
    return out;
  }
  std::unique_ptr<FakeS3> service_;
  S3StoreOptions with_;
  std::unique_ptr<S3Store> store_;
  const Buffer bytes_ = pattern(static_cast<std::size_t>(8 * kMiB + 1000), 1);
  const std::string sha256_ = Sha256::hex_of(bytes_);
};

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

// ---- objects in one request ----

TEST_F(S3StoreTest, CreateIsSafeToRepeatAfterALostAnswer) {
  for (const auto& flavour : {FakeS3Options(), careless_s3()}) {
    serve(flavour);
    const Buffer bytes = pattern(100, 3);
    service_->lose_answers("PutObject");
    try {
      create("c",
             bytes);  // no error where the connection was reused: it is sent again on a new one
    } catch (const Error& e) {
      EXPECT_EQ(e.retry(), Retry::yes);
    }
    EXPECT_EQ(create("c", bytes).size, 100u);
    EXPECT_EQ(stored("c"), as_text(bytes));
  }
}

TEST_F(S3StoreTest, CreateIfAbsentAfterALostAnswerKnowsItsOwn) {
  for (const auto& flavour : {FakeS3Options(), careless_s3()}) {
    serve(flavour);
    service_->lose_answers("PutObject");
    EXPECT_TRUE(store_->state().create_if_absent(".dray/c", "mine", kGo));
    EXPECT_EQ(stored(".dray/c"), "mine");
    EXPECT_FALSE(store_->state().create_if_absent(".dray/c", "mine", kGo));
  }
}

TEST_F(S3StoreTest, CreateIfAbsentThatLostARaceAndAnAnswerSaysNo) {
  serve();
  bool first = true;
  service_->before([&](const RawRequest&, const std::string& op, int) {
    std::optional<RawResponse> out;
    if (op != "PutObject" || !first) return out;
    first = false;
    service_->put(kBucket, "team/.dray/c", "theirs");
    out.emplace();
    out->drop = true;
    return out;
  });
  EXPECT_FALSE(store_->state().create_if_absent(".dray/c", "mine", kGo));
  EXPECT_EQ(stored(".dray/c"), "theirs");
}

TEST_F(S3StoreTest, WithoutConditionsARaceIsNoticedByTheLoser) {
  serve(careless_s3());
  service_->after([&](const RawRequest& request, const std::string& op, int, RawResponse&) {
    if (op == "PutObject" && request.path.ends_with("/c"))
      service_->put(kBucket, "team/.dray/c", "theirs");  // a moment later
  });
  EXPECT_FALSE(store_->state().create_if_absent(".dray/c", "mine", kGo));
}

TEST_F(S3StoreTest, AgesAreToldByTheServicesClock) {
  FakeS3Options options;
  auto offset = std::make_shared<std::int64_t>(0);
  options.now = [offset] { return unix_now() + *offset; };
  serve(options);
  store_->state().put(".dray/t/a", "x", kGo);
  *offset = 300;  // five minutes later, by its clock
  const auto items = store_->state().list(".dray/t/", kGo);
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_NEAR(static_cast<double>(items[0].age.count()), 300, 60);
}

TEST_F(S3StoreTest, PrefixesAreFolders) {
  serve();
  service_->put(kBucket, "teamwork/x", "not ours");
  service_->put(kBucket, "team/", "");  // a folder marker of some console
  create("m/1/a", pattern(5, 4));
  EXPECT_THAT(store_->list_names("", kGo), ElementsAre("m"));
  ASSERT_THAT(store_->list("m", kGo), SizeIs(1));
  EXPECT_EQ(store_->list("m", kGo)[0].key, "m/1/a");
  EXPECT_EQ(store_->properties().uri, "s3://bucket/team");
  EXPECT_EQ(store_->serving_uri("m/1/"), "s3://bucket/team/m/1/");
}

// ---- copies ----

TEST_F(S3StoreTest, LargeObjectsAreCopiedByRanges) {
  for (const auto& flavour : {FakeS3Options(), FakeS3Options::rgw16()}) {
    serve(flavour);
    with_.max_single_copy = kMiB;
    with_.copy_range = 5 * kMiB;
    open();
    const Buffer bytes = pattern(static_cast<std::size_t>(12 * kMiB), 5);
    const StoredObject from = create("from", bytes);
    service_->fail("UploadPartCopy", 503, "SlowDown");
    const auto made = store_->copy(from, spec_of("to", bytes), kGo);
    ASSERT_TRUE(made);
    EXPECT_EQ(service_->count("UploadPartCopy"), 4);
    EXPECT_EQ(service_->count("CopyObject"), 0);
    EXPECT_EQ(stored("to"), as_text(bytes));
    EXPECT_THAT(service_->object(kBucket, "team/to")->metadata,
                Contains(Pair("dray-sha256", Sha256::hex_of(bytes))));
    EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
  }
}

TEST_F(S3StoreTest, WhatIsTooLargeForOneRequestIsCopiedByRanges) {
  FakeS3Options options;
  options.max_copy = 6 << 20;  // stands for Amazon's 5 GiB
  serve(options);
  with_.copy_range = 5 * kMiB;
  open();
  const Buffer bytes = pattern(static_cast<std::size_t>(12 * kMiB), 10);
  const StoredObject from = create("from", bytes);
  EXPECT_TRUE(store_->copy(from, spec_of("to", bytes), kGo));
  EXPECT_EQ(service_->count("CopyObject"), 1) << "refused";
  EXPECT_EQ(stored("to"), as_text(bytes));
}

TEST_F(S3StoreTest, OneRequestCopiesUpToFiveGibibytesAndRangesAreFewEnough) {
  const S3StoreOptions with;
  EXPECT_EQ(with.max_single_copy, 5 * kGiB);
  EXPECT_EQ(FakeS3Options().max_copy, 5 * kGiB) << "so that the service refuses what Amazon would";
  EXPECT_LE(with.copy_range, 5 * kGiB);
}

TEST_F(S3StoreTest, ASourceThatChangesUnderACopyGivesNone) {
  for (const bool ranges : {true, false}) {
    for (const auto& flavour : {FakeS3Options(), FakeS3Options::rgw16()}) {
      serve(flavour);
      if (ranges) with_.max_single_copy = kMiB;
      with_.copy_range = 5 * kMiB;
      open();
      const Buffer bytes = pattern(static_cast<std::size_t>(12 * kMiB), 6);
      const StoredObject from = create("from", bytes);
      service_->before([&](const RawRequest&, const std::string& op, int n) {
        if ((op == "UploadPartCopy" && n == 2) || op == "CopyObject")
          service_->put(kBucket, "team/from", std::string(bytes.size(), 'x'));
        return std::optional<RawResponse>();
      });
      EXPECT_FALSE(store_->copy(from, spec_of("to", bytes), kGo));
      EXPECT_FALSE(service_->object(kBucket, "team/to"));
      EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
    }
  }
}

TEST_F(S3StoreTest, AServiceThatCannotCopyGivesNone) {
  serve();
  const Buffer bytes = pattern(1000, 7);
  const StoredObject from = create("from", bytes);
  service_->fail("CopyObject", 501, "NotImplemented");
  EXPECT_FALSE(store_->copy(from, spec_of("to", bytes), kGo));
  service_->fail("CopyObject", 403, "AccessDenied");  // whoever may write need not be allowed to
  EXPECT_FALSE(store_->copy(from, spec_of("to", bytes), kGo));
  service_->lose_answers("CopyObject");
  EXPECT_TRUE(store_->copy(from, spec_of("to", bytes), kGo));
}

TEST_F(S3StoreTest, ACopyThatCameOutWrongGivesNoneAndIsRemoved) {
  serve();
  with_.max_single_copy = kMiB;
  with_.copy_range = 5 * kMiB;
  open();
  const Buffer bytes = pattern(static_cast<std::size_t>(12 * kMiB), 8);
  const StoredObject from = create("from", bytes);
  service_->after([&](const RawRequest&, const std::string& op, int, RawResponse& answer) {
    if (op != "CompleteMultipartUpload") return;
    const auto bare = [&] {
      const std::string etag = service_->object(kBucket, "team/to")->etag;
      return etag.substr(1, etag.size() - 2);
    };
    const std::string before = bare();
    service_->put(kBucket, "team/to", std::string(bytes.size(), 'x'));
    answer.body.replace(answer.body.find(before), before.size(), bare());
  });
  EXPECT_FALSE(store_->copy(from, spec_of("to", bytes), kGo));
  EXPECT_FALSE(service_->object(kBucket, "team/to"));
}

}  // namespace
}  // namespace dray::test
