// What the engine may use: memory, connections, calls; and sizes that no test could move.
#include <gtest/gtest.h>

#include <mutex>
#include <set>

#include "tests/unit/transfer/engine_fixture.h"

namespace dray {
namespace {

using test::EngineTest;
using test::MemorySource;
using test::MemoryStore;

/// The greatest value that a number had.
class Peak {
 public:
  void add(std::uint64_t n) {
    const std::uint64_t now = now_ += n;
    for (std::uint64_t most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
    }
  }
  void remove(std::uint64_t n) { now_ -= n; }
  std::uint64_t now() const { return now_; }
  std::uint64_t most() const { return most_; }

 private:
  std::atomic<std::uint64_t> now_{0}, most_{0};
};

TEST_F(EngineTest, WhatIsInMemoryNeverExceedsTheBudget) {
  constexpr std::uint64_t part = 8 * kMiB, budget = 48 * kMiB;
  MemoryStore big({.part_size = part});
  options.memory = 64 * kMiB;  // the buffers get as much: it is the least
  plan.held = 16 * kMiB;       // … less what the plan takes
  options.block = kMiB;
  options.connections = 8;
  // Tails of all sizes: each is memory too.
  for (const std::uint64_t size : {40 * kMiB + 5, 15 * kMiB, 23 * kMiB - 1, 3 * kMiB, 31 * kMiB})
    add("f" + std::to_string(size), size);
  Peak memory;
  source().after_read = [&](const std::string&, std::uint64_t, MutableBytes out) {
    memory.add(out.size());
  };
  std::atomic<int> puts = 0;
  big.before([&](const test::MemoryCall& call) {
    if (call.verb != "put" || ++puts > 3) return;
    // The first ones hold on until all memory is in use, and a little longer for what would be
    // beyond it.
    wait_until([&] { return memory.now() > budget - part; });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  big.after([&](const test::MemoryCall& call) {
    if (call.verb == "put" || call.verb == "create") memory.remove(call.size);
  });
  Engine engine(source(), big, options, progress);
  engine.run(plan, {}, {});
  EXPECT_LE(memory.most(), budget);
  EXPECT_GT(memory.most(), budget - part) << "it is used";
  EXPECT_EQ(big.keys("m/").size(), plan.objects.size());
}

TEST_F(EngineTest, ManySmallFilesCostOneCallEach) {
  constexpr int files = 10'000;
  for (int i = 0; i < files; ++i) add("f" + std::to_string(i), 1 + i % 3, i % 3);
  std::atomic<int> reads = 0;
  source().before_read = [&](const std::string&, std::uint64_t) { ++reads; };
  run();
  EXPECT_EQ(reads, files);
  EXPECT_EQ(store.calls().size(), files) << "one call a file";
  EXPECT_EQ(store.count("create"), files);
  Progress fresh;
  Engine engine(source(), store, options, fresh);
  EXPECT_EQ(engine.run(plan, left, {}).size(), files);
  EXPECT_EQ(reads, files);
  EXPECT_EQ(store.calls().size(), files) << "what is done is not looked at again";
}

/// The source refuses all that is asked at once; afterwards the greatest number of reads at a time
/// is noted.
struct ThrottleTest : EngineTest {
  static constexpr int kConnections = 8;
  ThrottleTest() {
    options.connections = kConnections;
    add("a", 25'000);
    source().before_read = [this](const std::string&, std::uint64_t offset) {
      if (offset < kConnections * options.block) {
        first_one(offset);
        return;
      }
      const int now = ++inside;
      const int order = ++later;
      if (order <= kLooked)
        for (int most = most_at_once;
             now > most && !most_at_once.compare_exchange_weak(most, now);) {
        }
      // They wait for company, and a little longer for more than there should be.
      if (order <= kLooked) {
        wait_until([this] { return most_at_once >= kConnections / 2; });
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      --inside;
    };
  }
  void first_one(std::uint64_t offset) {
    {
      const std::lock_guard lock(mutex);
      if (!refused.insert(offset).second) return;
    }
    wait_until([this] {
      const std::lock_guard lock(mutex);
      return refused.size() == kConnections;
    });
    throw Error(Code::throttled, "slow down")
        .from(Side::source)
        .retry_after(std::chrono::seconds(20))
        .transient();
  }
  static constexpr int kLooked = 8;
  std::mutex mutex;
  std::set<std::uint64_t> refused;
  std::atomic<int> inside{0}, later{0}, most_at_once{0};
};

TEST_F(ThrottleTest, RefusalsTogetherHalveTheConnectionsOnce) {
  // Those who were refused try again at once; new reads wait for the end of the pause.
  options.retry.longest_wait = std::chrono::milliseconds(1'500);
  expect_complete(run());
  EXPECT_GE(most_at_once, kConnections / 2) << "eight refusals are one request to slow down";
  EXPECT_LE(most_at_once, kConnections / 2 + 2) << "it is asked less for a while";
  EXPECT_EQ(progress.view().waiting, "") << "nobody waits any more";
}

TEST_F(EngineTest, AThrottledTransferSaysSo) {
  add("a", 1'000);
  std::atomic<bool> refused = false;
  options.connections = 1;
  options.retry.sleep = [&](std::stop_token, std::chrono::milliseconds wait) {
    EXPECT_EQ(progress.view().waiting, "the source asks to slow down, going on in 2 s");
    EXPECT_GE(wait, std::chrono::milliseconds(1'500));
    return true;
  };
  source().before_read = [&](const std::string&, std::uint64_t) {
    if (!refused.exchange(true))
      throw Error(Code::throttled, "slow down")
          .from(Side::source)
          .retry_after(std::chrono::milliseconds(1'500))
          .transient();
  };
  expect_complete(run());
  EXPECT_TRUE(refused);
  EXPECT_EQ(progress.view().waiting, "");
}

/// A file of a size that no test could hold: its bytes follow from their places.
class HugeSource : public Source {
 public:
  static void fill(std::uint64_t offset, MutableBytes out) {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<std::byte>((offset + i) / 4'096 % 251);
  }
  Snapshot snapshot(const std::stop_token&) override { return {}; }
  void read(const FileEntry&, std::uint64_t offset, MutableBytes out,
            const std::stop_token&) override {
    fill(offset, out);
    read_ += out.size();
  }
  std::string name() const override { return "huge"; }
  std::uint64_t bytes_read() const { return read_; }

 private:
  std::atomic<std::uint64_t> read_{0};
};

/// Keeps what is put by size only.
class HugeStore : public MemoryStore {
 public:
  static constexpr std::uint64_t kPart = 8 * kMiB;
  struct Sent : Upload {
    Sent(HugeStore& s, std::uint64_t n, const SavedUpload* saved) : store(s), size(n) {
      if (saved != nullptr) parts = saved->parts;
    }
    PartLayout layout() const override { return store.layout(size); }
    std::string id() const override { return "huge"; }
    std::vector<PutPart> present(const std::stop_token&) override {
      std::vector<PutPart> there;
      for (const auto& part : parts)
        if (part.index != store.lost) there.push_back(part);
      return there;
    }
    PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                const std::stop_token&) override {
      EXPECT_EQ(bytes.size(), layout().part(index).length);
      const std::lock_guard lock(store.mutex);
      store.put_parts.insert(index);
      return {index, bytes.size(), crc64, "e"};
    }
    StoredObject commit(const std::vector<PutPart>& all, const std::string&,
                        const std::stop_token&) override {
      std::uint64_t bytes = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i].index, i);
        bytes += all[i].size;
      }
      EXPECT_EQ(bytes, size);
      return {"m/huge", size, "e", std::nullopt, {}};
    }
    void abandon() noexcept override {}
    HugeStore& store;
    std::uint64_t size;
    std::vector<PutPart> parts;
  };
  PartLayout layout(std::uint64_t size) const override { return {size, kPart, false}; }
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token&) override {
    return std::make_unique<Sent>(*this, spec.size, saved);
  }
  std::uint64_t lost = 7;
  std::mutex mutex;
  std::set<std::uint64_t> put_parts;
};

/// A SHA-256 state after so many bytes (a multiple of 64), of nothing in particular.
std::string state_after(std::uint64_t bytes) {
  Sha256 sha;
  sha.update(Buffer(64));
  Buffer raw = *from_base64(sha.save());
  // Version, eight words, then the count.
  for (int i = 0; i < 8; ++i) raw[33 + i] = static_cast<std::byte>(bytes >> (8 * (7 - i)));
  const std::uint32_t crc = crc32c(0, Bytes(raw).first(raw.size() - 4));
  for (int i = 0; i < 4; ++i)
    raw[raw.size() - 4 + i] = static_cast<std::byte>(crc >> (8 * (3 - i)));
  return to_base64(raw);
}

TEST_F(EngineTest, AFileOfHundredsOfGigabytesGoesOnNearItsEnd) {
  constexpr std::uint64_t part = HugeStore::kPart;
  constexpr std::uint64_t before = 25'600;  // parts that are there: 200 GiB
  constexpr std::uint64_t size = (before + 2) * part + 12'345;
  plan.units.push_back({"huge", size, {}});
  ObjectPlan object;
  object.spec.key = "m/huge";
  object.spec.size = size;
  object.label = "huge";
  object.segments = {SourceSegment{0, {0, size}}};
  plan.objects.push_back(object);
  HugeSource huge;
  HugeStore counting;
  Buffer lost(part);
  HugeSource::fill(counting.lost * part, lost);
  JournalObject known;
  known.key = "m/huge";
  known.upload = {"huge", part, {}};
  for (std::uint64_t i = 0; i < before; ++i)
    known.upload.parts.push_back(
        {i, part, i == counting.lost ? crc64nvme(0, lost) : std::uint64_t{1}, "e"});
  known.hash = SavedHash{before * part, state_after(before * part)};
  Engine engine(huge, counting, options, progress);
  const auto results = engine.run(plan, {known}, {});
  EXPECT_EQ(counting.put_parts,
            (std::set<std::uint64_t>{counting.lost, before, before + 1, before + 2}));
  EXPECT_EQ(huge.bytes_read(), 3 * part + 12'345);
  EXPECT_EQ(results[0].part_crc64.size(), before + 3);
  EXPECT_EQ(results[0].size, size);
  EXPECT_EQ(progress.view().verified, size);
}

}  // namespace
}  // namespace dray
