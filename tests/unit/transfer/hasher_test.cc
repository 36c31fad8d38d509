#include "dray/transfer/hasher.h"

#include <gtest/gtest.h>

#include <memory>

#include "dray/base/error.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace dray {
namespace {

struct InputHasherTest : testing::Test {
  InputHasherTest() : bytes(test::pattern(1'000, 1)) {
    plan.units.push_back({"a", bytes.size(), {Sha256::hex_of(bytes), ""}});
    object.spec.key = "k/a";
    object.spec.size = bytes.size();
    object.segments = {SourceSegment{0, {0, bytes.size()}}};
  }
  Bytes part(std::size_t from, std::size_t to) { return Bytes(bytes).subspan(from, to - from); }
  Buffer bytes;
  TransferPlan plan;
  ObjectPlan object;
};

TEST_F(InputHasherTest, GoesOnFromASavedStateAtAnyPoint) {
  for (const std::size_t at : {1, 63, 64, 65, 500, 999, 1'000}) {
    InputHasher first(plan, object);
    first.feed(part(0, at));
    const auto saved = first.save();
    ASSERT_TRUE(saved.has_value());
    InputHasher second(plan, object);
    ASSERT_TRUE(second.restore(*saved)) << at;
    EXPECT_EQ(second.offset(), at);
    second.feed(part(at, bytes.size()));
    EXPECT_EQ(second.sha256(), Sha256::hex_of(bytes));
  }
}

TEST_F(InputHasherTest, AStateThatDoesNotFitIsRefused) {
  InputHasher hasher(plan, object);
  EXPECT_FALSE(hasher.restore({500, "nonsense"}));
  InputHasher fed(plan, object);
  fed.feed(part(0, 400));
  EXPECT_FALSE(hasher.restore({500, fed.save()->sha256})) << "a state of 400 bytes";
  EXPECT_FALSE(hasher.restore({2'000, fed.save()->sha256}));
  EXPECT_EQ(hasher.offset(), 0u);
}

TEST_F(InputHasherTest, ACompleteStateOfWrongBytesIsRefused) {
  Buffer wrong = bytes;
  wrong[3] ^= std::byte{1};
  Sha256 sha;
  sha.update(wrong);
  InputHasher hasher(plan, object);
  EXPECT_FALSE(hasher.restore({bytes.size(), sha.save()}));
}

TEST_F(InputHasherTest, NamesTheFileAndBothDigestsWhenItIsWrong) {
  Buffer wrong = bytes;
  wrong[999] ^= std::byte{1};
  InputHasher hasher(plan, object);
  hasher.feed(Bytes(wrong).first(999));
  try {
    hasher.feed(Bytes(wrong).subspan(999));
    FAIL() << "wrong bytes were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::verification);
    EXPECT_EQ(error.object(), "a");
    EXPECT_NE(error.message().find(Sha256::hex_of(bytes)), std::string::npos);
    EXPECT_NE(error.message().find(Sha256::hex_of(wrong)), std::string::npos);
  }
}

TEST_F(InputHasherTest, AnEmptyFileWithTheWrongDigestIsFound) {
  TransferPlan empty;
  empty.units.push_back({"e", 0, {Sha256::hex_of(as_bytes("not empty")), ""}});
  object.spec.size = 0;
  object.segments = {SourceSegment{0, {0, 0}}};
  EXPECT_THROW(InputHasher(empty, object), Error);
  empty.units[0].digests.sha256 = Sha256::hex_of({});
  EXPECT_EQ(InputHasher(empty, object).sha256(), Sha256::hex_of({}));
}

/// An object of literal bytes and three files: one in two pieces, an empty one, one with a git
/// SHA-1 only.
struct GroupHasherTest : testing::Test {
  GroupHasherTest() {
    plan.units.push_back({"a", a.size(), {Sha256::hex_of(a), ""}});
    plan.units.push_back({"empty", 0, {Sha256::hex_of({}), ""}});
    plan.units.push_back({"b", b.size(), {"", GitBlobSha1::hex_of(b)}});
    plan.units.push_back({"c", c.size(), {Sha256::hex_of(c), ""}});
    object.segments = {literal(head),
                       SourceSegment{0, {0, 200}},
                       SourceSegment{0, {200, 100}},
                       SourceSegment{1, {0, 0}},
                       SourceSegment{2, {0, b.size()}},
                       literal(head),
                       SourceSegment{3, {0, c.size()}}};
    for (const Buffer* piece : {&head, &a, &b, &head, &c})
      whole.insert(whole.end(), piece->begin(), piece->end());
  }
  static LiteralSegment literal(const Buffer& bytes) {
    return {std::make_shared<const Buffer>(bytes)};
  }
  bool within_b(std::size_t at) const {
    const std::size_t begin = head.size() + a.size();
    return at >= begin && at < begin + b.size();
  }
  const Buffer head = test::pattern(70, 9), a = test::pattern(300, 1), b = test::pattern(90, 2),
               c = test::pattern(130, 3);
  Buffer whole;
  TransferPlan plan;
  ObjectPlan object;
};

TEST_F(GroupHasherTest, GoesOnFromASavedStateAtEveryPoint) {
  for (std::size_t at = 1; at <= whole.size(); ++at) {
    InputHasher first(plan, object);
    first.feed(Bytes(whole).first(at));
    const auto saved = first.save();
    ASSERT_EQ(saved.has_value(), !within_b(at)) << at;
    if (!saved) continue;
    InputHasher second(plan, object);
    ASSERT_TRUE(second.restore(*saved)) << at;
    EXPECT_EQ(second.offset(), at);
    second.feed(Bytes(whole).subspan(at));
    EXPECT_EQ(second.sha256(), Sha256::hex_of(whole)) << at;
  }
}

TEST_F(GroupHasherTest, AWrongByteAfterASavedStateIsFoundInItsFile) {
  for (const std::size_t at : {std::size_t{80}, head.size() + 200, head.size() + 250}) {
    InputHasher first(plan, object);
    first.feed(Bytes(whole).first(at));
    InputHasher second(plan, object);
    ASSERT_TRUE(second.restore(*first.save()));
    Buffer wrong = whole;
    wrong[head.size() + 290] ^= std::byte{1};
    const Error error = test::error_of([&] { second.feed(Bytes(wrong).subspan(at)); });
    EXPECT_EQ(error.code(), Code::verification);
    EXPECT_EQ(error.object(), "a");
  }
}

TEST_F(GroupHasherTest, TheFilesOwnStateMustFit) {
  InputHasher hasher(plan, object);
  hasher.feed(Bytes(whole).first(100));
  SavedHash saved = *hasher.save();
  EXPECT_FALSE(saved.unit.empty());
  InputHasher other(plan, object);
  for (const std::string& unit : {std::string(), std::string("nonsense"), saved.sha256}) {
    saved.unit = unit;
    EXPECT_FALSE(other.restore(saved)) << unit;
    EXPECT_EQ(other.offset(), 0u);
  }
}

TEST_F(InputHasherTest, GitFilesHaveNoSavedState) {
  plan.units[0].digests = {"", GitBlobSha1::hex_of(bytes)};
  InputHasher hasher(plan, object);
  hasher.feed(part(0, 500));
  EXPECT_FALSE(hasher.save().has_value());
  EXPECT_NO_THROW(hasher.feed(part(500, 1'000)));
}

/// Two files and a literal between.
TEST_F(InputHasherTest, TellsTheDigestOfEachUnit) {
  const Buffer other = test::pattern(300, 2);
  for (const bool stated : {true, false}) {
    TransferPlan two;
    two.units = {{"a", bytes.size(), {stated ? Sha256::hex_of(bytes) : "", ""}},
                 {"b", other.size(), {"", ""}}};
    ObjectPlan both;
    both.segments = {LiteralSegment{std::make_shared<const Buffer>(test::pattern(7, 3))},
                     SourceSegment{0, {0, bytes.size()}},
                     LiteralSegment{std::make_shared<const Buffer>(test::pattern(5, 4))},
                     SourceSegment{1, {0, other.size()}}};
    Buffer all = test::pattern(7, 3);
    all.insert(all.end(), bytes.begin(), bytes.end());
    const Buffer between = test::pattern(5, 4);
    all.insert(all.end(), between.begin(), between.end());
    all.insert(all.end(), other.begin(), other.end());
    const std::vector<std::string> digests = {Sha256::hex_of(bytes), Sha256::hex_of(other)};

    InputHasher whole(two, both);
    whole.feed(all);
    EXPECT_EQ(whole.unit_sha256(), digests);
    EXPECT_EQ(whole.sha256(), Sha256::hex_of(all));

    for (const std::size_t at : {3u, 500u, 1'007u, 1'010u, 1'100u}) {
      InputHasher first(two, both);
      first.feed(Bytes(all).first(at));
      InputHasher second(two, both);
      ASSERT_TRUE(second.restore(*first.save())) << at;
      second.feed(Bytes(all).subspan(at));
      EXPECT_EQ(second.unit_sha256(), digests) << at;
      SavedHash without = *first.save();
      without.units.clear();  // as a journal that lost them
      EXPECT_EQ(InputHasher(two, both).restore(without), at < 1'007) << at;
    }
  }
}

}  // namespace
}  // namespace dray
