#include "dray/store/version_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/digest.h"
#include "dray/store/layout.h"
#include "tests/support/errors.h"
#include "tests/support/memory_store.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::stop_token kGo;

Manifest manifest(const std::string& version = "1.0.0") {
  Manifest m;
  m.name = "llama";
  m.version = version;
  m.origin = {.kind = "hf", .uri = "hf://org/llama", .commit = std::string(40, 'a')};
  m.files.push_back({.path = "a.bin", .size = 3, .sha256 = Sha256::hex_of(as_bytes("abc"))});
  m.created_by = "dray/test";
  m.root_digest = root_digest_of(m.files);
  return m;
}

VersionChange change(VersionState state, const std::string& version = "1.0.0") {
  VersionChange out{.name = "llama", .version = version, .state = state, .actor = "me"};
  if (state == VersionState::removed) {
    out.manifest = to_json_text(manifest(version));
    out.place = kDefaultTemplate;
    out.purge_after = 2'000'000'000;
  }
  return out;
}

TEST(StoreVersionLog, RecordsFollowOneAnother) {
  MemoryStore store;
  EXPECT_FALSE(find_version_change(store, "llama", "1.0.0", kGo));
  EXPECT_EQ(append_version_change(store, change(VersionState::archived), 0, kGo).seq, 1u);
  EXPECT_EQ(append_version_change(store, change(VersionState::removed), 1, kGo).seq, 2u);
  append_version_change(store, change(VersionState::archived, "2.0.0"), 0, kGo);
  EXPECT_EQ(find_version_change(store, "llama", "1.0.0", kGo)->state, VersionState::removed);
  EXPECT_EQ(version_history(store, "llama", "1.0.0", kGo).size(), 2u);
  const auto all = version_changes(store, "llama", kGo);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.at("1.0.0").seq, 2u);
  EXPECT_EQ(all.at("2.0.0").state, VersionState::archived);
  EXPECT_THAT(models_with_changes(store, kGo), ElementsAre("llama"));
  EXPECT_EQ(find_removal(store, "llama", "1.0.0", kGo).manifest, to_json_text(manifest()));
  EXPECT_EQ(error_of([&] { find_removal(store, "llama", "2.0.0", kGo); }).code(), Code::malformed);
}

TEST(StoreVersionLog, AChangeOfWhatIsNoLongerSoIsRefused) {
  MemoryStore store;
  append_version_change(store, change(VersionState::archived), 0, kGo);
  const Error error =
      error_of([&] { append_version_change(store, change(VersionState::removed), 0, kGo); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_THAT(error.what(), HasSubstr("archived"));
}

TEST(StoreVersionLog, AgesAreOfTheStoresClock) {
  MemoryStore store;
  append_version_change(store, change(VersionState::removed), 0, kGo);
  store.advance(std::chrono::hours(5));
  EXPECT_EQ(version_changes(store, "llama", kGo).at("1.0.0").age, std::chrono::hours(5));
}

TEST(StoreVersionLog, RoundTrip) {
  VersionChange removed = change(VersionState::removed);
  removed.seq = 7;
  removed.reason = "line\nbreak";
  removed.actor_source = "login";
  removed.time = 1'754'570'096;
  const VersionChange again = parse_version_change(version_change_text(removed), "record");
  EXPECT_EQ(again.seq, 7u);
  EXPECT_EQ(again.state, VersionState::removed);
  EXPECT_EQ(again.reason, removed.reason);
  EXPECT_EQ(again.manifest, removed.manifest) << "byte for byte";
  EXPECT_EQ(again.purge_after, removed.purge_after);
  EXPECT_EQ(again.time, removed.time);
}

TEST(StoreVersionLog, WhatGcWouldDeleteByIsLookedAtClosely) {
  const auto code = [](const VersionChange& bad) {
    return error_of([&] { parse_version_change(version_change_text(bad), "record"); }).code();
  };
  VersionChange removed = change(VersionState::removed);
  removed.seq = 1;
  parse_version_change(version_change_text(removed), "record");
  VersionChange bad = removed;
  bad.manifest = to_json_text(manifest("9.9.9"));
  EXPECT_EQ(code(bad), Code::malformed) << "another release's files";
  bad = removed;
  bad.manifest = "{}";
  EXPECT_EQ(code(bad), Code::malformed);
  for (const char* place : {"", "../{name}/{version}", ".dray/{name}/{version}", "models/{name}"}) {
    bad = removed;
    bad.place = place;
    EXPECT_EQ(code(bad), Code::malformed) << place;
  }
  bad = removed;
  bad.seq = 0;
  EXPECT_EQ(code(bad), Code::malformed);
}

TEST(StoreVersionLog, LaterFormatsAndDamage) {
  VersionChange archived = change(VersionState::archived);
  archived.seq = 1;
  const std::string text = version_change_text(archived);
  const auto code = [&](std::string_view from, std::string_view to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return error_of([&] { parse_version_change(changed, "record"); }).code();
  };
  EXPECT_EQ(code("\"format_version\": 1", "\"format_version\": 2"), Code::unsupported);
  EXPECT_EQ(code("\"archived\"", "\"melted\""), Code::malformed);
  EXPECT_EQ(code("dray-version-change", "dray-alias-move"), Code::malformed);
  MemoryStore store;
  store.plant(state_prefix("llama", "2.0.0") + "00000001.json", text);
  EXPECT_EQ(error_of([&] { find_version_change(store, "llama", "2.0.0", kGo); }).code(),
            Code::malformed)
      << "a record that was copied";
}

}  // namespace
}  // namespace dray::test
