// Stores that take bytes only in order, and sources that give them so.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::cut;
using test::EngineTest;
using test::kPart;
using test::MemorySource;

struct InOrderStoreTest : EngineTest {
  InOrderStoreTest() : EngineTest({.part_size = kPart, .in_order = true}) {}
};

TEST_F(InOrderStoreTest, GetsPartsOneAfterAnother) {
  add("a", 30'500);
  add("b", 2'500);
  expect_complete(run());
}

TEST_F(InOrderStoreTest, RewindFetchesAgainWhatIsGoneFromMemory) {
  add("a", 30'500);
  store.rewind(20, 3 * kPart);
  store.rewind(25, 10 * kPart);
  expect_complete(run());
  EXPECT_GT(source().bytes_read(), 30'500u);
}

TEST_F(InOrderStoreTest, RewindWithOnePartOfMemory) {
  options.memory = 0;
  add("a", 30'500);
  store.rewind(9, 0);
  expect_complete(run());
}

struct OrderedSourceTest : EngineTest {
  OrderedSourceTest() { ordered = true; }
};

TEST_F(OrderedSourceTest, FilesComeInOnePass) {
  add("a", 5'000);
  add("empty", 0, 1);
  add("config.json", 100, 2);
  expect_complete(run());
  EXPECT_EQ(source().passes(), 1u);
  EXPECT_EQ(source().bytes_read(), 5'100u);
}

TEST_F(OrderedSourceTest, WithoutDigestsNothingIsVisibleBeforeTheEnd) {
  add("a", 5'000, 0, MemorySource::Stated::nothing);
  add("b", 5'000, 0, MemorySource::Stated::nothing);
  std::atomic<bool> early = false;
  source().before_read = [&](const std::string& path, std::uint64_t offset) {
    if (path == "b" && offset > 4'000) early = early || !store.keys("m/").empty();
  };
  expect_complete(run());
  EXPECT_FALSE(early);
}

TEST_F(OrderedSourceTest, ABrokenPassBeginsAgainWithoutWhatIsDone) {
  add("a", 5'000);
  add("b", 9'000);
  std::atomic<int> cuts = 0;
  source().before_read = [&](const std::string& path, std::uint64_t offset) {
    if (path == "b" && offset == 7'000 && cuts++ < 2) throw cut();
  };
  expect_complete(run());
  EXPECT_EQ(source().passes(), 3u);
}

TEST_F(OrderedSourceTest, AWrongByteOnceIsFetchedAgain) {
  add("a", 5'000);
  add("b", 3'000);
  std::atomic<bool> done = false;
  source().after_read = [&](const std::string& path, std::uint64_t offset, MutableBytes out) {
    if (path == "a" && offset == 2'250 && !done.exchange(true)) out[0] ^= std::byte{1};
  };
  expect_complete(run());
}

}  // namespace
}  // namespace dray
