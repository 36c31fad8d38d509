// Every promise of store.h and state.h, on every store; those of uploads are in
// store_suite_upload_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/component/store_suite_fixture.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_P(StoreSuite, LayoutDependsOnSizeOnlyAndCoversTheObject) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, 100 * kMiB, 700 * kGiB}) {
    const PartLayout layout = store_->layout(size);
    const PartLayout again = place_->open()->layout(size);
    EXPECT_EQ(layout.part_size, again.part_size);
    EXPECT_EQ(layout.object_size, size);
    EXPECT_EQ(layout.part_size % (8 * kMiB), 0u);
    EXPECT_LE(layout.count(), 10'000u * (store_->properties().kind == "s3" ? 1 : 1000));
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < layout.count(); ++i) {
      EXPECT_EQ(layout.part(i).offset, at);
      at = layout.part(i).end();
    }
    EXPECT_EQ(at, size);
  }
}

TEST_P(StoreSuite, PreflightLeavesNothingBehindAndCanBeRepeated) {
  place_->open()->preflight(kGo);
  EXPECT_THAT(store_->list("", kGo), IsEmpty());
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
}

TEST_P(StoreSuite, CreateMakesAnObjectOfGivenBytes) {
  const StoredObject made = create("model-data/m/1/config.json", "{}");
  EXPECT_EQ(made.key, "model-data/m/1/config.json");
  EXPECT_EQ(made.size, 2u);
  EXPECT_EQ(as_text(read(made.key, 2, made.etag)), "{}");
  const auto there = store_->stat(made.key, kGo);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->etag, made.etag);
  EXPECT_EQ(there->size, 2u);
}

TEST_P(StoreSuite, CreateMakesAnEmptyObject) {
  create("model-data/m/1/empty", "");
  const auto there = store_->stat("model-data/m/1/empty", kGo);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->size, 0u);
  EXPECT_THAT(keys(store_->list("model-data/", kGo)), ElementsAre("model-data/m/1/empty"));
  Buffer none;
  store_->read("model-data/m/1/empty", there->etag, 0, none, kGo);
}

TEST_P(StoreSuite, CreateAgainWithTheSameContentIsSuccess) {
  const StoredObject first = create("model-data/m/1/a", "same");
  const StoredObject second = create("model-data/m/1/a", "same");
  EXPECT_EQ(first.size, second.size);
  EXPECT_EQ(first.etag, second.etag) << "the object was written again";
}

TEST_P(StoreSuite, CreateNeverOverwritesOtherContent) {
  create("model-data/m/1/a", "first");
  EXPECT_EQ(code_of([&] { create("model-data/m/1/a", "other"); }), Code::conflict);
  EXPECT_EQ(code_of([&] { create("model-data/m/1/a", "longer content"); }), Code::conflict);
  EXPECT_EQ(as_text(read("model-data/m/1/a", 5)), "first");
}

TEST_P(StoreSuite, CreateNeverOverwritesWhatSomeoneElsePutThere) {
  place_->plant("model-data/m/1/a", "theirs");
  EXPECT_EQ(code_of([&] { create("model-data/m/1/a", "our's!"); }), Code::conflict);
  create("model-data/m/1/a", "theirs");
}

TEST_P(StoreSuite, CopyMakesTheSameObjectAtAnotherKey) {
  if (!store_->properties().server_copy) GTEST_SKIP();
  const Buffer bytes = content(18);
  const StoredObject from = upload("k/from", bytes);
  const auto made = store_->copy(from, spec_of("k/to", bytes), kGo);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->key, "k/to");
  EXPECT_EQ(made->size, bytes.size());
  EXPECT_EQ(read("k/to", bytes.size(), made->etag), bytes);
  EXPECT_THAT(store_->unfinished("", kGo), IsEmpty());
  store_->remove("k/from", kGo);
  EXPECT_EQ(read("k/to", bytes.size(), made->etag), bytes);
}

TEST_P(StoreSuite, CopyOfAChangedOrMissingSourceIsNoCopy) {
  if (!store_->properties().server_copy) GTEST_SKIP();
  const Buffer bytes = pattern(5000, 19);
  StoredObject from = store_->create(spec_of("k/from", bytes), bytes, Sha256::hex_of(bytes), kGo);
  StoredObject missing = from;
  missing.key = "k/none";
  EXPECT_FALSE(store_->copy(missing, spec_of("k/to", bytes), kGo));
  place_->plant("k/from", std::string(5000, 'x'));
  EXPECT_FALSE(store_->copy(from, spec_of("k/to", bytes), kGo));
  EXPECT_FALSE(store_->stat("k/to", kGo));
}

TEST_P(StoreSuite, CopyNeverOverwritesOtherContent) {
  if (!store_->properties().server_copy) GTEST_SKIP();
  const Buffer bytes = pattern(5000, 20);
  const StoredObject from =
      store_->create(spec_of("k/from", bytes), bytes, Sha256::hex_of(bytes), kGo);
  create("k/taken", "something else");
  EXPECT_EQ(code_of([&] { store_->copy(from, spec_of("k/taken", bytes), kGo); }), Code::conflict);
  EXPECT_EQ(as_text(read("k/taken", 14)), "something else");
  store_->create(spec_of("k/equal", bytes), bytes, Sha256::hex_of(bytes), kGo);
  EXPECT_TRUE(store_->copy(from, spec_of("k/equal", bytes), kGo));
}

TEST_P(StoreSuite, StatOfNothing) {
  EXPECT_FALSE(store_->stat("no/such/key", kGo));
  create("a/b", "x");
  EXPECT_FALSE(store_->stat("a", kGo)) << "a folder is no object";
  EXPECT_FALSE(store_->stat("a/b/c", kGo));
}

TEST_P(StoreSuite, ReadIsExactAndPinned) {
  const StoredObject made = create("k/read", "0123456789");
  Buffer out(4);
  store_->read("k/read", made.etag, 3, out, kGo);
  EXPECT_EQ(as_text(out), "3456");
  place_->plant("k/read", "abcdefghij");
  EXPECT_EQ(code_of([&] { store_->read("k/read", made.etag, 3, out, kGo); }), Code::precondition);
  store_->read("k/read", "", 3, out, kGo);
  EXPECT_EQ(as_text(out), "defg");
  EXPECT_EQ(code_of([&] { store_->read("k/none", "", 0, out, kGo); }), Code::not_found);
  EXPECT_THROW(store_->read("k/read", "", 8, out, kGo), Error) << "beyond the end";
}

TEST_P(StoreSuite, ListIsSortedBytewiseAndByPlainPrefix) {
  for (const char* key : {"m/b", "m/a/z", "m/a.x", "m/a", "m/B", "n/x", "m/ab/c"}) {
    if (std::string(key) == "m/a") continue;  // a directory cannot hold both m/a and m/a/z
    create(key, key);
  }
  EXPECT_THAT(keys(store_->list("m/", kGo)), ElementsAre("m/B", "m/a.x", "m/a/z", "m/ab/c", "m/b"));
  EXPECT_THAT(keys(store_->list("m/a", kGo)), ElementsAre("m/a.x", "m/a/z", "m/ab/c"));
  EXPECT_THAT(keys(store_->list("m/a/", kGo)), ElementsAre("m/a/z"));
  EXPECT_THAT(store_->list("x/", kGo), IsEmpty());
  const auto listed = store_->list("n/", kGo);
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].size, 3u);
  EXPECT_EQ(listed[0].etag, store_->stat("n/x", kGo)->etag);
}

TEST_P(StoreSuite, ListNamesGivesTheNextSegment) {
  for (const char* key : {"r/llama/1.json", "r/llama/2.json", "r/qwen/1.json", "r/readme"})
    create(key, "x");
  EXPECT_THAT(store_->list_names("r/", kGo), ElementsAre("llama", "qwen", "readme"));
  EXPECT_THAT(store_->list_names("r/llama/", kGo), ElementsAre("1.json", "2.json"));
  EXPECT_THAT(store_->list_names("r/none/", kGo), IsEmpty());
  EXPECT_THAT(store_->list_names("", kGo), ElementsAre("r"));
}

TEST_P(StoreSuite, RemoveTakesOneObjectAndItsEmptyFolders) {
  create("m/1/a", "x");
  create("m/2/a", "x");
  store_->remove("m/1/a", kGo);
  store_->remove("m/1/a", kGo);  // absent is success
  store_->remove("never/there", kGo);
  EXPECT_FALSE(store_->stat("m/1/a", kGo));
  EXPECT_THAT(store_->list_names("m/", kGo), ElementsAre("2"));
  store_->remove("m", kGo);  // the name of a folder is no object
  EXPECT_TRUE(store_->stat("m/2/a", kGo));
}

TEST_P(StoreSuite, KeysWithOddCharacters) {
  for (const char* name :
       {"with space", "a+b", "ü.txt", "per%20cent", "q?x=1&y", "#h", "a=b,c;d"}) {
    const std::string key = std::string("odd/") + name;
    create(key, key);
    EXPECT_EQ(as_text(read(key, key.size())), key);
  }
  EXPECT_THAT(store_->list("odd/", kGo), SizeIs(7));
  store_->remove("odd/per%20cent", kGo);
  EXPECT_THAT(store_->list("odd/", kGo), SizeIs(6));
}

TEST_P(StoreSuite, ServingUriEndsInASlash) {
  const std::string uri = store_->serving_uri("model-data/m/1/");
  EXPECT_TRUE(uri.ends_with("/model-data/m/1/")) << uri;
  EXPECT_EQ(store_->serving_uri("model-data/m/1"), uri);
  EXPECT_FALSE(store_->properties().uri.ends_with('/'));
}

TEST_P(StoreSuite, StoppedCallsThrowCancelled) {
  std::stop_source source;
  source.request_stop();
  const std::stop_token stop = source.get_token();
  EXPECT_EQ(code_of([&] { store_->stat("k/a", stop); }), Code::cancelled);
  EXPECT_EQ(code_of([&] { store_->state().get("k/a", stop); }), Code::cancelled);
  EXPECT_EQ(code_of([&] { store_->state().put(".dray/x", "x", stop); }), Code::cancelled);
  EXPECT_FALSE(store_->stat(".dray/x", kGo));
}

// ---- state ----

TEST_P(StoreSuite, StateIsReadAsWritten) {
  StateStore& state = store_->state();
  EXPECT_FALSE(state.get(".dray/t/a.json", kGo));
  state.put(".dray/t/a.json", "one", kGo);
  EXPECT_EQ(state.get(".dray/t/a.json", kGo), "one");
  state.put(".dray/t/a.json", "two and more", kGo);
  EXPECT_EQ(place_->open()->state().get(".dray/t/a.json", kGo), "two and more");
  state.put(".dray/t/empty", "", kGo);
  EXPECT_EQ(state.get(".dray/t/empty", kGo), "");
  state.remove(".dray/t/a.json", kGo);
  state.remove(".dray/t/a.json", kGo);
  EXPECT_FALSE(state.get(".dray/t/a.json", kGo));
}

TEST_P(StoreSuite, CreateIfAbsentCreatesOnce) {
  StateStore& state = store_->state();
  EXPECT_TRUE(state.create_if_absent(".dray/c/1", "mine", kGo));
  EXPECT_FALSE(state.create_if_absent(".dray/c/1", "other", kGo));
  EXPECT_FALSE(state.create_if_absent(".dray/c/1", "mine", kGo)) << "an equal one counts as there";
  EXPECT_EQ(state.get(".dray/c/1", kGo), "mine");
  state.remove(".dray/c/1", kGo);
  EXPECT_TRUE(state.create_if_absent(".dray/c/1", "again", kGo));
}

TEST_P(StoreSuite, OfRacingCreatesOneWins) {
  if (!GetParam().exclusive) GTEST_SKIP() << "the endpoint cannot prevent races";
  constexpr int kWriters = 8;
  for (int round = 0; round < 3; ++round) {
    const std::string key = ".dray/race/" + std::to_string(round);
    std::atomic<int> wins = 0, winner = -1;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kWriters; ++i)
        threads.emplace_back([&, i] {
          if (store_->state().create_if_absent(key, std::to_string(i), kGo)) {
            ++wins;
            winner = i;
          }
        });
    }
    EXPECT_EQ(wins, 1);
    EXPECT_EQ(store_->state().get(key, kGo), std::to_string(winner));
  }
}

TEST_P(StoreSuite, StateListHasKeysSizesAndAges) {
  StateStore& state = store_->state();
  state.put(".dray/l/b", "22", kGo);
  state.put(".dray/l/a", "1", kGo);
  state.put(".dray/m/c", "333", kGo);
  const auto items = state.list(".dray/l/", kGo);
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].key, ".dray/l/a");
  EXPECT_EQ(items[0].size, 1u);
  EXPECT_EQ(items[1].key, ".dray/l/b");
  for (const auto& item : items) {
    EXPECT_GE(item.age.count(), 0);
    EXPECT_LT(item.age.count(), 600) << "by the store's clock it was written just now";
  }
  EXPECT_THAT(state.list(".dray/none/", kGo), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, StoreSuite, testing::ValuesIn(store_kinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace dray::test
