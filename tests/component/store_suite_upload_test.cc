// What store.h promises of uploads, on every store (store_suite_test.cc names them).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/component/store_suite_fixture.h"

namespace dray::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST_P(StoreSuite, UploadOfManyPartsInAnyOrder) {
  const Buffer bytes = content(1, 2);
  const auto up = store_->begin(spec_of("model-data/m/1/w.safetensors", bytes), nullptr, kGo);
  ASSERT_EQ(up->layout().count(), 3u);
  EXPECT_THAT(up->present(kGo), IsEmpty());
  std::vector<PutPart> parts(3);
  const std::vector<std::uint64_t> order = up->layout().in_order
                                               ? std::vector<std::uint64_t>{0, 1, 2}
                                               : std::vector<std::uint64_t>{2, 0, 1};
  for (const std::uint64_t i : order) {
    parts[i] = put_part(*up, bytes, i);
    EXPECT_EQ(parts[i].index, i);
    EXPECT_EQ(parts[i].size, up->layout().part(i).length);
  }
  EXPECT_FALSE(store_->stat("model-data/m/1/w.safetensors", kGo)) << "visible before commit";
  EXPECT_THAT(store_->list("model-data/", kGo), IsEmpty());
  const StoredObject made = up->commit(parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(made.size, bytes.size());
  if (made.crc64) {
    EXPECT_EQ(*made.crc64, crc64nvme(0, bytes));
  }
  EXPECT_EQ(read(made.key, bytes.size(), made.etag), bytes);
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
  const auto there = store_->stat(made.key, kGo);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->etag, made.etag);
}

TEST_P(StoreSuite, PartsFromManyThreads) {
  const Buffer bytes = content(2);
  const auto up = store_->begin(spec_of("k/threads", bytes), nullptr, kGo);
  if (up->layout().in_order) GTEST_SKIP() << "takes parts in order only";
  std::vector<PutPart> parts(up->layout().count());
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < parts.size(); ++i)
      threads.emplace_back([&, i] { parts[i] = put_part(*up, bytes, i); });
  }
  const StoredObject made = up->commit(parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(read(made.key, bytes.size(), made.etag), bytes);
}

TEST_P(StoreSuite, AnUploadOfOnePartWorksToo) {
  const Buffer bytes = pattern(1000, 3);
  const StoredObject made = upload("k/small", bytes);
  EXPECT_EQ(read("k/small", 1000, made.etag), bytes);
}

TEST_P(StoreSuite, APartPutAgainReplacesTheFirst) {
  const Buffer bytes = content(3), wrong = content(4);
  const auto up = store_->begin(spec_of("k/again", bytes), nullptr, kGo);
  if (up->layout().in_order) GTEST_SKIP() << "takes parts in order only";
  put_part(*up, wrong, 1);
  const auto parts = put_all(*up, bytes);
  const StoredObject made = up->commit(parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(read("k/again", bytes.size(), made.etag), bytes);
}

TEST_P(StoreSuite, AnUploadIsTakenUpByAnotherProcess) {
  const Buffer bytes = content(5, 2);
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_of("k/resume", bytes), nullptr, kGo);
    saved.id = up->id();
    saved.part_size = up->layout().part_size;
    saved.parts.push_back(put_part(*up, bytes, 0));
    saved.parts.push_back(put_part(*up, bytes, 1));
  }
  store_ = place_->open();
  const auto up = store_->begin(spec_of("k/resume", bytes), &saved, kGo);
  EXPECT_EQ(up->id(), saved.id);
  auto parts = up->present(kGo);
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_EQ(parts[0].index, 0u);
  EXPECT_EQ(parts[1].crc64, saved.parts[1].crc64);
  parts.push_back(put_part(*up, bytes, 2));
  const StoredObject made = up->commit(parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(read("k/resume", bytes.size(), made.etag), bytes);
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
}

TEST_P(StoreSuite, APartThatChangedMeanwhileDoesNotCount) {
  const Buffer bytes = content(6, 2);
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_of("k/spoiled", bytes), nullptr, kGo);
    saved.id = up->id();
    saved.part_size = up->layout().part_size;
    for (std::uint64_t i = 0; i < 3; ++i) saved.parts.push_back(put_part(*up, bytes, i));
  }
  if (!place_->spoil_part("k/spoiled", saved.id, saved.parts[1])) GTEST_SKIP();
  const auto up = place_->open()->begin(spec_of("k/spoiled", bytes), &saved, kGo);
  const auto parts = up->present(kGo);
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_EQ(parts[0].index, 0u);
  EXPECT_EQ(parts[1].index, 2u);
}

TEST_P(StoreSuite, APartThatTheJournalDoesNotKnowIsPutAgain) {
  const Buffer bytes = content(7, 2), wrong = content(8, 2);
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_of("k/unsaved", bytes), nullptr, kGo);
    saved.id = up->id();
    saved.part_size = up->layout().part_size;
    saved.parts.push_back(put_part(*up, bytes, 0));
    put_part(*up, wrong, 1);  // acknowledged, but the process died before it was saved
  }
  const auto up = store_->begin(spec_of("k/unsaved", bytes), &saved, kGo);
  auto parts = up->present(kGo);
  ASSERT_THAT(parts, SizeIs(1));
  if (!up->layout().in_order) {
    parts.push_back(put_part(*up, bytes, 1));
    parts.push_back(put_part(*up, bytes, 2));
    const StoredObject made = up->commit(parts, Sha256::hex_of(bytes), kGo);
    EXPECT_EQ(read("k/unsaved", bytes.size(), made.etag), bytes);
  }
}

TEST_P(StoreSuite, AnUploadThatIsGoneBeginsAnew) {
  const Buffer bytes = content(9);
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_of("k/gone", bytes), nullptr, kGo);
    saved.id = up->id();
    saved.part_size = up->layout().part_size;
    saved.parts.push_back(put_part(*up, bytes, 0));
    up->abandon();
    up->abandon();  // idempotent
  }
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
  const auto up = store_->begin(spec_of("k/gone", bytes), &saved, kGo);
  EXPECT_THAT(up->present(kGo), IsEmpty());
  const StoredObject made = up->commit(put_all(*up, bytes), Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(read("k/gone", bytes.size(), made.etag), bytes);
}

TEST_P(StoreSuite, AnUploadOfAnotherObjectIsNotTakenUp) {
  const Buffer bytes = content(10);
  const auto other = store_->begin(spec_of("k/other", bytes), nullptr, kGo);
  SavedUpload saved{other->id(), other->layout().part_size, {put_part(*other, bytes, 0)}};
  const auto up = store_->begin(spec_of("k/mine", bytes), &saved, kGo);
  EXPECT_NE(up->id(), saved.id);
  EXPECT_THAT(up->present(kGo), IsEmpty());
  saved.part_size *= 2;
  const auto resized = store_->begin(spec_of("k/other", bytes), &saved, kGo);
  EXPECT_THAT(resized->present(kGo), IsEmpty());
  for (const auto& left : store_->unfinished("", kGo)) store_->abandon(left, kGo);
}

TEST_P(StoreSuite, CommitOverTheSameContentIsSuccessAndLeavesNothing) {
  const Buffer bytes = content(11);
  const StoredObject first = upload("k/same", bytes);
  const StoredObject second = upload("k/same", bytes);
  EXPECT_EQ(first.size, second.size);
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
}

TEST_P(StoreSuite, CommitNeverOverwritesOtherContentAndLeavesNothing) {
  const Buffer bytes = content(12), other = content(13);
  const StoredObject first = upload("k/taken", bytes);
  EXPECT_EQ(code_of([&] { upload("k/taken", other); }), Code::conflict);
  EXPECT_EQ(read("k/taken", bytes.size(), first.etag), bytes);
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
}

TEST_P(StoreSuite, CommitTwiceIsSuccess) {
  const Buffer bytes = content(14);
  const auto up = store_->begin(spec_of("k/twice", bytes), nullptr, kGo);
  const auto parts = put_all(*up, bytes);
  const StoredObject first = up->commit(parts, Sha256::hex_of(bytes), kGo);
  const StoredObject second = up->commit(parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(first.etag, second.etag);
}

TEST_P(StoreSuite, CommitWithAMissingPartFailsAndShowsNothing) {
  const Buffer bytes = content(15, 2);
  const auto up = store_->begin(spec_of("k/hole", bytes), nullptr, kGo);
  std::vector<PutPart> parts{put_part(*up, bytes, 0), put_part(*up, bytes, 1)};
  EXPECT_THROW(up->commit(parts, Sha256::hex_of(bytes), kGo), Error);
  EXPECT_FALSE(store_->stat("k/hole", kGo));
  up->abandon();
}

TEST_P(StoreSuite, UnfinishedUploadsAreListedByPrefixAndAbandoned) {
  const Buffer bytes = content(16);
  const auto a = store_->begin(spec_of("k/a/x", bytes), nullptr, kGo);
  const auto b = store_->begin(spec_of("k/b/x", bytes), nullptr, kGo);
  put_part(*a, bytes, 0);
  // MinIO lists uploads by whole keys only; transfers then look for each key.
  const bool by_prefix =
      GetParam().name != "s3_real" || std::getenv("DRAY_TEST_S3_WHOLE_KEYS") == nullptr;
  const auto found = store_->unfinished(by_prefix ? "k/a/" : "k/a/x", kGo);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].key, "k/a/x");
  EXPECT_EQ(found[0].id, a->id());
  if (by_prefix) {
    EXPECT_THAT(store_->unfinished("k/", kGo), SizeIs(2));
  }
  store_->abandon(found[0], kGo);
  store_->abandon(found[0], kGo);  // absent is success
  EXPECT_THAT(store_->unfinished("k/a/x", kGo), SizeIs(0));
  const auto left = store_->unfinished(by_prefix ? "k/" : "k/b/x", kGo);
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].id, b->id());
  b->abandon();
}

TEST_P(StoreSuite, DestroyingAnUploadAbandonsNothing) {
  const Buffer bytes = content(17);
  store_->begin(spec_of("k/left", bytes), nullptr, kGo).reset();
  const auto left = store_->unfinished("k/left", kGo);
  ASSERT_THAT(left, SizeIs(1));
  store_->abandon(left[0], kGo);
}

}  // namespace
}  // namespace dray::test
