// Aliases on a bucket: many writers, lost answers, and endpoints that honour no conditions.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "dray/base/time.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/races.h"
#include "tests/support/errors.h"
#include "tests/support/fake_s3.h"
#include "tests/support/s3_store_place.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

const std::stop_token kGo;

class AliasRaces : public testing::Test {
 protected:
  std::unique_ptr<S3Store> open(FakeS3& service) {
    return std::make_unique<S3Store>(fake_store_options(service, "bucket"));
  }
  static MoveResult move(Store& store, const std::string& version) {
    return move_alias(store, "llama", "production", version, MoveNote{"me", "login", ""}, kGo);
  }
  static std::vector<std::string> versions(Store& store) {
    std::vector<std::string> out;
    std::string before;
    for (const auto& each : alias_history(store, "llama", "production", kGo)) {
      EXPECT_EQ(each.previous, before) << each.seq;
      before = each.version;
      out.push_back(each.version);
    }
    return out;
  }
  /// Writers of their own stores, as of several machines, each move another version.
  void race(FakeS3& service, int writers, int moves) {
    std::atomic<int> acknowledged = 0;
    {
      std::vector<std::jthread> threads;
      for (int w = 0; w < writers; ++w)
        threads.emplace_back([&, w] {
          const auto store = open(service);
          for (int i = 0; i < moves; ++i)
            if (move(*store, fmt::format("{}.0.{}", w + 1, i)).appended) ++acknowledged;
        });
    }
    const auto store = open(service);
    EXPECT_EQ(acknowledged, writers * moves);
    EXPECT_THAT(versions(*store), SizeIs(static_cast<std::size_t>(writers * moves)));
  }
};

TEST_F(AliasRaces, ManyMachinesLoseNoMove) {
  FakeS3 service;
  service.make_bucket("bucket");
  race(service, 4, 5);
  EXPECT_TRUE(excludes_races(open(service)->state(), kGo));
}

TEST_F(AliasRaces, WithoutConditionalWritesTheyTakeTurns) {
  FakeS3 service(careless_s3());
  service.make_bucket("bucket");
  race(service, 3, 3);
  EXPECT_FALSE(excludes_races(open(service)->state(), kGo));
  for (const auto& [key, object] : service.objects("bucket"))
    EXPECT_EQ(key.find("/turn/"), std::string::npos) << "markers go away";
}

TEST_F(AliasRaces, ADeadWritersMarkerIsNotWaitedForForever) {
  FakeS3Options options = careless_s3();
  std::atomic<std::int64_t> ahead = 0;
  options.now = [&] { return unix_now() + ahead; };
  options.verify_signature = false;
  FakeS3 service(options);
  service.make_bucket("bucket");
  service.put("bucket", alias_prefix("llama", "production") + "turn/dead", "{}");
  ahead = 61;
  const auto store = open(service);
  EXPECT_TRUE(move(*store, "1.0.0").appended);
  EXPECT_FALSE(
      service.object("bucket", alias_prefix("llama", "production") + "turn/dead").has_value());
}

TEST_F(AliasRaces, ALostAnswerOfTheConditionalPutIsSettled) {
  FakeS3 service;
  service.make_bucket("bucket");
  const auto store = open(service);
  move(*store, "1.0.0");
  service.lose_answers("PutObject");
  EXPECT_TRUE(move(*store, "1.0.1").appended) << "it was carried out: that is our own record";
  EXPECT_THAT(versions(*store), ElementsAre("1.0.0", "1.0.1"));
}

TEST_F(AliasRaces, AWriterThatIsPutOffComesAfterTheOther) {
  FakeS3 service;
  service.make_bucket("bucket");
  const auto store = open(service), other = open(service);
  move(*store, "1.0.0");
  move(*other, "1.0.1");
  std::atomic<bool> raced = false;
  // Ours is put off, and another writer takes the number meanwhile.
  service.before([&](const RawRequest&, const std::string& op, int) -> std::optional<RawResponse> {
    if (op != "PutObject" || raced.exchange(true)) return std::nullopt;
    move(*other, "1.0.2");
    return FakeS3::error(503, "SlowDown");
  });
  EXPECT_TRUE(move(*store, "1.0.3").appended);
  EXPECT_THAT(versions(*store), ElementsAre("1.0.0", "1.0.1", "1.0.2", "1.0.3"));
}

}  // namespace
}  // namespace dray::test
