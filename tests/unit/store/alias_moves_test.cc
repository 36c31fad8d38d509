// Moves of aliases: rollbacks, races and lost answers.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "tests/support/errors.h"
#include "tests/support/memory_store.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const std::stop_token kGo;

class StoreAliasMoves : public testing::Test {
 protected:
  MoveResult move(const std::string& version, const std::string& actor = "me") {
    return move_alias(store_, "llama", "production", version, MoveNote{actor, "login", ""}, kGo);
  }
  std::vector<AliasMove> history() { return alias_history(store_, "llama", "production", kGo); }
  std::vector<std::string> versions() {
    std::vector<std::string> out;
    for (const auto& each : history()) out.push_back(each.version);
    return out;
  }
  /// What a rollback would go to; "none" where it would not.
  std::string before() {
    const auto all = history();
    const AliasMove* undone = move_to_undo(all);
    return undone == nullptr ? "none" : undone->previous;
  }
  AliasMove roll_back() {
    const auto all = history();
    return undo_move(store_, all, *move_to_undo(all), {"me", "login", "bad"}, kGo);
  }
  MemoryStore store_;
};

TEST_F(StoreAliasMoves, RollbacksGoOnFurtherBack) {
  for (const char* version : {"1", "2", "3"}) move(version);
  EXPECT_EQ(roll_back().version, "2");
  EXPECT_EQ(roll_back().version, "1");
  EXPECT_EQ(before(), "") << "before its first move it pointed nowhere";
  EXPECT_THAT(versions(), ElementsAre("1", "2", "3", "2", "1"));
  const auto all = history();
  EXPECT_EQ(all[3].undoes, 3u);
  EXPECT_EQ(all[4].undoes, 2u);
  EXPECT_EQ(all[4].previous, "2");
}

TEST_F(StoreAliasMoves, AMoveAfterARollbackIsTheOneToTakeBack) {
  for (const char* version : {"1", "2", "3"}) move(version);
  roll_back();
  move("4");
  EXPECT_EQ(roll_back().version, "2");
  EXPECT_EQ(roll_back().version, "1");
}

TEST_F(StoreAliasMoves, ARollbackThatIsTakenBackDoesNotCount) {
  move("1");
  move("2");
  roll_back();
  const auto all = history();
  EXPECT_EQ(undo_move(store_, all, all.back(), {}, kGo).version, "2");
  EXPECT_EQ(before(), "1");
}

TEST_F(StoreAliasMoves, NothingToTakeBack) {
  EXPECT_EQ(before(), "none");
  move("1");
  EXPECT_EQ(before(), "");
}

TEST_F(StoreAliasMoves, MovesOfOlderWritersAreMovesForward) {
  move("1");
  store_.plant(alias_key("llama", "production", 2),
               R"({"format": "dray-alias-move", "format_version": 1, "seq": 2, "name": "llama",
                   "alias": "production", "version": "2", "previous": "1", "actor": "", "reason": "",
                   "time": "2026-08-07T12:34:56Z"})");
  EXPECT_EQ(before(), "1");
  EXPECT_EQ(history()[1].actor_source, "");
}

TEST_F(StoreAliasMoves, ARollbackOfWhatIsNoLongerSoIsRefused) {
  move("1");
  move("2");
  const auto seen = history();
  move("3", "ann");
  const Error error =
      error_of([&] { undo_move(store_, seen, *move_to_undo(seen), {"me", "", ""}, kGo); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_THAT(error.what(), HasSubstr("ann moved it to 3"));
  EXPECT_THAT(versions(), ElementsAre("1", "2", "3"));
}

TEST_F(StoreAliasMoves, OfTwoRollbacksAtOnceOneCounts) {
  for (const char* version : {"1", "2", "3"}) move(version);
  const auto seen = history();
  bool raced = false;
  store_.before([&](const MemoryCall& call) {
    if (call.verb != "state.create" || raced) return;
    raced = true;
    undo_move(store_, seen, *move_to_undo(seen), {"other", "", ""}, kGo);
  });
  EXPECT_EQ(error_of([&] { undo_move(store_, seen, *move_to_undo(seen), {}, kGo); }).code(),
            Code::conflict);
  EXPECT_THAT(versions(), ElementsAre("1", "2", "3", "2")) << "one step, not two";
}

TEST_F(StoreAliasMoves, ALostAnswerIsSettledByReadingBack) {
  move("1");
  store_.lose_reply("state.create", 1);
  const MoveResult result = move("2");
  EXPECT_TRUE(result.appended);
  EXPECT_THAT(versions(), ElementsAre("1", "2"));
}

TEST_F(StoreAliasMoves, AnUnknownOutcomeThatWasNoneIsTriedAgain) {
  store_.fail("state.create", 1, Error(Code::network, "reset").ambiguous());
  EXPECT_TRUE(move("1").appended);
  EXPECT_THAT(versions(), ElementsAre("1"));
}

TEST_F(StoreAliasMoves, AnUnknownOutcomeMayBeSomeoneElsesRecord) {
  bool raced = false;
  store_.before([&](const MemoryCall& call) {
    if (call.verb != "state.create" || raced) return;
    raced = true;  // the other one is there; of ours it is not known
    move("1", "me");
    throw Error(Code::network, "reset").ambiguous();
  });
  // The same version by the same person in the same second: only the id tells the two apart.
  EXPECT_FALSE(move("1", "me").appended);
  EXPECT_THAT(versions(), ElementsAre("1"));
  raced = false;
  store_.before([&](const MemoryCall& call) {
    if (call.verb != "state.create" || raced) return;
    raced = true;
    move("2", "other");
    throw Error(Code::network, "reset").ambiguous();
  });
  EXPECT_EQ(move("3").move.seq, 3u) << "after the other";
  EXPECT_THAT(versions(), ElementsAre("1", "2", "3"));
}

TEST_F(StoreAliasMoves, AnOutcomeThatStaysUnknownIsAnError) {
  for (int i = 1; i <= 10; ++i)
    store_.fail("state.create", i, Error(Code::network, "reset").ambiguous());
  EXPECT_EQ(error_of([&] { move("1"); }).code(), Code::network);
}

TEST_F(StoreAliasMoves, EveryInterleavingOfTwoWritersKeepsBoth) {
  // The other writer's whole move happens right before, or right after, the n-th call of ours.
  for (int n = 1; n <= 4; ++n) {
    for (const bool after : {false, true}) {
      MemoryStore store;
      move_alias(store, "llama", "production", "1", MoveNote{}, kGo);
      int calls = 0;
      const auto other = [&](const MemoryCall&) {
        if (++calls == n) move_alias(store, "llama", "production", "2", MoveNote{}, kGo);
      };
      after ? store.after(other) : store.before(other);
      move_alias(store, "llama", "production", "3", MoveNote{}, kGo);
      const bool happened = calls >= n;
      store.before(nullptr);
      store.after(nullptr);
      const auto all = alias_history(store, "llama", "production", kGo);
      ASSERT_THAT(all, SizeIs(happened ? 3 : 2)) << n << after;
      for (std::size_t i = 1; i < all.size(); ++i)
        EXPECT_EQ(all[i].previous, all[i - 1].version) << n << after;
    }
  }
}

TEST_F(StoreAliasMoves, TheRecordTellsHowTheActorIsKnown) {
  move("1");
  AliasMove one = history()[0];
  EXPECT_EQ(one.actor_source, "login");
  EXPECT_EQ(one.id.size(), 32u);
  one.undoes = one.seq;
  EXPECT_EQ(error_of([&] { parse_alias_move(alias_move_text(one), "move"); }).code(),
            Code::malformed);
}

}  // namespace
}  // namespace dray::test
