// Choosing, keeping and renewing credentials.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/s3/credentials.h"

namespace dray::s3 {
namespace {

constexpr UnixTime kStart = 1'800'000'000;

Credentials credentials(const std::string& id, std::optional<UnixTime> expires = std::nullopt) {
  return {id, Secret("secret of " + id), Secret("token of " + id), expires, "source " + id};
}

CredentialSource nothing() {
  return [](const std::stop_token&) { return std::nullopt; };
}

/// A source whose credentials are called "1", "2", … and live `life` seconds by the test's clock.
class CredentialsRenewal : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_sink([this](LogLevel level, std::string_view line) {
      const std::lock_guard lock(mutex_);
      if (level == LogLevel::warn) warnings_.emplace_back(line);
    });
  }
  void TearDown() override { set_log_sink(nullptr); }

  CredentialsProvider provider(std::int64_t life) {
    return CredentialsProvider({nothing(),
                                [this, life](const std::stop_token&) -> std::optional<Credentials> {
                                  const int n = ++fetches_;
                                  if (during_fetch_) during_fetch_(n);
                                  return credentials(std::to_string(n), now_ + life);
                                }},
                               [this] { return now_.load(); });
  }
  static std::string id(CredentialsProvider& provider) { return provider.get({})->access_key_id; }
  std::size_t warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_.size();
  }

  std::atomic<UnixTime> now_{kStart};
  std::atomic<int> fetches_{0};
  std::function<void(int)> during_fetch_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

[[noreturn]] void refuse(int) { throw Error(Code::network, "no answer").transient(); }

TEST(CredentialsChoice, TheFirstSourceThatHasSomeIsKept) {
  int first = 0, second = 0, third = 0;
  CredentialsProvider provider({[&](const std::stop_token&) -> std::optional<Credentials> {
                                  ++first;
                                  return std::nullopt;
                                },
                                [&](const std::stop_token&) {
                                  ++second;
                                  return std::optional(credentials("two"));
                                },
                                [&](const std::stop_token&) {
                                  ++third;
                                  return std::optional(credentials("three"));
                                }});
  EXPECT_EQ(provider.origin(), "");
  const auto one = provider.get({});
  EXPECT_EQ(one->access_key_id, "two");
  EXPECT_EQ(provider.origin(), "source two");
  provider.expired(*one);
  EXPECT_EQ(provider.get({})->access_key_id, "two");
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
  EXPECT_EQ(third, 0);
}

TEST(CredentialsChoice, AFailingSourceIsNotPassedOver) {
  // A role that cannot be assumed must not turn into other rights without a word.
  CredentialsProvider provider(
      {[](const std::stop_token&) -> std::optional<Credentials> {
         throw Error(Code::auth, "the role may not be assumed");
       },
       [](const std::stop_token&) { return std::optional(credentials("other")); }});
  EXPECT_THROW(provider.get({}), Error);
}

TEST(CredentialsChoice, NoneAnywhereIsExplained) {
  CredentialsProvider provider({nothing(), nothing()});
  try {
    provider.get({});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::auth);
    EXPECT_NE(e.hint().find("AWS_ACCESS_KEY_ID"), std::string::npos);
  }
}

TEST_F(CredentialsRenewal, NotBeforeFifteenMinutesToTheEnd) {
  auto subject = provider(3600);
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 3600 - 901;
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 3600 - 900;
  EXPECT_EQ(id(subject), "2");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CredentialsRenewal, ShortLivesAreNotRenewedAtEveryRequest) {
  auto subject = provider(600);
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 299;
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 300;
  EXPECT_EQ(id(subject), "2");
}

TEST_F(CredentialsRenewal, FreshOnesThatLookExpiredAreUsed) {
  auto subject = provider(-3600);  // this machine's clock is ahead
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 59;
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 60;
  EXPECT_EQ(id(subject), "2");
}

TEST_F(CredentialsRenewal, EarlyFailuresAreOnlyLogged) {
  auto subject = provider(3600);
  id(subject);
  during_fetch_ = refuse;
  now_ = kStart + 3600 - 800;
  EXPECT_EQ(id(subject), "1");
  EXPECT_EQ(id(subject), "1");
  EXPECT_EQ(fetches_, 2);  // not asked again at once
  EXPECT_EQ(warnings(), 1U);
  now_ = kStart + 3600 - 740;
  EXPECT_EQ(id(subject), "1");
  EXPECT_EQ(fetches_, 3);
  during_fetch_ = nullptr;
  now_ = kStart + 3600 - 600;
  EXPECT_EQ(id(subject), "4");
}

TEST_F(CredentialsRenewal, FailuresSurfaceOnceTheOldOnesAreExpired) {
  auto subject = provider(3600);
  id(subject);
  during_fetch_ = refuse;
  now_ = kStart + 3600 - 30;
  EXPECT_EQ(id(subject), "1");
  now_ = kStart + 3600 + 1;  // also within the pause after the last failure
  EXPECT_THROW(subject.get({}), Error);
  during_fetch_ = nullptr;
  EXPECT_EQ(id(subject), "4");
}

TEST_F(CredentialsRenewal, OthersGoOnWhileOneRenewsEarly) {
  auto subject = provider(3600);
  id(subject);
  now_ = kStart + 3600 - 700;
  std::mutex mutex;
  std::condition_variable changed;
  bool fetching = false, go = false;
  during_fetch_ = [&](int) {
    std::unique_lock lock(mutex);
    fetching = true;
    changed.notify_all();
    changed.wait(lock, [&] { return go; });
  };
  std::jthread renewer([&] { EXPECT_EQ(id(subject), "2"); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return fetching; });
  }
  EXPECT_EQ(id(subject), "1");  // would hang if it waited
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
  renewer.join();
  EXPECT_EQ(id(subject), "2");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CredentialsRenewal, AllWaitForOneLate) {
  auto subject = provider(3600);
  id(subject);
  now_ = kStart + 3600 - 500;
  std::vector<std::jthread> threads;
  std::atomic<int> renewed{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      if (id(subject) == "2") ++renewed;
    });
  threads.clear();
  EXPECT_EQ(renewed, 8);
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CredentialsRenewal, WaitingEndsWhenStopped) {
  auto subject = provider(3600);
  std::mutex mutex;
  std::condition_variable changed;
  bool fetching = false, go = false;
  during_fetch_ = [&](int) {
    std::unique_lock lock(mutex);
    fetching = true;
    changed.notify_all();
    changed.wait(lock, [&] { return go; });
  };
  std::jthread fetcher([&] { id(subject); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return fetching; });
  }
  std::stop_source source;
  source.request_stop();
  try {
    subject.get(source.get_token());
    ADD_FAILURE() << "did not stop";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::cancelled);
  }
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
}

TEST_F(CredentialsRenewal, RefusedOnesAreFetchedAnewOnce) {
  auto subject = provider(3600);
  const auto one = subject.get({});
  subject.expired(*one);
  subject.expired(*one);
  const auto two = subject.get({});
  EXPECT_EQ(two->access_key_id, "2");
  // A slower thread still complains about the old ones.
  subject.expired(*one);
  EXPECT_EQ(id(subject), "2");
  EXPECT_EQ(fetches_, 2);
  during_fetch_ = refuse;
  subject.expired(*two);
  EXPECT_THROW(subject.get({}), Error);  // not those the server has refused
}

}  // namespace
}  // namespace dray::s3
