#include "dray/transfer/claim.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "dray/base/error.h"
#include "dray/store/layout.h"
#include "tests/support/memory_store.h"

namespace dray {
namespace {

Journal writer(const std::string& id) {
  Journal journal;
  journal.writer = {id, "host-" + id, "", 1, 1};  // another machine: judged by age only
  journal.name = "m";
  journal.version = "1.0.0";
  journal.plan = "p";
  return journal;
}

struct ClaimTest : testing::Test {
  test::MemoryStore store;
  StateStore& state = store.state();
  ClaimOptions options{std::chrono::seconds(60), std::chrono::seconds(0), nullptr};
  std::string prefix = transfer_prefix(transfer_id("m", "1.0.0"));
};

TEST_F(ClaimTest, OneWriterAtATime) {
  Claim first = Claim::acquire(state, writer("a"), options, {});
  try {
    Claim::acquire(state, writer("b"), options, {});
    FAIL() << "two writers";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::locked);
    EXPECT_NE(std::string(error.what()).find("host-a"), std::string::npos) << error.what();
  }
  EXPECT_EQ(state.list(prefix, {}).size(), 1u) << "the refused writer leaves nothing";
  first.release({});
  EXPECT_NO_THROW(Claim::acquire(state, writer("b"), options, {}));
}

TEST_F(ClaimTest, OneThatCannotLookWhoElseIsThereLeavesNothing) {
  store.fail("state.list", 2, Error(Code::network, "gone"));  // the look after its own was put
  EXPECT_THROW(Claim::acquire(state, writer("a"), options, {}), Error);
  EXPECT_EQ(store.count("state.put"), 1u);
  EXPECT_TRUE(state.list(prefix, {}).empty()) << "others would wait for it";
}

TEST_F(ClaimTest, ReleasesOfOtherNamesDoNotMeet) {
  Journal other = writer("b");
  other.version = "1.0.1";
  Claim first = Claim::acquire(state, writer("a"), options, {});
  EXPECT_NO_THROW(Claim::acquire(state, other, options, {}));
}

TEST_F(ClaimTest, ADeadWritersJournalIsInheritedAndRemovedWithTheFirstSave) {
  Journal dead = writer("a");
  dead.keys = {"model-data/m/1.0.0/x"};
  Claim::acquire(state, dead, options, {});
  store.advance(std::chrono::seconds(61));
  Claim claim = Claim::acquire(state, writer("b"), options, {});
  ASSERT_EQ(claim.inherited().size(), 1u);
  EXPECT_EQ(claim.inherited()[0].keys, dead.keys);
  EXPECT_EQ(state.list(prefix, {}).size(), 2u) << "kept until its content is saved elsewhere";
  claim.save(writer("b"), {});
  EXPECT_EQ(state.list(prefix, {}).size(), 1u);
}

TEST_F(ClaimTest, AnOrderlyStopIsTakenOverAtOnce) {
  Journal stopped = writer("a");
  Claim claim = Claim::acquire(state, stopped, options, {});
  stopped.released = true;
  claim.save(stopped, {});
  EXPECT_NO_THROW(Claim::acquire(state, writer("b"), options, {}));
}

TEST_F(ClaimTest, AWriterThatWasHeldTooLongFindsOut) {
  Claim held = Claim::acquire(state, writer("a"), options, {});
  store.advance(std::chrono::seconds(61));
  Claim taken = Claim::acquire(state, writer("b"), options, {});
  taken.save(writer("b"), {});
  try {
    held.save(writer("a"), {});
    FAIL() << "two writers";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::locked);
  }
}

TEST_F(ClaimTest, RenewingKeepsItAlive) {
  Claim claim = Claim::acquire(state, writer("a"), options, {});
  for (int i = 0; i < 3; ++i) {
    store.advance(std::chrono::seconds(40));
    claim.save(writer("a"), {});
  }
  EXPECT_THROW(Claim::acquire(state, writer("b"), options, {}), Error);
}

TEST_F(ClaimTest, AnUnreadableJournalCountsByAgeAndIsNeverRemoved) {
  state.put(prefix + "z.json", R"({"format":"dray-journal","format_version":99})", {});
  EXPECT_THROW(Claim::acquire(state, writer("a"), options, {}), Error);
  store.advance(std::chrono::seconds(61));
  Claim claim = Claim::acquire(state, writer("a"), options, {});
  EXPECT_TRUE(claim.inherited().empty());
  claim.save(writer("a"), {});
  claim.release({});
  EXPECT_TRUE(state.get(prefix + "z.json", {}).has_value());
}

TEST_F(ClaimTest, OfTwoThatClaimAtTheSameMomentOneGoesOnThoughNoneWaits) {
  // Both have looked before one puts, and both have put before one looks again.
  std::atomic<int> looked = 0, put = 0;
  const auto meet = [](const test::MemoryCall& call, std::atomic<int>& arrived) {
    if (call.verb != "state.put" || ++arrived > 2) return;
    while (arrived < 2) std::this_thread::yield();
  };
  store.before([&](const test::MemoryCall& call) { meet(call, looked); });
  store.after([&](const test::MemoryCall& call) { meet(call, put); });
  std::atomic<int> winners = 0, refused = 0;
  {
    std::vector<std::jthread> threads;
    for (const char* id : {"a", "b"})
      threads.emplace_back([&, id] {
        try {
          Claim::acquire(state, writer(id), options, {});  // and keeps it
          ++winners;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), Code::locked);
          ++refused;
        }
      });
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(state.list(prefix, {}).size(), 1u);
}

TEST_F(ClaimTest, OfManyAtOnceOneWins) {
  std::atomic<int> winners = 0, refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&, i] {
        try {
          ClaimOptions patient = options;
          patient.wait = std::chrono::seconds(2);
          Claim claim = Claim::acquire(state, writer(std::to_string(i)), patient, {});
          EXPECT_EQ(++winners, 1) << "two hold the claim at once";
          claim.save(writer(std::to_string(i)), {});
          --winners;
          claim.release({});
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), Code::locked);
          ++refused;
        }
      });
  }
  EXPECT_LT(refused, 6);
  EXPECT_TRUE(state.list(prefix, {}).empty());
}

}  // namespace
}  // namespace dray
