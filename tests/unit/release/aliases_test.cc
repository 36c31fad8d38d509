#include "dray/release/aliases.h"

#include <gmock/gmock.h>

#include "tests/unit/release/versions_fixture.h"

namespace dray::test {
namespace {

using testing::HasSubstr;

using ReleaseAliases = VersionsFixture;

TEST_F(ReleaseAliases, PromoteTellsWhatWasBefore) {
  publish("1.0.0");
  publish("1.0.1");
  const MovedAlias first = point("1.0.0");
  EXPECT_TRUE(first.changed);
  EXPECT_EQ(first.previous, "");
  const MovedAlias second = promote(store, {"llama", "", ""}, "production", note, false, {});
  EXPECT_EQ(second.manifest.version, "1.0.1") << "a bare name is the newest";
  EXPECT_EQ(second.previous, "1.0.0");
  EXPECT_FALSE(point("1.0.1").changed);
  EXPECT_EQ(point("1.0.1").previous, "1.0.1");
}

TEST_F(ReleaseAliases, ADryRunMovesNothing) {
  publish("1.0.0");
  const MovedAlias would = promote(store, {"llama", "1.0.0", ""}, "production", note, true, {});
  EXPECT_TRUE(would.changed);
  EXPECT_EQ(pointed(), "");
}

TEST_F(ReleaseAliases, WhatIsPutAwayIsNotPromoted) {
  publish("1.0.0");
  publish("1.0.1");
  archive_release(change("1.0.1"), {});
  const Error error = error_of([&] { point("1.0.1"); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_THAT(error.hint(), HasSubstr("dray restore llama:1.0.1"));
  EXPECT_EQ(promote(store, {"llama", "", ""}, "production", note, false, {}).manifest.version,
            "1.0.0")
      << "nor is it what the bare name means";
}

TEST_F(ReleaseAliases, AReleaseRemovedAtTheSameMomentLosesTheAliasAgain) {
  publish("1.0.0");
  publish("1.0.1");
  point("1.0.0");
  store.after([&](const MemoryCall& call) {
    if (call.verb != "state.create" || !call.key.starts_with(".dray/aliases/")) return;
    store.state().remove(manifest_key("llama", "1.0.1"), {});
    store.after(nullptr);  // the last step: it ends this function's own life
  });
  EXPECT_EQ(error_of([&] { point("1.0.1"); }).code(), Code::conflict);
  EXPECT_EQ(pointed(), "1.0.0");
}

TEST_F(ReleaseAliases, RollbackGoesOneStepBackEachTime) {
  for (const char* version : {"1", "2", "3"}) {
    publish(version);
    point(version);
  }
  const RolledBack first = roll_back_to_before();
  EXPECT_EQ(first.moved.manifest.version, "2");
  EXPECT_EQ(first.moved.previous, "3");
  EXPECT_EQ(first.undone.seq, 3u);
  ASSERT_TRUE(first.checked);
  EXPECT_EQ(first.checked->files, 2u);
  EXPECT_EQ(roll_back_to_before().moved.manifest.version, "1");
  const Error end = error_of([&] { roll_back_to_before(); });
  EXPECT_EQ(end.code(), Code::not_found);
  EXPECT_THAT(end.what(), HasSubstr("pointed nowhere"));
  EXPECT_EQ(pointed(), "1");
}

TEST_F(ReleaseAliases, ARollbackCanBeTriedDry) {
  for (const char* version : {"1", "2"}) {
    publish(version);
    point(version);
  }
  RollbackRequest request{.store = &store, .name = "llama", .alias = "production"};
  request.dry_run = true;
  Progress progress;
  EXPECT_EQ(roll_back(request, progress, {}).moved.manifest.version, "1");
  EXPECT_EQ(pointed(), "2");
}

TEST_F(ReleaseAliases, NoRollbackToBytesThatAreNotIntact) {
  for (const char* version : {"1", "2"}) {
    publish(version);
    point(version);
  }
  const std::string key = release_prefix("llama", "1") + "model.safetensors";
  store.plant(key, "weights !");
  const Error quick = error_of([&] { roll_back_to_before(); });
  EXPECT_EQ(quick.code(), Code::verification);
  EXPECT_THAT(quick.what(), HasSubstr("model.safetensors"));
  EXPECT_THAT(quick.hint(), HasSubstr("--verify full"));
  const Error full = error_of([&] { roll_back_to_before(BytesCheck::full); });
  EXPECT_EQ(full.code(), Code::verification);
  EXPECT_EQ(pointed(), "2");
  store.remove(key, {});
  EXPECT_EQ(error_of([&] { roll_back_to_before(); }).code(), Code::verification);
  EXPECT_EQ(roll_back_to_before(BytesCheck::none).moved.manifest.version, "1") << "if told so";
  EXPECT_EQ(pointed(), "1");
}

TEST_F(ReleaseAliases, AFullCheckGoesBackToBytesThatWereWrittenAgain) {
  for (const char* version : {"1", "2"}) {
    publish(version);
    point(version);
  }
  // A restored backup: the same bytes under another ETag, and no checksum that could settle it.
  store.plant(release_prefix("llama", "1") + "model.safetensors", "weights 1");
  EXPECT_EQ(roll_back_to_before(BytesCheck::full).moved.manifest.version, "1");
}

TEST_F(ReleaseAliases, NoRollbackToWhatIsGoneOrPutAway) {
  for (const char* version : {"1", "2"}) {
    publish(version);
    point(version);
  }
  archive_release(change("1"), {});
  EXPECT_EQ(error_of([&] { roll_back_to_before(); }).code(), Code::conflict);
  remove("1");
  const Error removed = error_of([&] { roll_back_to_before(BytesCheck::none); });
  EXPECT_EQ(removed.code(), Code::not_found);
  EXPECT_THAT(removed.hint(), HasSubstr("dray restore llama:1"));
  restore_release(change("1"), {});
  EXPECT_EQ(roll_back_to_before(BytesCheck::none).moved.manifest.version, "1")
      << "archived, by force";
}

TEST_F(ReleaseAliases, WhichAliasIsMeant) {
  EXPECT_EQ(error_of([&] { only_alias(store, "llama", {}); }).code(), Code::not_found);
  publish("1");
  EXPECT_THAT(error_of([&] { only_alias(store, "llama", {}); }).what(), HasSubstr("no alias"));
  point("1");
  EXPECT_EQ(only_alias(store, "llama", {}), "production");
  point("1", "staging");
  const Error several = error_of([&] { only_alias(store, "llama", {}); });
  EXPECT_EQ(several.code(), Code::usage);
  EXPECT_THAT(several.what(), HasSubstr("production, staging"));
}

TEST_F(ReleaseAliases, ADroppedAliasComesBackByRollback) {
  publish("1");
  point("1");
  EXPECT_EQ(drop_alias(store, "llama", "production", note, true, {}), "1");
  EXPECT_EQ(pointed(), "1") << "a dry run";
  EXPECT_EQ(drop_alias(store, "llama", "production", note, false, {}), "1");
  EXPECT_EQ(pointed(), "");
  EXPECT_EQ(error_of([&] { drop_alias(store, "llama", "production", note, false, {}); }).code(),
            Code::not_found);
  EXPECT_EQ(roll_back_to_before().moved.manifest.version, "1");
}

TEST_F(ReleaseAliases, TheHistoryTellsAllOfIt) {
  publish("1");
  publish("2");
  point("1");
  point("2");
  roll_back_to_before();
  archive_release(change("2"), {});
  remove("2");
  restore_release(change("2"), {});
  const auto events = model_history(store, "llama", "", {});
  std::vector<std::string> told;
  for (const auto& event : events) told.push_back(event.what + " " + event.version);
  EXPECT_THAT(told, testing::UnorderedElementsAre("released 1", "released 2", "moved 1", "moved 2",
                                                  "rolled back 1", "archived 2", "removed 2",
                                                  "restored 2"));
  for (const auto& event : events) {
    if (event.what == "released") continue;
    EXPECT_EQ(event.actor, "ann@host");
    EXPECT_EQ(event.actor_source, "login");
    EXPECT_EQ(event.reason, "because");
  }
  EXPECT_EQ(model_history(store, "llama", "production", {}).size(), 3u);
  EXPECT_TRUE(model_history(store, "absent", "", {}).empty());
}

}  // namespace
}  // namespace dray::test
