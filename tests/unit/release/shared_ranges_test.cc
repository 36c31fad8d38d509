// A new version moves only what changed.
#include "dray/release/shared_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/safetensors_file.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

using test::pattern;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

/// A model whose first shard is large enough to be worth it.
struct SharedRanges : test::ReleaseFixture {
  SharedRanges() {
    request.store = &big;
    request.transfer.block = 8 * kMiB;
    publish('a');
  }
  void publish(char commit) {
    source.origin.commit = std::string(40, commit);
    source.add(kFirst, test::safetensors_file(tensors, note));
  }
  ImportResult import_next() {
    publish('b');
    const ImportResult result = import();
    expect_intact(big, source, result.manifest);
    return result;
  }
  RangeRecord record_of(const Manifest& manifest) {
    const ManifestFile& file = *manifest.find(kFirst);
    return {manifest.name, manifest.version, {{kFirst, file.size, file.sha256, {}}}};
  }
  std::string record(const std::string& version) {
    return big.content(ranges_key("tiny", version)).value_or("");
  }

  Progress progress;
  test::MemoryStore big{{.part_size = 16 * kMiB}};
  std::vector<std::pair<std::string, Buffer>> tensors = {{"a", pattern(12 * kMiB, 11)},
                                                         {"b", pattern(6 * kMiB, 12)},
                                                         {"c", pattern(kMiB, 13)},
                                                         {"d", pattern(15 * kMiB, 14)}};
  std::string note;
};

TEST_F(SharedRanges, OnlyChangedTensorsAreSent) {
  import();
  EXPECT_EQ(record("1.0.0"), "") << "most models have one version; the second finds out";
  tensors[1].second[5] ^= std::byte{1};
  const ImportResult next = import_next();
  EXPECT_EQ(next.manifest.version, "1.0.1");
  EXPECT_LT(next.stats.stored, 7 * kMiB);
  EXPECT_GT(next.stats.reused, 26 * kMiB);
  EXPECT_GT(next.stats.fetched, 34 * kMiB) << "every byte is read to be verified";
}

TEST_F(SharedRanges, ALongerHeaderMovesTensorsButNotTheirBytes) {
  import();
  note = std::string(500, 'n');
  EXPECT_LT(import_next().stats.stored, 9 * kMiB) << "the header and what shares a part with it";
}

TEST_F(SharedRanges, ARecordIsKeptFromVersionToVersion) {
  import();
  tensors[1].second[5] ^= std::byte{1};
  import_next();
  const RangeRecord kept = parse_range_record(record("1.0.1"), "record");
  ASSERT_THAT(kept.files, SizeIs(1));
  EXPECT_EQ(kept.files[0].ranges.back().range.end(), kept.files[0].size);
  source.origin.commit = std::string(40, 'c');
  source.add(kSecond, pattern(901, 3));  // the large file is copied as a whole
  EXPECT_EQ(import().manifest.version, "1.0.2");
  EXPECT_EQ(parse_range_record(record("1.0.2"), "record").files, kept.files);
}

TEST_F(SharedRanges, ThePlanSaysWhatMayBeShared) {
  EXPECT_EQ(plan_import(request, progress, {}).bytes_shared_at_most, 0u);
  import();
  tensors[1].second[5] ^= std::byte{1};
  publish('b');
  const std::size_t calls = big.calls().size();
  const ImportPlan plan = plan_import(request, progress, {});
  EXPECT_EQ(plan.bytes_shared_at_most, source.bytes(kFirst).size());
  for (const PlannedFile& file : plan.files)
    if (file.entry.path == kFirst) {
      EXPECT_THAT(file.detail, HasSubstr("tiny:1.0.0"));
    }
  const auto after = big.calls();
  for (std::size_t i = calls; i < after.size(); ++i)
    EXPECT_NE(after[i].verb, "range_copies") << "that would write";
}

TEST_F(SharedRanges, WrongRecordsCostSavingsOnly) {
  const Manifest first = import().manifest;
  // As of the file that is there, with the digests of the one that comes.
  tensors[1].second[5] ^= std::byte{1};
  publish('b');
  RangeRecord lie = record_of(first);
  lie.files[0].ranges = digest_pieces(
      source.bytes(kFirst), 0,
      piece_ends(parse_safetensors_header(source.bytes(kFirst), lie.files[0].size, "w"),
                 lie.files[0].size));
  big.plant(ranges_key("tiny", "1.0.0"), range_record_text(lie));
  const ImportResult next = import_next();
  EXPECT_LT(next.stats.stored, 7 * kMiB) << "the store notices the part that is wrong";
}

TEST_F(SharedRanges, DamagedAndForeignRecordsArePassedOver) {
  const Manifest first = import().manifest;
  RangeRecord other = record_of(first);
  other.files[0].sha256 = std::string(64, 'f');
  RangeRecord another = record_of(first);
  another.version = "1.0.7";
  tensors[1].second[5] ^= std::byte{1};
  for (const std::string& bad : {std::string("dray-ranges 1"), std::string("dray-ranges 9\n"),
                                 range_record_text(other), range_record_text(another)}) {
    big.plant(ranges_key("tiny", "1.0.0"), bad);
    publish('b');
    const auto shared = plan_import(request, progress, {}).shared;
    ASSERT_THAT(shared, SizeIs(1)) << bad;
    EXPECT_THAT(shared[0].ranges.ranges, IsEmpty()) << bad << ": the file is read instead";
  }
}

TEST_F(SharedRanges, ARecordThatCannotBeWrittenIsNoFailure) {
  big.before([](const test::MemoryCall& call) {
    if (call.verb == "state.put" && call.key.starts_with(".dray/ranges/"))
      throw Error(Code::storage, "full").from(Side::destination);
  });
  import();
  tensors[1].second[5] ^= std::byte{1};
  import_next();
  EXPECT_EQ(record("1.0.1"), "");
  big.before(nullptr);
  tensors[1].second[5] ^= std::byte{2};
  publish('c');
  EXPECT_LT(import().stats.stored, 7 * kMiB) << "what is not recorded is found out";
}

TEST_F(SharedRanges, AnEarlierFileThatIsDamagedIsNotCopiedFrom) {
  import();
  const std::string key = release_prefix("tiny", "1.0.0") + kFirst;
  std::string there = big.content(key).value();
  there[20 << 20] ^= 1;
  big.plant(key, there);
  tensors[1].second[5] ^= std::byte{1};
  EXPECT_GT(import_next().stats.stored, 34 * kMiB);
}

TEST_F(SharedRanges, AStoreThatRefusesToBeAskedGetsAll) {
  import();
  tensors[1].second[5] ^= std::byte{1};
  big.fail("range_copies", 1, Error(Code::auth, "may not copy").from(Side::destination));
  EXPECT_GT(import_next().stats.stored, 34 * kMiB);
}

TEST_F(SharedRanges, AStoreThatCopiesNothingGetsAll) {
  test::MemoryStore plain{{.part_size = 16 * kMiB, .copy = false}};
  request.store = &plain;
  import();
  tensors[1].second[5] ^= std::byte{1};
  publish('b');
  const ImportResult next = import();
  expect_intact(plain, source, next.manifest);
  EXPECT_GT(next.stats.stored, 34 * kMiB);
}

}  // namespace
}  // namespace dray
