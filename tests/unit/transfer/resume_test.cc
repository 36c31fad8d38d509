// Going on where an earlier run stopped, down to the last part.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::EngineTest;
using test::kPart;
using test::MemoryStore;
using test::pattern;

/// An object of 18,000 bytes whose first run ends, by a failure of the source, when exactly the
/// parts before `kEnd` are hashed and acknowledged.
struct ResumeTest : EngineTest {
  static constexpr std::uint64_t kEnd = 15'000, kSize = 18'000;

  /// One file.
  void plan_file() { add("a", kSize); }
  /// Two files of 9,000 bytes in one object, as in a layer.
  void plan_group() {
    ObjectPlan object;
    object.spec.key = "m/layer";
    object.spec.size = kSize;
    object.label = "layer";
    for (const std::string path : {"x", "y"}) {
      object.segments.push_back(SourceSegment{plan.units.size(), {0, kSize / 2}});
      plan.units.push_back(source().add(path, pattern(kSize / 2, ++salt)));
    }
    plan.objects.push_back(std::move(object));
  }
  /// Where in the object a read begins.
  static std::uint64_t place(const std::string& path, std::uint64_t offset) {
    return path == "y" ? kSize / 2 + offset : offset;
  }
  void break_off() {
    store.after([&](const test::MemoryCall& call) { answered += call.verb == "put"; });
    source().before_read = [&](const std::string& path, std::uint64_t offset) {
      if (place(path, offset) < kEnd) return;
      wait_until([&] { return answered >= 15 && progress.view().verified >= kEnd; });
      throw Error(Code::gated, "the door closed").from(Side::source);
    };
    EXPECT_EQ(test::error_of([&] { run(); }).code(), Code::gated);
    source().before_read = nullptr;
    store.after(nullptr);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].upload.parts.size(), 15u);
    ASSERT_TRUE(left[0].hash.has_value());
    EXPECT_EQ(left[0].hash->offset, kEnd);
  }
  std::vector<ObjectResult> go_on() {
    read_before = source().bytes_read();
    puts_before = store.count("put");
    Engine engine(source(), store, options, second);
    return engine.run(plan, left, {});
  }
  std::uint64_t read_again() const { return random_source.bytes_read() - read_before; }
  std::size_t put_again() const { return store.count("put") - puts_before; }

  Progress second;
  std::uint64_t read_before = 0;
  std::size_t puts_before = 0;
};

TEST_F(ResumeTest, OnlyWhatIsNotAcknowledgedIsReadAndSent) {
  plan_file();
  break_off();
  const auto results = go_on();
  EXPECT_EQ(read_again(), kSize - kEnd);
  EXPECT_EQ(put_again(), 3u);
  EXPECT_EQ(results[0].sha256, Sha256::hex_of(source().bytes("a")));
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
  EXPECT_EQ(second.view().reused, kEnd);
}

TEST_F(ResumeTest, AlsoWithinAnObjectOfSeveralFiles) {
  plan_group();
  break_off();
  EXPECT_FALSE(left[0].hash->unit.empty()) << "the second file is hashed from its middle on";
  const auto results = go_on();
  EXPECT_EQ(read_again(), kSize - kEnd);
  EXPECT_EQ(put_again(), 3u);
  EXPECT_EQ(results[0].sha256, Sha256::hex_of(as_bytes(*store.content("m/layer"))));
}

TEST_F(ResumeTest, AFileThatChangedMeanwhileIsFound) {
  plan_group();
  break_off();
  source().after_read = [](const std::string& path, std::uint64_t offset, MutableBytes out) {
    if (path == "y" && offset == 7'000) out[0] ^= std::byte{1};
  };
  EXPECT_EQ(test::error_of([&] { go_on(); }).code(), Code::verification);
  EXPECT_TRUE(store.keys("m/").empty());
}

TEST_F(ResumeTest, APartThatIsGoneIsFetchedOnlyToBeSent) {
  plan_file();
  break_off();
  store.lose_part("m/a", 4);
  store.flip_part("m/a", 9);
  go_on();
  EXPECT_EQ(read_again(), kSize - kEnd + 2 * kPart);
  EXPECT_EQ(put_again(), 5u);
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(ResumeTest, ALostPartMustBeTheBytesThatWereHashed) {
  plan_file();
  break_off();
  store.lose_part("m/a", 4);
  std::atomic<bool> done = false;
  source().after_read = [&](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 4'250 && !done.exchange(true)) out[0] ^= std::byte{1};
  };
  go_on();  // fetched as a whole once more, and the digest decides
  EXPECT_TRUE(done);
  EXPECT_EQ(store.count("abandon"), 0u) << "nothing wrong came as far as the store";
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(ResumeTest, WithoutARecordOfEveryPartTheHashStateIsOfNoUse) {
  plan_file();
  break_off();
  auto& parts = left[0].upload.parts;
  std::erase_if(parts, [](const PutPart& part) { return part.index == 3; });
  go_on();
  EXPECT_EQ(read_again(), kSize);
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(ResumeTest, TheSavedStateIsNeverAheadOfWhatIsAcknowledged) {
  // Part 2 is never acknowledged: all later ones are, and everything is hashed.
  plan_file();
  store.before([&](const test::MemoryCall& call) {
    if (call.verb != "put" || call.index != 2) return;
    wait_until([&] { return answered >= 17 && progress.view().verified == kSize; });
    throw Error(Code::gated, "not this one").from(Side::destination);
  });
  store.after([&](const test::MemoryCall& call) { answered += call.verb == "put"; });
  EXPECT_EQ(test::error_of([&] { run(); }).code(), Code::gated);
  store.before(nullptr);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].upload.parts.size(), 17u);
  ASSERT_TRUE(left[0].hash.has_value());
  EXPECT_EQ(left[0].hash->offset, 2 * kPart);
  go_on();
  EXPECT_EQ(put_again(), 1u);
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

}  // namespace
}  // namespace dray
