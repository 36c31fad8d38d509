#include "dray/store/layout.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "dray/store/store.h"

namespace dray {
namespace {

TEST(StoreLayout, KeysOfARelease) {
  EXPECT_EQ(release_prefix("llama", "1.0.0"), "model-data/llama/1.0.0/");
  EXPECT_EQ(manifest_key("llama", "1.0.0"), ".dray/releases/llama/1.0.0.json");
  EXPECT_EQ(manifest_prefix("llama"), ".dray/releases/llama/");
  EXPECT_EQ(alias_key("llama", "production", 7), ".dray/aliases/llama/production/00000007.json");
  EXPECT_EQ(alias_key("m", "a", 123456789), ".dray/aliases/m/a/123456789.json");
  EXPECT_EQ(transfer_prefix("t1"), ".dray/transfers/t1/");
  EXPECT_EQ(journal_key("t1", "w1"), ".dray/transfers/t1/w1.json");
  EXPECT_EQ(eval_prefix("m", "1"), ".dray/evals/m/1/");
}

TEST(StoreLayout, PlaceIsFilledInAnyOrderAndEndsInASlash) {
  EXPECT_EQ(release_prefix("m", "1", "models/{version}/{name}"), "models/1/m/");
  EXPECT_EQ(release_prefix("m", "1", "{name}/v{version}-files/"), "m/v1-files/");
  EXPECT_EQ(release_prefix("{version}", "1", "a/{name}/{version}"), "a/{version}/1/");
  EXPECT_EQ(release_prefix("m", "{name}", "a/{version}/{name}"), "a/{name}/m/");
}

TEST(StoreLayout, NoPrefixExtendsAnother) {
  EXPECT_FALSE(release_prefix("m", "1.0.10").starts_with(release_prefix("m", "1.0.1")));
  EXPECT_FALSE(release_prefix("llama-2", "1").starts_with(release_prefix("llama", "1")));
}

TEST(StoreLayout, PlacesThatWouldMixReleasesAreRefused) {
  check_place(kDefaultTemplate);
  check_place("{name}/{version}");
  check_place("a/b/v{version}/x-{name}/");
  for (const char* bad :
       {"", "models", "models/{name}", "models/{version}", "models/{name}-{version}",
        "{name}/{name}/{version}", "/abs/{name}/{version}", "../{name}/{version}",
        "a//{name}/{version}", ".dray/{name}/{version}", "a/./{name}/{version}"}) {
    try {
      check_place(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::usage) << bad;
      EXPECT_FALSE(e.hint().empty());
    }
  }
}

TEST(StoreLayout, TheReleaseOfAKey) {
  const auto release = release_of_key("model-data/llama/1.0.0/a/b.json");
  ASSERT_TRUE(release);
  EXPECT_EQ(release->first, "llama");
  EXPECT_EQ(release->second, "1.0.0");
  EXPECT_FALSE(release_of_key("model-data/llama/1.0.0")) << "lies beside a release, not in it";
  EXPECT_FALSE(release_of_key("other/llama/1.0.0/x"));
  const auto odd = release_of_key("x-m/v1/f", "x-{name}/v{version}");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->first, "m");
  EXPECT_EQ(odd->second, "1");
  EXPECT_FALSE(release_of_key("x-/v1/f", "x-{name}/v{version}"));
  EXPECT_FALSE(release_of_key(".dray/releases/m.json", "{name}/{version}"));
  EXPECT_FALSE(release_of_key(".dray/releases/m/1.json", "{name}/{version}"));
}

TEST(StoreLayout, RootOfAPlace) {
  EXPECT_EQ(place_root(), "model-data/");
  EXPECT_EQ(place_root("a/b-{name}/{version}"), "a/");
  EXPECT_EQ(place_root("{name}/{version}"), "");
  EXPECT_EQ(place_root("a/{version}/b/{name}"), "a/");
}

TEST(StorePartLayout, PartsCoverTheObjectAndAnEmptyOneHasOnePart) {
  const PartLayout layout{20, 8, false};
  EXPECT_EQ(layout.count(), 3u);
  EXPECT_EQ(layout.part(2), (ByteRange{16, 4}));
  const PartLayout empty{0, 8, false};
  EXPECT_EQ(empty.count(), 1u);
  EXPECT_EQ(empty.part(0), (ByteRange{0, 0}));
  const PartLayout exact{16, 8, false};
  EXPECT_EQ(exact.count(), 2u);
}

}  // namespace
}  // namespace dray
