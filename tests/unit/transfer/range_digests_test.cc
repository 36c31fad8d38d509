// Digests of the pieces of files, and what is found by them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/transfer/range_hasher.h"
#include "dray/transfer/stored_ranges.h"
#include "tests/support/random.h"
#include "tests/support/safetensors_file.h"

namespace dray {
namespace {

using test::pattern;
using test::safetensors_file;
using testing::SizeIs;

std::vector<RangeDigest> hashed(Bytes bytes, bool safetensors, std::size_t step) {
  RangeHasher hasher(bytes.size(), safetensors);
  for (std::size_t at = 0; at < bytes.size(); at += step)
    hasher.feed(bytes.subspan(at, std::min(step, bytes.size() - at)));
  return hasher.digests();
}

std::vector<std::uint64_t> ends_of(const std::vector<RangeDigest>& digests) {
  std::vector<std::uint64_t> out;
  for (const auto& digest : digests) out.push_back(digest.range.end());
  return out;
}

TEST(RangeHasher, FindsThePiecesOfTensorsHoweverTheBytesCome) {
  const Buffer file = safetensors_file({{"a", pattern(1000, 1)}, {"b", pattern(20, 2)}});
  const auto header = parse_safetensors_header(file, file.size(), "file");
  for (const std::size_t step : {1UL, 7UL, 8UL, 9UL, 500UL, file.size()}) {
    const auto digests = hashed(file, true, step);
    EXPECT_EQ(ends_of(digests), piece_ends(header, file.size())) << step;
    EXPECT_EQ(digests, digest_pieces(file, 0, piece_ends(header, file.size()))) << step;
  }
}

TEST(RangeHasher, ADamagedHeaderGivesEvenPieces) {
  Buffer file = pattern(static_cast<std::size_t>(kPieceSize) + 100, 3);
  for (const std::size_t step : {64UL, file.size()})
    EXPECT_EQ(ends_of(hashed(file, true, step)), piece_ends(file.size())) << "no such length";
  const Buffer good = safetensors_file({{"a", pattern(1000, 1)}});
  Buffer cut(good.begin(), good.end() - 1);
  EXPECT_EQ(ends_of(hashed(cut, true, 100)), piece_ends(cut.size()));
  const Buffer tiny = pattern(5, 4);
  EXPECT_THAT(hashed(tiny, true, 2), SizeIs(1));
  EXPECT_THAT(hashed({}, true, 2), SizeIs(0));
}

class StoredRangesTest : public testing::Test {
 protected:
  StoredRangesTest() {
    stored_.add({"k/a", bytes_.size(), "\"1\"", std::nullopt, {}},
                digest_pieces(bytes_, 0, {10, 30, 60, 100}));
  }
  std::optional<StoredRange> find(ByteRange range, std::uint64_t at,
                                  const std::vector<std::uint64_t>& ends) const {
    return stored_.find(digest_pieces(Bytes(bytes_).subspan(range.offset, range.length), at, ends));
  }
  const Buffer bytes_ = pattern(100, 5);
  StoredRanges stored_;
};

TEST_F(StoredRangesTest, BytesAreFoundWhereverTheyLieNow) {
  EXPECT_EQ(find({10, 50}, 1010, {1010, 1030, 1060}), (StoredRange{"k/a", "\"1\"", {10, 50}}));
  EXPECT_EQ(find({0, 100}, 0, {10, 30, 60, 100}), (StoredRange{"k/a", "\"1\"", {0, 100}}));
}

TEST_F(StoredRangesTest, OnlyWholePiecesThatFollowEachOtherAreFound) {
  EXPECT_FALSE(find({10, 50}, 1010, {1010, 1060})) << "cut otherwise";
  EXPECT_FALSE(find({0, 9}, 0, {9}));
  Buffer other(bytes_.begin() + 10, bytes_.begin() + 30);
  other.insert(other.end(), bytes_.begin() + 60, bytes_.end());
  EXPECT_FALSE(stored_.find(digest_pieces(other, 0, {20, 60}))) << "not neighbours there";
  other = Buffer(bytes_.begin() + 60, bytes_.end());
  other.push_back(std::byte{1});
  EXPECT_FALSE(stored_.find(digest_pieces(other, 0, {40, 41}))) << "the object ends there";
  other.back() ^= std::byte{1};
  EXPECT_FALSE(stored_.find({}));
}

TEST_F(StoredRangesTest, OfEqualPiecesTheOneIsTakenThatIsFollowedByTheOthers) {
  Buffer repeated(30, std::byte{7});
  repeated.insert(repeated.end(), 5, std::byte{8});
  stored_.add({"k/b", repeated.size(), "\"2\"", std::nullopt, {}},
              digest_pieces(repeated, 0, {10, 20, 30, 35}));
  EXPECT_EQ(stored_.find(digest_pieces(Bytes(repeated).subspan(20), 0, {10, 15})),
            (StoredRange{"k/b", "\"2\"", {20, 15}}));
}

}  // namespace
}  // namespace dray
