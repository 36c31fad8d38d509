// A stop while the store hangs: every use case passes it on to the call that is under way.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "dray/base/time.h"
#include "dray/release/pull.h"
#include "dray/release/verify.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/release/release_fixture.h"

namespace dray {
namespace {

/// Calls of one verb hang until they are told to stop.
class HangingStore : public test::MemoryStore {
 public:
  HangingStore() : MemoryStore({.part_size = 1'000}) {}
  std::string hang_in;
  std::atomic<bool> hanging = false;

  std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) override {
    hang("stat", stop);
    return MemoryStore::stat(key, stop);
  }
  std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) override {
    hang("list", stop);
    return MemoryStore::list(prefix, stop);
  }
  void read(const std::string& key, const std::string& etag, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override {
    hang("read", stop);
    MemoryStore::read(key, etag, offset, out, stop);
  }
  std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                           const std::stop_token& stop) override {
    hang("unfinished", stop);
    return MemoryStore::unfinished(prefix, stop);
  }
  void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) override {
    hang("abandon", stop);
    MemoryStore::abandon(upload, stop);
  }
  void remove(const std::string& key, const std::stop_token& stop) override {
    hang("remove", stop);
    MemoryStore::remove(key, stop);
  }
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override {
    hang("create", stop);
    return MemoryStore::create(spec, bytes, sha256, stop);
  }
  std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                   const std::stop_token& stop) override {
    hang("copy", stop);
    return MemoryStore::copy(from, spec, stop);
  }

 private:
  void hang(const std::string& verb, const std::stop_token& stop) {
    if (verb != hang_in) return;
    hanging = true;
    if (wait_for(stop, std::chrono::seconds(20))) ADD_FAILURE() << verb << " is not told to stop";
    throw_if_stopped(stop);
  }
};

struct StopTest : test::ReleaseFixture {
  StopTest() {
    request.store = &hanging;
    manifest = import().manifest;
  }
  /// Runs `work` and stops it once it hangs in a call of `verb`.
  template <typename Work>
  void expect_stopped(const std::string& verb, Work work) {
    SCOPED_TRACE(verb);
    hanging.hang_in = verb;
    hanging.hanging = false;
    std::stop_source stop;
    std::jthread stopper([&](const std::stop_token& over) {
      while (!hanging.hanging && !over.stop_requested()) std::this_thread::yield();
      stop.request_stop();
    });
    EXPECT_EQ(test::error_of([&] { work(stop.get_token()); }).code(), Code::cancelled);
    EXPECT_TRUE(hanging.hanging);
    hanging.hang_in.clear();
  }
  HangingStore hanging;
  Manifest manifest;
  Progress progress;
};

TEST_F(StopTest, Verify) {
  const auto verify = [&](bool quick) {
    return [this, quick](const std::stop_token& stop) {
      verify_release(hanging, manifest, kDefaultTemplate, quick, request.transfer, progress, stop);
    };
  };
  expect_stopped("list", verify(false));
  expect_stopped("read", verify(false));
  expect_stopped("stat", verify(true));
}

TEST_F(StopTest, Pull) {
  test::TempFolder temp;
  const auto pull = [&](const std::stop_token& stop) {
    pull_release(hanging, manifest, kDefaultTemplate, temp.path() / "pulled", request.transfer,
                 progress, stop);
  };
  expect_stopped("read", pull);
  EXPECT_NO_THROW(pull({}));
  EXPECT_FALSE(std::filesystem::exists(temp.path() / "pulled" / ".dray"));
}

TEST_F(StopTest, Import) {
  source.origin.commit = std::string(40, 'b');
  source.add("README.md", test::pattern(30, 5), test::MemorySource::Stated::git_sha1);
  const auto again = [&](const std::stop_token& stop) {
    run_import(request, plan_import(request, progress, stop), progress, stop);
  };
  for (const std::string verb : {"list", "create", "unfinished"}) expect_stopped(verb, again);
  Progress fresh;
  EXPECT_TRUE(run_import(request, plan_import(request, fresh, {}), fresh, {}).changed);
}

TEST_F(StopTest, CollectGarbage) {
  source.origin.commit = std::string(40, 'c');
  hanging.before([](const test::MemoryCall& call) {
    if (call.verb == "commit") throw Error(Code::server, "down").from(Side::destination);
  });
  EXPECT_THROW(import(), Error);
  hanging.before(nullptr);
  ASSERT_EQ(hanging.uploads(), 1u);
  const auto collect = [&](const std::stop_token& stop) {
    collect_garbage(hanging, true, std::chrono::seconds(60), stop);
  };
  expect_stopped("unfinished", collect);
  expect_stopped("abandon", collect);
  collect({});
  EXPECT_EQ(hanging.uploads(), 0u);
}

}  // namespace
}  // namespace dray
