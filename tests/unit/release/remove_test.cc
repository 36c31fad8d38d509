#include "dray/release/remove.h"

#include <gmock/gmock.h>

#include "tests/unit/release/versions_fixture.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct ReleaseRemove : VersionsFixture {
  std::vector<std::string> files(const std::string& version) {
    return store.keys(release_prefix("llama", version));
  }
  VersionState state(const std::string& version) {
    const auto change = find_version_change(store, "llama", version, {});
    return change ? change->state : VersionState::live;
  }
  std::vector<Leftover> purge(bool yes = true) {
    return purge_removed(store, yes, unix_now() + 7200, {});
  }
};

TEST_F(ReleaseRemove, AnArchivedVersionStaysAndComesBack) {
  publish("1.0.0");
  publish("1.0.1");
  EXPECT_TRUE(archive_release(change("1.0.1"), {}).changed);
  EXPECT_FALSE(archive_release(change("1.0.1"), {}).changed);
  EXPECT_EQ(resolve_release(store, {"llama", "", ""}, {}).version, "1.0.0");
  EXPECT_EQ(resolve_release(store, {"llama", "1.0.1", ""}, {}).version, "1.0.1");
  const ChangeResult back = restore_release(change("1.0.1"), {});
  EXPECT_TRUE(back.changed);
  EXPECT_EQ(back.before, VersionState::archived);
  EXPECT_EQ(resolve_release(store, {"llama", "", ""}, {}).version, "1.0.1");
  EXPECT_FALSE(restore_release(change("1.0.1"), {}).changed);
}

TEST_F(ReleaseRemove, AllVersionsArchivedIsSaid) {
  publish("1.0.0");
  archive_release(change("1.0.0"), {});
  const Error error = error_of([&] { resolve_release(store, {"llama", "", ""}, {}); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_THAT(error.hint(), HasSubstr("llama:1.0.0"));
}

TEST_F(ReleaseRemove, WhatAnAliasHoldsStays) {
  publish("1.0.0");
  point("1.0.0");
  for (const Error& error : {error_of([&] { remove("1.0.0"); }),
                             error_of([&] { archive_release(change("1.0.0"), {}); })}) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_THAT(error.what(), HasSubstr("production points to it"));
    EXPECT_THAT(error.hint(), HasSubstr("dray rm llama@production"));
  }
  EXPECT_TRUE(exists("1.0.0"));
  EXPECT_EQ(state("1.0.0"), VersionState::live);
}

TEST_F(ReleaseRemove, ARemovedReleaseIsGoneAndItsFilesStay) {
  publish("1.0.0");
  const std::string text = *store.content(manifest_key("llama", "1.0.0"));
  const ChangeResult removed = remove("1.0.0");
  EXPECT_TRUE(removed.changed);
  EXPECT_GE(removed.purge_after, unix_now() + 3500);
  EXPECT_FALSE(exists("1.0.0"));
  EXPECT_THAT(files("1.0.0"), SizeIs(2));
  EXPECT_FALSE(remove("1.0.0").changed) << "again is success";
  const Error gone = error_of([&] { resolve_release(store, {"llama", "1.0.0", ""}, {}); });
  EXPECT_EQ(gone.code(), Code::not_found);
  EXPECT_THAT(gone.hint(), HasSubstr("dray restore llama:1.0.0"));
  EXPECT_THAT(gone.hint(), HasSubstr("ann@host"));

  EXPECT_TRUE(restore_release(change("1.0.0"), {}).changed);
  EXPECT_EQ(*store.content(manifest_key("llama", "1.0.0")), text) << "byte for byte";
}

TEST_F(ReleaseRemove, ADryRunChangesNothing) {
  publish("1.0.0");
  const auto before = store.keys();
  ChangeRequest request = change("1.0.0");
  request.dry_run = true;
  EXPECT_TRUE(remove_release(request, std::chrono::hours(1), {}).changed);
  EXPECT_TRUE(archive_release(request, {}).changed);
  EXPECT_EQ(store.keys(), before);
  remove("1.0.0");
  const auto removed = store.keys();
  EXPECT_TRUE(restore_release(request, {}).changed);
  EXPECT_EQ(purge(false).size(), 0u) << "too early by the store's clock";
  EXPECT_EQ(store.keys(), removed);
}

TEST_F(ReleaseRemove, AnArchivedReleaseComesBackArchived) {
  publish("1.0.0");
  archive_release(change("1.0.0"), {});
  remove("1.0.0");
  EXPECT_EQ(restore_release(change("1.0.0"), {}).now, VersionState::archived);
  EXPECT_EQ(state("1.0.0"), VersionState::archived);
}

TEST_F(ReleaseRemove, NoRestoreWithoutTheFiles) {
  publish("1.0.0");
  remove("1.0.0");
  store.remove(release_prefix("llama", "1.0.0") + "config.json", {});
  EXPECT_EQ(error_of([&] { restore_release(change("1.0.0"), {}); }).code(), Code::conflict);
  EXPECT_FALSE(exists("1.0.0"));
  EXPECT_EQ(state("1.0.0"), VersionState::removed);
}

TEST_F(ReleaseRemove, ARemovedVersionIsNotPublishedAgain) {
  const Manifest manifest = publish("1.0.0");
  remove("1.0.0");
  const Error error = error_of([&] { publish_manifest(store, manifest, {}); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_THAT(error.hint(), HasSubstr("dray restore"));
  EXPECT_THAT(versions_ever(store, "llama", {}), ElementsAre("1.0.0"));
}

TEST_F(ReleaseRemove, PurgeWaitsForTheGraceByBothClocks) {
  publish("1.0.0");
  store.plant(ranges_key("llama", "1.0.0"), "digests of its ranges");
  remove("1.0.0");
  EXPECT_THAT(purge(), IsEmpty()) << "this machine's clock is ahead";
  store.advance(std::chrono::hours(2));
  EXPECT_THAT(purge_removed(store, true, unix_now(), {}), IsEmpty()) << "the store's is";
  EXPECT_THAT(files("1.0.0"), SizeIs(2));
  const auto told = purge(false);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].transfer, "llama:1.0.0");
  EXPECT_GT(told[0].bytes, 0u);
  EXPECT_THAT(files("1.0.0"), SizeIs(2)) << "only told";
  EXPECT_TRUE(store.content(ranges_key("llama", "1.0.0")));
  EXPECT_THAT(purge(), SizeIs(1));
  EXPECT_FALSE(store.content(ranges_key("llama", "1.0.0")));
  EXPECT_THAT(files("1.0.0"), IsEmpty());
  EXPECT_EQ(state("1.0.0"), VersionState::purged);
  EXPECT_THAT(purge(), IsEmpty());
  EXPECT_EQ(error_of([&] { restore_release(change("1.0.0"), {}); }).code(), Code::not_found);
}

TEST_F(ReleaseRemove, PurgeTouchesNothingThatIsNotTheManifests) {
  publish("1.0.0");
  publish("1.0.1");
  const std::string prefix = release_prefix("llama", "1.0.0");
  store.plant(prefix + "notes.txt", "someone's own");
  store.plant("model-data/llama/1.0.0-rc/model.safetensors", "another release");
  remove("1.0.0");
  store.plant(prefix + "config.json", "another object");
  store.advance(std::chrono::hours(2));
  purge();
  EXPECT_THAT(files("1.0.0"), ElementsAre(prefix + "config.json", prefix + "notes.txt"));
  EXPECT_THAT(files("1.0.1"), SizeIs(2));
  EXPECT_TRUE(store.content("model-data/llama/1.0.0-rc/model.safetensors"));
}

TEST_F(ReleaseRemove, APurgeThatBrokeOffGoesOn) {
  publish("1.0.0");
  remove("1.0.0");
  store.advance(std::chrono::hours(2));
  store.fail("remove", 2, Error(Code::network, "reset"));
  EXPECT_EQ(error_of([&] { purge(); }).code(), Code::network);
  EXPECT_EQ(state("1.0.0"), VersionState::purging);
  EXPECT_EQ(error_of([&] { restore_release(change("1.0.0"), {}); }).code(), Code::not_found);
  EXPECT_THAT(purge(), SizeIs(1));
  EXPECT_THAT(files("1.0.0"), IsEmpty());
  EXPECT_EQ(state("1.0.0"), VersionState::purged);
}

TEST_F(ReleaseRemove, OfRestoreAndPurgeAtOnceOneWins) {
  publish("1.0.0");
  remove("1.0.0");
  store.advance(std::chrono::hours(2));
  bool raced = false;
  store.before([&](const MemoryCall& call) {
    if (call.verb != "state.create" || raced) return;
    raced = true;
    restore_release(change("1.0.0"), {});
  });
  EXPECT_THAT(purge(), IsEmpty());
  EXPECT_TRUE(exists("1.0.0"));
  EXPECT_THAT(files("1.0.0"), SizeIs(2));
}

TEST_F(ReleaseRemove, ARemovalThatBrokeOffIsFinishedByTheNext) {
  publish("1.0.0");
  store.fail("state.remove", 1, Error(Code::network, "reset"));
  EXPECT_EQ(error_of([&] { remove("1.0.0"); }).code(), Code::network);
  EXPECT_TRUE(exists("1.0.0"));
  store.advance(std::chrono::hours(2));
  EXPECT_THAT(purge(), IsEmpty()) << "its manifest is there";
  EXPECT_EQ(error_of([&] { point("1.0.0"); }).code(), Code::conflict);
  EXPECT_TRUE(remove("1.0.0").changed);
  EXPECT_FALSE(exists("1.0.0"));
}

TEST_F(ReleaseRemove, ARestoreThatBrokeOffIsFinishedByTheNext) {
  publish("1.0.0");
  remove("1.0.0");
  // The record is written, the manifest is not.
  store.fail("state.create", 2, Error(Code::network, "reset"));
  EXPECT_EQ(error_of([&] { restore_release(change("1.0.0"), {}); }).code(), Code::network);
  EXPECT_FALSE(exists("1.0.0"));
  store.advance(std::chrono::hours(2));
  EXPECT_THAT(purge(), IsEmpty()) << "it is to be kept";
  EXPECT_TRUE(restore_release(change("1.0.0"), {}).changed);
  EXPECT_TRUE(exists("1.0.0"));
}

TEST_F(ReleaseRemove, AnAliasMovedToItAtTheSameMomentKeepsIt) {
  publish("1.0.0");
  store.before([&](const MemoryCall& call) {
    if (call.verb != "state.remove" || call.key != manifest_key("llama", "1.0.0")) return;
    store.before(nullptr);
    // After the look at the aliases, before the manifest goes: as a writer that looked before us.
    move_alias(store, "llama", "production", "1.0.0", note, {});
  });
  const Error error = error_of([&] { remove("1.0.0"); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_TRUE(exists("1.0.0"));
  EXPECT_EQ(state("1.0.0"), VersionState::live);
  EXPECT_EQ(pointed(), "1.0.0");
}

TEST_F(ReleaseRemove, WhatIsNotThereIsNotFound) {
  publish("1.0.0");
  for (const char* version : {"9.9.9", "1.0"})
    EXPECT_EQ(error_of([&] { remove(version); }).code(), Code::not_found);
  EXPECT_EQ(error_of([&] { archive_release(change("2"), {}); }).code(), Code::not_found);
  remove("1.0.0");
  EXPECT_EQ(error_of([&] { archive_release(change("1.0.0"), {}); }).code(), Code::not_found);
}

TEST_F(ReleaseRemove, ViewsShowStatesAndAliases) {
  for (const char* version : {"1.0.0", "1.0.1", "1.0.2"}) publish(version);
  point("1.0.2");
  archive_release(change("1.0.1"), {});
  remove("1.0.0");
  const auto views = versions_of(store, "llama", false, {});
  ASSERT_THAT(views, SizeIs(2));
  EXPECT_EQ(views[0].state, VersionState::archived);
  EXPECT_THAT(views[1].aliases, ElementsAre("production"));
  const auto all = versions_of(store, "llama", true, {});
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].manifest.version, "1.0.0");
  EXPECT_EQ(all[0].state, VersionState::removed);
}

}  // namespace
}  // namespace dray::test
