// Whole objects that the store copies: what it held before, and what this transfer made.
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::EngineTest;

TEST_F(EngineTest, CopiesInsideTheStoreMoveNoBytes) {
  add("a", 5000);
  store.plant("other/a", std::string(as_text(source().bytes("a"))));
  plan.objects[0].copy_from = store.stat("other/a", {});
  plan.objects[0].spec.sha256 = plan.units[0].digests.sha256;
  const auto results = run();
  EXPECT_EQ(source().bytes_read(), 0u);
  EXPECT_FALSE(results[0].moved);
  EXPECT_EQ(results[0].sha256, plan.units[0].digests.sha256);
  EXPECT_EQ(store.content("m/a"), store.content("other/a"));
}

struct TwinTest : EngineTest {
  TwinTest() { add("a", 5'000); }
  /// Another file with the bytes of "a".
  void add_twin(const std::string& path, int rank = 0) {
    add(path, 0, rank);
    plan.units.back() = source().add(path, source().bytes("a"));
    ObjectPlan& object = plan.objects.back();
    object.spec.size = 5'000;
    object.spec.sha256 = plan.units.back().digests.sha256;
    object.segments = {SourceSegment{plan.units.size() - 1, {0, 5'000}}};
    object.same_as = 0;
  }
};

TEST_F(TwinTest, FilesOfEqualContentMoveOnce) {
  add_twin("b");
  add("c", 3'000);
  add_twin("d", 1);
  expect_complete(run());
  EXPECT_EQ(source().bytes_read(), 8'000u);
  EXPECT_EQ(store.count("copy"), 2u);
  EXPECT_EQ(progress.view().reused, 10'000u);
}

TEST_F(TwinTest, WhatCannotBeCopiedIsFetched) {
  add_twin("b");
  add_twin("d", 1);
  store.fail("copy", 1, Error(Code::server, "no").from(Side::destination));
  expect_complete(run());
  EXPECT_EQ(source().bytes_read(), 10'000u);
}

TEST_F(TwinTest, AnOriginalOfAnEarlierRunServesToo) {
  add_twin("b");
  source().before_read = nullptr;
  store.fail("copy", 1, Error(Code::conflict, "no").from(Side::destination));
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(left.size(), 1u);
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  engine.run(plan, left, {});
  EXPECT_EQ(source().bytes_read(), 5'000u);
  EXPECT_EQ(store.content("m/b"), store.content("m/a"));
}

TEST_F(TwinTest, AnOrderedSourceIsNotAskedForThem) {
  ordered = true;
  plan = {};
  add("a", 5'000);
  add_twin("b", 1);
  expect_complete(run());
  EXPECT_EQ(source().bytes_read(), 5'000u);
}

TEST_F(TwinTest, AnOriginalMustComeFirst) {
  add_twin("b", -1);
  EXPECT_EQ(test::error_of([&] { run(); }).code(), Code::internal);
}

}  // namespace
}  // namespace dray
