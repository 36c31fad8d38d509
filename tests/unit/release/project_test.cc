// The registry as a projection of the store: rebuilt, compared, mended.
#include "dray/release/project.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "dray/base/json.h"
#include "dray/registry/records.h"
#include "dray/registry/registry.h"
#include "dray/release/check.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/release/versions_fixture.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct ReleaseProject : VersionsFixture {
  std::filesystem::path file() { return folder.path() / "registry.db"; }
  std::unique_ptr<Registry> open() { return open_registry("sqlite:" + file().string(), {}); }

  RebuildResult rebuild(const std::string& only = "") {
    return rebuild_registry(store, *open(), only, kDefaultTemplate, {});
  }
  std::vector<Finding> check(bool fix = false) {
    const auto registry = open();
    return check_catalog({.store = &store, .registry = registry.get(), .note = note, .fix = fix},
                         {});
  }
  std::vector<std::string> kinds(const std::vector<Finding>& findings) {
    std::vector<std::string> out;
    for (const auto& finding : findings) out.push_back(finding.kind);
    return out;
  }
  /// Every resource as a document, without the time of its last change.
  Json exported() {
    const Records records(file());
    Json out = Json::object();
    for (const auto& [name, kind] :
         {std::pair{"models", Kind::registered_model}, std::pair{"versions", Kind::model_version},
          std::pair{"artifacts", Kind::model_artifact}}) {
      Json list = parse_json("[" + records.list(kind, "", {}).items + "]", "export");
      for (Json& item : list) item.erase("lastUpdateTimeSinceEpoch");
      out[name] = std::move(list);
    }
    return out;
  }
  /// As imports, promotions and removals show themselves, one after the other.
  void live_through() {
    const auto registry = open();
    for (const char* version : {"1.0.0", "1.0.1", "1.0.2", "1.0.3"}) {
      const Manifest manifest = publish(version);
      registry->put(registration_of(manifest, store.serving_uri(release_prefix("llama", version))),
                    {});
    }
    for (const char* version : {"1.0.2", "1.0.3"}) {
      const MovedAlias moved = point(version);
      project_release(store, *registry, moved.manifest, kDefaultTemplate, {});
    }
    archive_release(change("1.0.1"), {});
    project_state(store, *registry, "llama", "1.0.1", {});
    remove("1.0.0");
    project_state(store, *registry, "llama", "1.0.0", {});
    const RolledBack back = roll_back_to_before();
    project_release(store, *registry, back.moved.manifest, kDefaultTemplate, {});
  }
  TempFolder folder;
};

TEST_F(ReleaseProject, ARegistryThatWasLostIsRebuiltEqual) {
  live_through();
  const Json before = exported();
  EXPECT_THAT(check(), IsEmpty());
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    std::filesystem::remove(entry.path());
  const RebuildResult result = rebuild();
  EXPECT_EQ(result.models, 1u);
  EXPECT_EQ(result.releases, 4u);
  EXPECT_EQ(result.archived, 2u);
  EXPECT_EQ(result.aliases, 1u);
  EXPECT_EQ(exported(), before);
  ASSERT_EQ(before["versions"].size(), 4u);
  EXPECT_EQ(before["versions"][1]["createTimeSinceEpoch"],
            std::to_string(find_manifest(store, "llama", "1.0.1", {})->created * 1000));
  EXPECT_EQ(rebuild().changed, 0u) << "again changes nothing";
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ReleaseProject, OneModelAlone) {
  publish("1.0.0");
  EXPECT_EQ(rebuild("absent").releases, 0u);
  EXPECT_EQ(rebuild("llama").releases, 1u);
}

TEST_F(ReleaseProject, WhatTheRegistryLacksIsFoundAndMended) {
  publish("1.0.0");
  publish("1.0.1");
  open()->put(registration_of(*find_manifest(store, "llama", "1.0.1", {}),
                              store.serving_uri(release_prefix("llama", "1.0.1"))),
              {});
  archive_release(change("1.0.1"), {});
  point("1.0.0");
  EXPECT_THAT(kinds(check()), UnorderedElementsAre("release-without-entry", "wrong-state"));
  for (const auto& finding : check(true)) EXPECT_TRUE(finding.fixed) << finding.kind;
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ReleaseProject, AliasesThatTheRegistryShowsWrongAreMended) {
  publish("1.0.0");
  publish("1.0.1");
  point("1.0.0");
  rebuild();
  point("1.0.1");
  const auto findings = check();
  ASSERT_THAT(kinds(findings), ElementsAre("wrong-aliases"));
  EXPECT_TRUE(findings[0].can_fix);
  EXPECT_TRUE(check(true)[0].fixed);
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ReleaseProject, EntriesWithoutReleasesAreOnlyTold) {
  const Manifest manifest = publish("1.0.0");
  rebuild();
  store.state().remove(manifest_key("llama", "1.0.0"), {});
  const auto findings = check(true);
  ASSERT_THAT(kinds(findings), ElementsAre("entry-without-release"));
  EXPECT_FALSE(findings[0].can_fix);
  EXPECT_FALSE(findings[0].fixed);
  EXPECT_FALSE(findings[0].fix.empty());
}

TEST_F(ReleaseProject, EntriesOfOtherStoresAreNotLookedAt) {
  MemoryStore other({.uri = "memory:/other"});
  const Manifest manifest = publish("9.0.0", {{"config.json", "{}"}}, other);
  open()->put(registration_of(manifest, other.serving_uri(release_prefix("llama", "9.0.0"))), {});
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ReleaseProject, OtherContentUnderTheSameVersionIsOnlyTold) {
  const Manifest manifest = publish("1.0.0");
  Manifest changed = manifest;
  changed.root_digest = "sha256:" + std::string(64, '0');
  open()->put(registration_of(changed, store.serving_uri(release_prefix("llama", "1.0.0"))), {});
  const auto findings = check(true);
  ASSERT_THAT(kinds(findings), ElementsAre("entry-of-other-content"));
  EXPECT_FALSE(findings[0].fixed);
}

TEST_F(ReleaseProject, AWrongPlaceIsMendedByTheDigest) {
  const Manifest manifest = publish("1.0.0");
  open()->put(registration_of(manifest, "s3://elsewhere/llama/"), {});
  ASSERT_THAT(kinds(check()), ElementsAre("wrong-uri"));
  EXPECT_TRUE(check(true)[0].fixed);
  EXPECT_THAT(check(), IsEmpty());
}

// ---- the store alone ----

struct ReleaseCheck : ReleaseProject {
  std::vector<Finding> look(bool fix = false) {
    return check_catalog({.store = &store, .note = note, .fix = fix}, {});
  }
};

TEST_F(ReleaseCheck, AStoreInOrderHasNoFindings) {
  publish("1.0.0");
  publish("1.0.1");
  point("1.0.1");
  remove("1.0.0");
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(ReleaseCheck, FilesThatAreMissingOrOfAnotherSize) {
  publish("1.0.0");
  publish("1.0.1");
  store.remove(release_prefix("llama", "1.0.0") + "config.json", {});
  store.plant(release_prefix("llama", "1.0.1") + "config.json", "longer");
  const auto findings = look(true);
  ASSERT_THAT(kinds(findings), ElementsAre("files-missing", "files-missing"));
  EXPECT_EQ(findings[0].object, "llama:1.0.0");
  EXPECT_EQ(findings[0].what, "config.json is missing");
  EXPECT_EQ(findings[1].what, "config.json has 6 bytes instead of 2");
  EXPECT_FALSE(findings[0].fixed);
}

TEST_F(ReleaseCheck, AnAliasThatPointsToNothingIsOnlyTold) {
  publish("1.0.0");
  publish("1.0.1");
  point("1.0.1");
  store.state().remove(manifest_key("llama", "1.0.1"), {});
  const auto findings = look(true);
  ASSERT_THAT(kinds(findings), ElementsAre("alias-to-nothing"));
  EXPECT_EQ(findings[0].object, "llama@production");
  EXPECT_EQ(pointed(), "1.0.1");
}

TEST_F(ReleaseCheck, ChangesThatBrokeOffAreFinished) {
  publish("1.0.0");
  publish("1.0.1");
  store.fail("state.remove", 1, Error(Code::network, "reset"));
  error_of([&] { remove("1.0.0"); });
  remove("1.0.1");
  store.fail("state.create", 2, Error(Code::network, "reset"));
  error_of([&] { restore_release(change("1.0.1"), {}); });
  EXPECT_THAT(kinds(look()), ElementsAre("unfinished-removal", "unfinished-restore"));
  for (const auto& finding : look(true)) EXPECT_TRUE(finding.fixed) << finding.what;
  EXPECT_FALSE(exists("1.0.0"));
  EXPECT_TRUE(exists("1.0.1"));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(ReleaseCheck, ARemovalThatCannotBeFinishedIsTold) {
  publish("1.0.0");
  store.fail("state.remove", 1, Error(Code::network, "reset"));
  error_of([&] { remove("1.0.0"); });
  move_alias(store, "llama", "production", "1.0.0", note, {});
  const auto findings = look(true);
  ASSERT_THAT(kinds(findings), ElementsAre("unfinished-removal"));
  EXPECT_FALSE(findings[0].fixed);
  EXPECT_TRUE(exists("1.0.0"));
}

TEST_F(ReleaseCheck, ARecordThatCannotBeReadDoesNotHideTheOthers) {
  publish("1.0.0");
  publish("1.0.1");
  store.plant(manifest_key("llama", "1.0.0"), "{");
  store.plant(alias_key("llama", "production", 1), "{");
  store.remove(release_prefix("llama", "1.0.1") + "config.json", {});
  EXPECT_THAT(kinds(look()),
              UnorderedElementsAre("unreadable-record", "unreadable-record", "files-missing"));
}

}  // namespace
}  // namespace dray::test
