// Objects made partly of what the store holds, on every store that can do that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include <optional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/store_kinds.h"
#include "tests/support/store_objects.h"
#include "tests/support/store_suite.h"

namespace dray::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const std::stop_token kGo;

class StoreCopySuite : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    store_ = place_->open();
    store_->preflight(kGo);
    old_ = upload("k/old", old_bytes_);
    const auto limits = store_->range_copies(old_, new_bytes_.size(), kGo);
    if (!limits) {
      ASSERT_EQ(GetParam().name, "memory_in_order") << "all others can";
      GTEST_SKIP() << "copies no ranges";
    }
    parts_ = {{{0, kChanged}, part_of_old(0, kChanged)},
              {{kChanged, kLength + kMore}, std::nullopt},
              {{kChanged + kLength + kMore, kTail - kMore},
               part_of_old(kChanged + kMore, kTail - kMore)}};
    ASSERT_GE(kLength + kMore, limits->min_part);
    ASSERT_LE(kLength + kMore, limits->max_put);
    spec_ = spec_of("k/new", new_bytes_);
    for (const Part& part : parts_) spec_.part_ends.push_back(part.range.end());
  }

  struct Part {
    ByteRange range;
    std::optional<StoredRange> from;  // else its bytes are put
  };

  StoredObject upload(const std::string& key, const Buffer& bytes) {
    const auto up = store_->begin(spec_of(key, bytes), nullptr, kGo);
    return up->commit(put_all(*up, bytes), Sha256::hex_of(bytes), kGo);
  }
  StoredRange part_of_old(std::uint64_t offset, std::uint64_t length) const {
    return {old_.key, old_.etag, {offset, length}};
  }
  /// Copies or puts; `known`: the bytes of copied parts are at hand.
  PutPart make(Upload& up, std::uint64_t index, bool known = true) {
    const Part& part = parts_[index];
    const Bytes bytes = bytes_of(new_bytes_, part.range);
    if (part.from) {
      const auto copied =
          up.put_copy(index, *part.from, known ? bytes : Bytes(), crc64nvme(0, bytes), kGo);
      if (copied) {
        copied_ += copied->size;
        return *copied;
      }
      ADD_FAILURE() << "part " << index << " was not copied";
    }
    return put_part(up, new_bytes_, index);
  }
  std::vector<PutPart> make_all(Upload& up, bool known = true) {
    std::vector<PutPart> out;
    for (std::uint64_t i = 0; i < parts_.size(); ++i) out.push_back(make(up, i, known));
    return out;
  }
  StoredObject commit(Upload& up, const std::vector<PutPart>& parts) {
    return up.commit(parts, Sha256::hex_of(new_bytes_), kGo);
  }
  void expect_new_object() {
    Buffer out(new_bytes_.size());
    store_->read("k/new", "", 0, out, kGo);
    EXPECT_EQ(out, new_bytes_);
    EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
  }

  // New bytes are put into the middle of the old ones.
  static constexpr std::uint64_t kChanged = 9 * kMiB + 77, kLength = 3 * kMiB + 5,
                                 kTail = 12 * kMiB + 1;
  // Too short for a part of its own, so that some of what follows is put with it.
  static constexpr std::uint64_t kMore = 3 * kMiB;
  const Buffer old_bytes_ = pattern(static_cast<std::size_t>(kChanged + kTail), 50);
  const Buffer new_bytes_ = [this] {
    Buffer out = old_bytes_;
    const Buffer middle = pattern(static_cast<std::size_t>(kLength), 51);
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(kChanged), middle.begin(), middle.end());
    return out;
  }();
  std::unique_ptr<StorePlace> place_;
  std::unique_ptr<Store> store_;
  StoredObject old_;
  std::vector<Part> parts_;
  ObjectSpec spec_;
  std::uint64_t copied_ = 0;
};

TEST_P(StoreCopySuite, UnchangedRangesAreCopiedAndOnlyTheRestIsSent) {
  for (const bool known : {true, false}) {
    copied_ = 0;
    const auto up = store_->begin(spec_, nullptr, kGo);
    EXPECT_EQ(up->layout().count(), parts_.size());
    const StoredObject made = commit(*up, make_all(*up, known));
    EXPECT_EQ(made.size, new_bytes_.size());
    EXPECT_EQ(copied_, kChanged + kTail - kMore);
    expect_new_object();
    store_->remove("k/new", kGo);
  }
}

TEST_P(StoreCopySuite, AnotherProcessGoesOn) {
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_, nullptr, kGo);
    saved = {up->id(), up->layout().part_size, {make(*up, 0), make(*up, 1)}, up->layout().cut()};
  }
  store_ = place_->open();
  static_cast<void>(store_->range_copies(old_, new_bytes_.size(), kGo));
  const auto up = store_->begin(spec_, &saved, kGo);
  EXPECT_EQ(up->id(), saved.id);
  // SeaweedFS lists a copied part with another ETag than it answered: that one is made again.
  std::map<std::uint64_t, PutPart> present;
  for (const PutPart& part : up->present(kGo)) present.emplace(part.index, part);
  EXPECT_TRUE(present.contains(1));
  if (GetParam().name != "s3_real") {
    EXPECT_THAT(present, SizeIs(2));
  }
  std::vector<PutPart> parts;
  for (std::uint64_t i = 0; i < parts_.size(); ++i)
    parts.push_back(present.contains(i) ? present.at(i) : make(*up, i));
  commit(*up, parts);
  expect_new_object();
}

TEST_P(StoreCopySuite, AnUploadThatIsCutOtherwiseIsNotTakenUp) {
  SavedUpload saved;
  {
    const auto up = store_->begin(spec_, nullptr, kGo);
    saved = {up->id(), up->layout().part_size, {make(*up, 0)}, up->layout().cut()};
  }
  ObjectSpec other = spec_;
  other.part_ends[0] += 1;
  const auto up = store_->begin(other, &saved, kGo);
  EXPECT_THAT(up->present(kGo), IsEmpty());
  saved.cut = 0;
  EXPECT_THAT(store_->begin(spec_, &saved, kGo)->present(kGo), IsEmpty());
  for (const auto& left : store_->unfinished("", kGo)) store_->abandon(left, kGo);
}

TEST_P(StoreCopySuite, AChangedSourceIsNotCopiedButItsBytesCanBePut) {
  const auto up = store_->begin(spec_, nullptr, kGo);
  auto parts = make_all(*up);
  place_->plant("k/old", std::string(old_bytes_.size(), 'x'));
  const Bytes bytes = bytes_of(new_bytes_, parts_[0].range);
  EXPECT_FALSE(up->put_copy(0, *parts_[0].from, bytes, crc64nvme(0, bytes), kGo));
  store_->remove("k/old", kGo);
  EXPECT_FALSE(up->put_copy(0, *parts_[0].from, bytes, crc64nvme(0, bytes), kGo));
  parts[0] = put_part(*up, new_bytes_, 0);
  commit(*up, parts);
  expect_new_object();
}

TEST_P(StoreCopySuite, OtherBytesThanTheCallerKnowsNeverMakeAnObject) {
  const auto up = store_->begin(spec_, nullptr, kGo);
  std::vector<PutPart> parts = make_all(*up);
  // The source holds other bytes than the caller thinks.
  const std::uint64_t last = parts_.size() - 1;
  StoredRange other = *parts_[last].from;
  other.range.offset -= 1;
  const Bytes bytes = bytes_of(new_bytes_, parts_[last].range);
  const auto copied = up->put_copy(last, other, {}, crc64nvme(0, bytes), kGo);
  if (copied) {  // the store could not tell yet
    parts[last] = *copied;
    const Error error = error_of([&] { commit(*up, parts); });
    EXPECT_EQ(error.code(), Code::verification) << error.what();
  }
  EXPECT_FALSE(store_->stat("k/new", kGo));
  up->abandon();
}

INSTANTIATE_TEST_SUITE_P(All, StoreCopySuite, testing::ValuesIn(store_kinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace dray::test
