#include "dray/store/catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/store/layout.h"
#include "tests/support/memory_store.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::stop_token kGo;

Manifest manifest(const std::string& name, const std::string& version,
                  const std::string& content = "weights") {
  Manifest m;
  m.name = name;
  m.version = version;
  m.origin = {.kind = "hf", .uri = "hf://org/" + name, .commit = std::string(40, 'a')};
  ManifestFile file;
  file.path = "model.safetensors";
  file.size = content.size();
  file.sha256 = Sha256::hex_of(as_bytes(content));
  file.part_crc64 = {1};
  m.files.push_back(file);
  m.created = 1'700'000'000;
  m.created_by = "dray/test";
  m.root_digest = root_digest_of(m.files);
  return m;
}

class StoreCatalog : public testing::Test {
 protected:
  Error error_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::internal, "none");
  }
  void publish(const std::string& name, const std::string& version) {
    publish_manifest(store_, manifest(name, version), kGo);
  }
  AliasMove move(const std::string& alias, const std::string& version) {
    return move_alias(store_, "llama", alias, version, "me", "because", kGo);
  }
  MemoryStore store_;
};

TEST_F(StoreCatalog, PublishMakesTheReleaseExistOnce) {
  EXPECT_FALSE(find_manifest(store_, "llama", "1.0.0", kGo));
  EXPECT_TRUE(publish_manifest(store_, manifest("llama", "1.0.0"), kGo));
  const auto found = find_manifest(store_, "llama", "1.0.0", kGo);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, manifest("llama", "1.0.0"));
}

TEST_F(StoreCatalog, PublishAgainWithTheSameContentChangesNothing) {
  publish("llama", "1.0.0");
  Manifest later = manifest("llama", "1.0.0");
  later.created += 1000;
  EXPECT_FALSE(publish_manifest(store_, later, kGo));
  EXPECT_EQ(find_manifest(store_, "llama", "1.0.0", kGo)->created, 1'700'000'000);
}

TEST_F(StoreCatalog, AVersionNeverChanges) {
  publish("llama", "1.0.0");
  const Error content =
      error_of([&] { publish_manifest(store_, manifest("llama", "1.0.0", "other"), kGo); });
  EXPECT_EQ(content.code(), Code::conflict);
  Manifest elsewhere = manifest("llama", "1.0.0");
  elsewhere.origin.uri = "hf://else/llama";
  const Error origin = error_of([&] { publish_manifest(store_, elsewhere, kGo); });
  EXPECT_EQ(origin.code(), Code::conflict);
  EXPECT_THAT(origin.what(), HasSubstr("hf://org/llama"));
  EXPECT_EQ(*find_manifest(store_, "llama", "1.0.0", kGo), manifest("llama", "1.0.0"));
}

TEST_F(StoreCatalog, AManifestUnderAnotherKeyIsNotTrusted) {
  store_.plant(manifest_key("llama", "2.0.0"), to_json_text(manifest("llama", "1.0.0")));
  EXPECT_EQ(error_of([&] { find_manifest(store_, "llama", "2.0.0", kGo); }).code(),
            Code::malformed);
}

TEST_F(StoreCatalog, ListsModelsAndVersionsInOrder) {
  for (const char* version : {"1.10.0", "1.9.0", "1.2.0"}) publish("llama", version);
  publish("qwen", "1.0.0");
  store_.plant(".dray/releases/llama/notes.txt", "someone's own");
  EXPECT_THAT(list_models(store_, kGo), ElementsAre("llama", "qwen"));
  EXPECT_THAT(list_versions(store_, "llama", kGo), ElementsAre("1.2.0", "1.9.0", "1.10.0"));
  EXPECT_THAT(list_versions(store_, "lla", kGo), IsEmpty());
}

TEST_F(StoreCatalog, ResolvesVersionAliasAndNewest) {
  publish("llama", "1.9.0");
  publish("llama", "1.10.0");
  move("production", "1.9.0");
  EXPECT_EQ(resolve_release(store_, {"llama", "", ""}, kGo).version, "1.10.0");
  EXPECT_EQ(resolve_release(store_, {"llama", "1.9.0", ""}, kGo).version, "1.9.0");
  EXPECT_EQ(resolve_release(store_, {"llama", "", "production"}, kGo).version, "1.9.0");
}

TEST_F(StoreCatalog, NotFoundSaysWhatIsThere) {
  const auto resolve = [&](Reference reference) {
    const Error e = error_of([&] { resolve_release(store_, reference, kGo); });
    EXPECT_EQ(e.code(), Code::not_found);
    return e.hint();
  };
  EXPECT_THAT(resolve({"llama", "", ""}), HasSubstr("no releases"));
  publish("Llama-3_8B", "1.0.0");
  EXPECT_THAT(resolve({"lama-3-8b", "", ""}), HasSubstr("Llama-3_8B?"));
  EXPECT_THAT(resolve({"quite-different", "", ""}), HasSubstr("Llama-3_8B"));
  EXPECT_THAT(resolve({"Llama-3_8B", "2.0.0", ""}), HasSubstr("Llama-3_8B:1.0.0"));
  EXPECT_THAT(resolve({"Llama-3_8B", "", "prod"}), HasSubstr("no aliases"));
  move_alias(store_, "Llama-3_8B", "production", "1.0.0", "", "", kGo);
  EXPECT_THAT(resolve({"Llama-3_8B", "", "prod"}), HasSubstr("production"));
}

TEST_F(StoreCatalog, AnAliasToAMissingVersionIsNotFound) {
  publish("llama", "1.0.0");
  move("production", "9.9.9");
  const Error e = error_of([&] { resolve_release(store_, {"llama", "", "production"}, kGo); });
  EXPECT_EQ(e.code(), Code::not_found);
  EXPECT_THAT(e.what(), HasSubstr("9.9.9"));
}

TEST_F(StoreCatalog, AStoreOfALaterLayoutIsRefused) {
  check_store_layout(store_, kGo);
  store_.plant(layout_key(), R"({"format": "dray-store", "format_version": 1})");
  check_store_layout(store_, kGo);
  store_.plant(layout_key(), R"({"format": "dray-store", "format_version": 2})");
  EXPECT_EQ(error_of([&] { check_store_layout(store_, kGo); }).code(), Code::unsupported);
  store_.plant(layout_key(), "{}");
  EXPECT_EQ(error_of([&] { check_store_layout(store_, kGo); }).code(), Code::malformed);
}

// ---- aliases ----

TEST_F(StoreCatalog, AMoveIsRecordedWithWhatWasBefore) {
  EXPECT_FALSE(find_alias(store_, "llama", "production", kGo));
  EXPECT_EQ(move("production", "1.0.0").seq, 1u);
  const AliasMove second = move("production", "1.1.0");
  EXPECT_EQ(second.seq, 2u);
  EXPECT_EQ(second.previous, "1.0.0");
  const auto history = alias_history(store_, "llama", "production", kGo);
  ASSERT_THAT(history, SizeIs(2));
  EXPECT_EQ(history[0].version, "1.0.0");
  EXPECT_EQ(history[0].previous, "");
  EXPECT_EQ(history[1].actor, "me");
  EXPECT_EQ(history[1].reason, "because");
  EXPECT_EQ(find_alias(store_, "llama", "production", kGo)->version, "1.1.0");
}

TEST_F(StoreCatalog, MovingWhereItPointsAlreadyAddsNothing) {
  move("production", "1.0.0");
  EXPECT_EQ(move("production", "1.0.0").seq, 1u);
  EXPECT_EQ(move("never-set", "").seq, 0u);
  EXPECT_THAT(store_.keys(".dray/aliases/"), SizeIs(1));
}

TEST_F(StoreCatalog, ARemovedAliasPointsNowhereAndCanComeBack) {
  move("production", "1.0.0");
  move("staging", "1.0.0");
  EXPECT_EQ(move("production", "").version, "");
  const auto aliases = list_aliases(store_, "llama", kGo);
  ASSERT_THAT(aliases, SizeIs(1));
  EXPECT_EQ(aliases[0].alias, "staging");
  EXPECT_EQ(move("production", "2.0.0").seq, 3u);
}

TEST_F(StoreCatalog, MoreThanNineMovesStayInOrder) {
  for (int i = 1; i <= 12; ++i) move("production", fmt::format("1.0.{}", i));
  EXPECT_EQ(find_alias(store_, "llama", "production", kGo)->version, "1.0.12");
  EXPECT_THAT(alias_history(store_, "llama", "production", kGo), SizeIs(12));
}

TEST_F(StoreCatalog, OfTwoMovesAtOnceBothAreRecorded) {
  bool raced = false;
  store_.before([&](const MemoryCall& call) {
    if (call.verb != "state.create" || raced) return;
    raced = true;  // someone else is quicker, after we looked and before we create
    move_alias(store_, "llama", "production", "1.5.0", "other", "", kGo);
  });
  const AliasMove mine = move("production", "2.0.0");
  EXPECT_EQ(mine.seq, 2u);
  EXPECT_EQ(mine.previous, "1.5.0");
  EXPECT_THAT(alias_history(store_, "llama", "production", kGo), SizeIs(2));
}

TEST_F(StoreCatalog, ManyWritersLoseNoMove) {
  constexpr int kWriters = 4, kMoves = 10;
  {
    std::vector<std::jthread> threads;
    for (int w = 0; w < kWriters; ++w)
      threads.emplace_back([&, w] {
        for (int i = 0; i < kMoves; ++i) move("production", fmt::format("{}.0.{}", w + 1, i));
      });
  }
  const auto history = alias_history(store_, "llama", "production", kGo);
  ASSERT_THAT(history, SizeIs(kWriters * kMoves));
  for (std::size_t i = 1; i < history.size(); ++i)
    EXPECT_EQ(history[i].previous, history[i - 1].version);
}

TEST_F(StoreCatalog, DamageInALogIsNamed) {
  move("production", "1.0.0");
  move("production", "1.1.0");
  move("production", "1.2.0");
  store_.plant(".dray/aliases/llama/production/README", "someone's own");
  EXPECT_EQ(find_alias(store_, "llama", "production", kGo)->seq, 3u);
  store_.state().remove(alias_key("llama", "production", 2), kGo);
  const Error e = error_of([&] { find_alias(store_, "llama", "production", kGo); });
  EXPECT_EQ(e.code(), Code::malformed);
  EXPECT_THAT(e.what(), HasSubstr("record 2"));
  EXPECT_EQ(error_of([&] { move("production", "3.0.0"); }).code(), Code::malformed);
}

TEST_F(StoreCatalog, ACopiedMoveIsNotTrusted) {
  move("production", "1.0.0");
  store_.plant(alias_key("llama", "staging", 1),
               *store_.content(alias_key("llama", "production", 1)));
  EXPECT_EQ(error_of([&] { find_alias(store_, "llama", "staging", kGo); }).code(), Code::malformed);
}

TEST(StoreAliasMove, RoundTripAndLaterVersions) {
  AliasMove move;
  move.seq = 4;
  move.name = "llama";
  move.alias = "production";
  move.version = "1.0.0";
  move.reason = "line\nbreak \"quoted\" ü";
  move.time = 1'754'570'096;
  const std::string text = alias_move_text(move);
  const AliasMove again = parse_alias_move(text, "move");
  EXPECT_EQ(again.seq, 4u);
  EXPECT_EQ(again.reason, move.reason);
  EXPECT_EQ(again.time, move.time);
  EXPECT_EQ(again.previous, "");

  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  const auto code = [](const std::string& bad) {
    try {
      parse_alias_move(bad, "move");
    } catch (const Error& e) {
      return e.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(code(with("\"format_version\": 1", "\"format_version\": 2")), Code::unsupported);
  parse_alias_move(with("\"seq\"", "\"later_field\": [1], \"seq\""), "move");
  EXPECT_EQ(code(with("\"seq\": 4", "\"seq\": 0")), Code::malformed);
  EXPECT_EQ(code(with("\"seq\": 4", "\"seq\": -1")), Code::malformed);
  EXPECT_EQ(code(with("2025-08-07", "yesterday ")), Code::malformed);
  EXPECT_NE(code(with("\"1.0.0\"", "\"../../x\"")), Code::internal);
  EXPECT_EQ(code("{}"), Code::malformed);
}

}  // namespace
}  // namespace dray::test
