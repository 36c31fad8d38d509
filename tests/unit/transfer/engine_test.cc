#include "dray/transfer/engine.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/errors.h"
#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::cut;
using test::EngineTest;
using test::kPart;
using test::MemorySource;
using test::MemoryStore;
using test::pattern;

TEST_F(EngineTest, MovesFilesOfAllSizes) {
  for (const std::size_t size : {0, 1, 249, 250, 251, 999, 1000, 1001, 2000, 7777, 50'000})
    add("f" + std::to_string(size), size);
  std::atomic<int> reads = 0;
  source().before_read = [&](const std::string&, std::uint64_t) {
    // The first reader waits for a second: blocks are fetched side by side.
    if (++reads == 1) wait_until([&] { return reads > 1; });
  };
  expect_complete(run());
  EXPECT_GT(source().most_parallel(), 1);
  EXPECT_EQ(progress.view().verified,
            0 + 1 + 249 + 250 + 251 + 999 + 1000 + 1001 + 2000 + 7777 + 50'000u);
}

TEST_F(EngineTest, ChecksGitDigestsToo) {
  add("config.json", 500, 2, MemorySource::Stated::git_sha1);
  add("big.json", 5000, 1, MemorySource::Stated::git_sha1);
  add("local", 3000, 1, MemorySource::Stated::nothing);
  expect_complete(run());
}

TEST_F(EngineTest, RanksBecomeVisibleInOrder) {
  add("config.json", 10, 2);
  add("a.safetensors", 5000, 0);
  add("README.md", 10, 1);
  add("b.safetensors", 100, 0);
  std::mutex mutex;
  std::vector<std::string> order;
  store.after([&](const test::MemoryCall& call) {
    if (call.verb != "commit" && call.verb != "create") return;
    std::lock_guard lock(mutex);
    order.push_back(call.key);
  });
  expect_complete(run());
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ((std::set<std::string>{order[0], order[1]}),
            (std::set<std::string>{"m/a.safetensors", "m/b.safetensors"}));
  EXPECT_EQ(order[2], "m/README.md");
  EXPECT_EQ(order[3], "m/config.json");
}

TEST_F(EngineTest, NothingIsVisibleBeforeItIsVerified) {
  add("a", 5000);
  add("small", 100);
  source().after_read = [](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 0) out[0] ^= std::byte{1};  // wrong every time
  };
  try {
    run();
    FAIL() << "wrong bytes were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::verification);
    EXPECT_EQ(error.side(), Side::source);
    EXPECT_NE(std::string(error.what()).find("its publisher states"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(store.keys("m/").empty());
}

TEST_F(EngineTest, NothingIsVisibleWhileItIsHashed) {
  // All parts are stored long before all bytes are hashed: hashing cannot begin before the first
  // block is there, and that comes last.
  MemoryStore big({.part_size = kMiB});
  options.block = kMiB;
  add("a", 24 * kMiB);
  std::atomic<int> others = 0;
  big.after([&](const test::MemoryCall& call) { others += call.verb == "put"; });
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset == 0) wait_until([&] { return others >= 23; });
  };
  source().after_read = [](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 23 * kMiB) out[0] ^= std::byte{1};
  };
  std::atomic<bool> seen = false;
  big.before([&](const test::MemoryCall& call) {
    if (call.verb == "commit") seen = true;
  });
  Engine engine(source(), big, options, progress);
  EXPECT_THROW(engine.run(plan, {}, {}), Error);
  EXPECT_FALSE(seen) << "completed before it was verified";
  EXPECT_TRUE(big.keys("m/").empty());
}

TEST_F(EngineTest, AWrongByteOnceCostsOnePartAgain) {
  add("a", 5000);
  std::atomic<bool> done = false;
  source().after_read = [&](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 2250 && !done.exchange(true)) out[3] ^= std::byte{4};
  };
  expect_complete(run());
  // Five parts, and at most the wrong one once more.
  EXPECT_LE(store.count("put"), 6u);
  EXPECT_EQ(source().bytes_read(), 10'000u);
}

TEST_F(EngineTest, AWrongByteOnceInASmallFile) {
  add("small", 300, 0, MemorySource::Stated::git_sha1);
  std::atomic<int> reads = 0;
  source().after_read = [&](const std::string&, std::uint64_t, MutableBytes out) {
    if (++reads == 1) out[0] ^= std::byte{1};
  };
  expect_complete(run());
  EXPECT_EQ(store.count("create"), 1u);
}

TEST_F(EngineTest, FaultsCostABlockNotTheFile) {
  add("a", 20'000);
  std::mutex mutex;
  std::set<std::uint64_t> seen;
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    std::lock_guard lock(mutex);
    if (seen.insert(offset).second && offset % 750 == 0) throw cut();
  };
  store.fail("put", 3, Error(Code::server, "slow").from(Side::destination).transient());
  store.lose_reply("put", 5);
  store.lose_reply("commit", 1);
  expect_complete(run());
  EXPECT_EQ(source().bytes_read(), 20'000u);
  EXPECT_GT(progress.view().retries, 20u);
}

TEST_F(EngineTest, GivesUpAfterTheBudgetAndLeavesTheUploadToBeTakenUp) {
  add("a", 5000);
  source().before_read = [](const std::string&, std::uint64_t offset) {
    if (offset == 3000) throw cut();
  };
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_TRUE(error.retryable());
    EXPECT_NE(std::string(error.what()).find("gave up after 5 tries"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(store.uploads(), 1u);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_FALSE(left[0].upload.id.empty());
}

TEST_F(EngineTest, PermanentErrorsAreNotRetried) {
  add("a", 5000);
  std::atomic<int> tries = 0;
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset != 0) return;
    ++tries;
    throw Error(Code::gated, "ask first").from(Side::source);
  };
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(tries, 1);
}

TEST_F(EngineTest, GoesOnWhereAnEarlierRunStopped) {
  add("a", 20'000);
  add("b", 300);
  add("c", 9'500);
  store.after(
      [&](const test::MemoryCall& call) { answered += call.verb == "put" && call.key == "m/a"; });
  // The first run fails late in the biggest file.
  source().before_read = [&](const std::string& path, std::uint64_t offset) {
    if (path != "a" || offset < 15'000) return;
    wait_until([&] { return answered >= 8; });
    throw Error(Code::network, "gone").from(Side::source);
  };
  EXPECT_THROW(run(), Error);
  const auto known = left;
  source().before_read = nullptr;
  std::atomic<std::uint64_t> read_again = 0;
  source().after_read = [&](const std::string& path, std::uint64_t, MutableBytes out) {
    if (path == "a") read_again += out.size();
  };
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  const auto results = engine.run(plan, known, {});
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
  EXPECT_EQ(results[0].sha256, Sha256::hex_of(source().bytes("a")));
  EXPECT_EQ(store.uploads(), 0u);
  // No part is sent twice; the source is read again from the saved hash state on only.
  EXPECT_LE(store.count("put"), 20u + 10u);
  const auto saved = std::find_if(known.begin(), known.end(),
                                  [](const JournalObject& o) { return o.key == "m/a"; });
  ASSERT_NE(saved, known.end());
  if (saved->hash) {
    // Parts before that state whose acknowledgement was not seen come again too.
    const std::uint64_t hashed_parts = saved->hash->offset / kPart;
    const auto stored = static_cast<std::uint64_t>(
        std::count_if(saved->upload.parts.begin(), saved->upload.parts.end(),
                      [&](const PutPart& part) { return part.index < hashed_parts; }));
    EXPECT_LE(read_again, 20'000 - saved->hash->offset + (hashed_parts - stored) * kPart);
  }
  EXPECT_GE(saved->upload.parts.size(), 5u) << "eight answered, three may not be recorded yet";
}

TEST_F(EngineTest, APartLostByTheStoreIsSentAgain) {
  add("a", 10'000);
  source().before_read = [&](const std::string&, std::uint64_t offset) {
    if (offset < 8'000) return;
    wait_until([&] { return answered >= 3; });
    throw Error(Code::network, "gone").from(Side::source);
  };
  store.after([&](const test::MemoryCall& call) { answered += call.verb == "put"; });
  EXPECT_THROW(run(), Error);
  source().before_read = nullptr;
  ASSERT_EQ(left.size(), 1u);
  ASSERT_GE(left[0].upload.parts.size(), 2u);
  store.lose_part("m/a", left[0].upload.parts[0].index);
  store.flip_part("m/a", left[0].upload.parts[1].index);
  progress.file_done("a", 0);
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  engine.run(plan, left, {});
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(EngineTest, AWrongHashStateOfAnInterruptedRunIsOvercome) {
  // The interrupted run hashed and stored a wrong byte; its saved state says so for ever.
  add("a", 10'000);
  source().after_read = [](const std::string&, std::uint64_t offset, MutableBytes out) {
    if (offset == 1'000) out[0] ^= std::byte{1};
  };
  source().before_read = [](const std::string&, std::uint64_t offset) {
    if (offset >= 8'000) throw Error(Code::network, "gone").from(Side::source);
  };
  EXPECT_THROW(run(), Error);
  source().before_read = nullptr;
  source().after_read = nullptr;
  const auto known = left;
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  engine.run(plan, known, {});
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(EngineTest, UploadsThatAreGoneBeginAnew) {
  add("a", 10'000);
  source().before_read = [](const std::string&, std::uint64_t offset) {
    if (offset >= 8'000) throw Error(Code::network, "gone").from(Side::source);
  };
  EXPECT_THROW(run(), Error);
  source().before_read = nullptr;
  store.forget_uploads();
  const auto known = left;
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  engine.run(plan, known, {});
  EXPECT_EQ(store.content("m/a"), std::string(as_text(source().bytes("a"))));
}

TEST_F(EngineTest, FinishedObjectsAreNotTouchedAgain) {
  add("a", 10'000);
  add("b", 100);
  const auto first = run();
  const std::uint64_t read = source().bytes_read();
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  const auto again = engine.run(plan, left, {});
  EXPECT_EQ(source().bytes_read(), read);
  EXPECT_EQ(again[0].sha256, first[0].sha256);
  EXPECT_EQ(fresh.view().reused, 10'100u);
}

TEST_F(EngineTest, StopsWhileASourceHangs) {
  add("a", 10'000);
  std::atomic<bool> reached = false;
  source().before_read = [&](const std::string&, std::uint64_t) {
    reached = true;
    while (!stop.stop_requested()) std::this_thread::yield();
    throw Error(Code::cancelled, "stopped");
  };
  std::jthread stopper([&] {
    while (!reached) std::this_thread::yield();
    stop.request_stop();
  });
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
}

TEST_F(EngineTest, ObjectsOfManySegments) {
  // A grouped layer: literal headers between whole files, and a range of what the store holds.
  const auto literal = [](std::string text) {
    auto bytes = std::make_shared<Buffer>(as_bytes(text).begin(), as_bytes(text).end());
    return LiteralSegment{std::move(bytes)};
  };
  plan.units.push_back(source().add("x", pattern(1'234, 1)));
  plan.units.push_back(source().add("empty", {}));
  plan.units.push_back(source().add("y", pattern(700, 2), MemorySource::Stated::git_sha1));
  store.plant("base", "0123456789");
  ObjectPlan object;
  object.label = "layer";
  object.spec.key = "m/layer";
  object.segments = {literal("header of x"),
                     SourceSegment{0, {0, 1'000}},
                     SourceSegment{0, {1'000, 234}},
                     SourceSegment{1, {0, 0}},
                     literal("header of y"),
                     SourceSegment{2, {0, 700}},
                     StoredSegment{*store.stat("base", {}), {3, 4}}};
  object.spec.size = object.input_size();
  plan.objects.push_back(object);
  const auto results = run();
  const std::string expected = "header of x" + std::string(as_text(source().bytes("x"))) +
                               "header of y" + std::string(as_text(source().bytes("y"))) + "3456";
  EXPECT_EQ(store.content("m/layer"), expected);
  EXPECT_EQ(results[0].sha256, Sha256::hex_of(as_bytes(expected)));
}

TEST_F(EngineTest, InconsistentPlansAreRefused) {
  add("a", 100);
  plan.objects[0].spec.size = 99;
  EXPECT_THROW(run(), Error);
}

TEST_F(EngineTest, RandomFaultsEverywhere) {
  auto random = test::generator(7);
  for (int i = 0; i < 12; ++i)
    add("f" + std::to_string(i), random() % 12'000, static_cast<int>(random() % 3));
  options.retry.tries = 40;
  std::mutex mutex;
  const auto roll = [&](unsigned of) {
    std::lock_guard lock(mutex);
    return random() % of == 0;
  };
  std::atomic<int> flips = 0;
  source().before_read = [&](const std::string&, std::uint64_t) {
    if (roll(6)) throw cut();
  };
  source().after_read = [&](const std::string& path, std::uint64_t, MutableBytes out) {
    if (path == "f3" && !out.empty() && flips++ == 1) out[0] ^= std::byte{1};
  };
  store.before([&](const test::MemoryCall& call) {
    if ((call.verb == "put" || call.verb == "commit" || call.verb == "create") && roll(8))
      throw Error(Code::server, "busy").from(Side::destination).transient();
  });
  store.after([&](const test::MemoryCall& call) {
    if ((call.verb == "put" || call.verb == "commit" || call.verb == "create") && roll(8))
      throw Error(Code::network, "the reply is lost").from(Side::destination).ambiguous();
  });
  expect_complete(run());
}

}  // namespace
}  // namespace dray
