// What only the S3 store promises of objects made in one request, of lists and of copies; the rest
// is in the conformance suite.
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
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

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
