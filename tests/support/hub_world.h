// What tests of the Hub's client and source share: a Hub in memory, an environment without any
// trace of a real one, and waits that take no time.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/hub/client.h"
#include "tests/support/environment.h"
#include "tests/support/errors.h"
#include "tests/support/fake_hub.h"
#include "tests/support/random.h"
#include "tests/support/temp_folder.h"

namespace dray::test {

class HubWorld : public testing::Test {
 protected:
  HubWorld() {
    for (const char* name :
         {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_OIDC_RESOURCE",
          "HF_OIDC_ID_TOKEN", "GITHUB_ACTIONS", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE",
          "TRANSFORMERS_OFFLINE"})
      environment_.set(name, std::nullopt);
    environment_.set("HF_HOME", folder_.path().string());
  }

  /// Of the fake Hub, without a token; waits are noted, not waited.
  hub::ClientOptions options(int tries) {
    hub::ClientOptions options;
    options.endpoint = hub_.url();
    options.token.anonymous = true;
    options.retry.tries = tries;
    options.retry.sleep = [this](const std::stop_token&, std::chrono::milliseconds wait) {
      waits_.push_back(wait);
      return true;
    };
    return options;
  }

  /// What `call` throws; it must come from the source.
  static Error error_of(const std::function<void()>& call) {
    const Error error = test::error_of(call);
    EXPECT_EQ(error.side(), Side::source) << error.what();
    return error;
  }

  static std::string some_text(std::size_t size, std::uint64_t salt) {
    const Buffer bytes = pattern(size, salt);
    return std::string(as_text(bytes));
  }

  TempFolder folder_;
  Environment environment_;
  FakeHub hub_;
  std::vector<std::chrono::milliseconds> waits_;
};

}  // namespace dray::test
