#include "dray/base/transform.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "dray/base/error.h"

namespace dray {
namespace {

/// Counts its bytes, and how many of its kind there are.
class Counting final : public Transform {
 public:
  explicit Counting(int& alive) : alive_(alive) { ++alive_; }
  ~Counting() override { --alive_; }
  std::uint64_t output_size() const override { return 3; }
  std::uint64_t memory() const override { return 7; }
  std::string identity() const override { return "counts"; }
  std::string report() const override { return std::to_string(bytes_); }
  void restart() override { bytes_ = 0; }
  void feed(Bytes input, TransformOutput&) override { bytes_ += input.size(); }
  void finish(TransformOutput&) override {
    if (bytes_ == 0) throw Error(Code::verification, "nothing came");
  }

 private:
  int& alive_;
  std::size_t bytes_ = 0;
};

class Nowhere final : public TransformOutput {
 public:
  MutableBytes space() override { return {}; }
  void filled(std::uint64_t) override {}
};

struct LateTransformTest : testing::Test {
  std::unique_ptr<LateTransform> late() {
    return std::make_unique<LateTransform>(TransformFacts{3, 7, "counts"}, [this] {
      ++made;
      return std::make_unique<Counting>(alive);
    });
  }
  int alive = 0, made = 0;
  Nowhere nowhere;
};

TEST_F(LateTransformTest, OfManyOnlyThoseAtWorkAreThere) {
  std::deque<std::unique_ptr<LateTransform>> all;
  for (int i = 0; i < 20; ++i) all.push_back(late());
  EXPECT_EQ(all.front()->output_size(), 3u);
  EXPECT_EQ(all.front()->memory(), 7u);
  EXPECT_EQ(all.front()->identity(), "counts");
  EXPECT_EQ(alive, 0);
  for (const auto& transform : all) {
    transform->feed(as_bytes("ab"), nowhere);
    transform->feed(as_bytes("c"), nowhere);
    EXPECT_EQ(alive, 1);
    transform->finish(nowhere);
    EXPECT_EQ(alive, 0);
  }
  EXPECT_EQ(made, 20);
  for (const auto& transform : all) EXPECT_EQ(transform->report(), "3");
}

TEST_F(LateTransformTest, BeginsAnewWithAnotherOne) {
  const auto transform = late();
  transform->feed(as_bytes("wrong"), nowhere);
  transform->restart();
  EXPECT_EQ(alive, 0);
  transform->feed(as_bytes("abc"), nowhere);
  transform->finish(nowhere);
  EXPECT_EQ(transform->report(), "3");
  transform->restart();
  EXPECT_THROW(transform->finish(nowhere), Error) << "of an input without bytes";
}

TEST(TransformFacts, AreThoseOfTheTransform) {
  int alive = 0;
  const TransformFacts facts = facts_of(Counting(alive));
  EXPECT_EQ(facts.output_size, 3u);
  EXPECT_EQ(facts.memory, 7u);
  EXPECT_EQ(facts.identity, "counts");
}

}  // namespace
}  // namespace dray
