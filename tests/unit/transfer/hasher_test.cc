#include "dray/transfer/hasher.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"
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

TEST_F(InputHasherTest, GitFilesHaveNoSavedState) {
  plan.units[0].digests = {"", GitBlobSha1::hex_of(bytes)};
  InputHasher hasher(plan, object);
  hasher.feed(part(0, 500));
  EXPECT_FALSE(hasher.save().has_value());
  EXPECT_NO_THROW(hasher.feed(part(500, 1'000)));
}

}  // namespace
}  // namespace dray
