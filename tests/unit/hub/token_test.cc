#include "dray/hub/token.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/hub/environment.h"
#include "dray/hub/stored_tokens.h"
#include "tests/support/environment.h"
#include "tests/support/temp_folder.h"

namespace dray::hub {
namespace {

class HubToken : public testing::Test {
 protected:
  HubToken() {
    for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
                             "HF_OIDC_RESOURCE", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "XDG_CACHE_HOME",
                             "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"})
      environment_.set(name, std::nullopt);
    environment_.set("HF_HOME", path("home"));
  }
  /// What no test here may come to ask for, unless it says so.
  static Token find_token(const TokenOptions& options) {
    return hub::find_token(options,
                           []() -> Token { throw std::logic_error("asked for an identity"); });
  }
  std::string path(const std::string& name) { return (folder_.path() / name).string(); }
  void write(const std::string& name, std::string_view text) {
    write_file_atomic(path(name), text);
  }

  test::TempFolder folder_;
  test::Environment environment_;
};

TEST_F(HubToken, NoneAnywhereIsNoError) {
  EXPECT_TRUE(find_token({}).value.empty());
  EXPECT_EQ(find_token({}).place, "");
}

TEST_F(HubToken, EachPlaceGivesWayToTheOneBefore) {
  write("home/token", "hf_home\n");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_home");
  EXPECT_EQ(find_token({}).place, path("home/token"));

  write("elsewhere", "hf_path");
  environment_.set("HF_TOKEN_PATH", path("elsewhere"));
  EXPECT_EQ(find_token({}).value.reveal(), "hf_path");

  environment_.set("HUGGING_FACE_HUB_TOKEN", "hf_old");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_old");

  environment_.set("HF_TOKEN", "hf_env");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_env");
  EXPECT_EQ(find_token({}).place, "HF_TOKEN");

  write("given", "hf_given");
  EXPECT_EQ(find_token({.file = path("given")}).value.reveal(), "hf_given");

  EXPECT_TRUE(find_token({.file = path("given"), .anonymous = true}).value.empty());
}

TEST_F(HubToken, LineEndsAndSpacesAreCutAndAnEmptyOneCountsAsNone) {
  environment_.set("HF_TOKEN", " \r\n");
  write("home/token", "\t hf_home \r\n");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_home");
}

TEST_F(HubToken, AFileThatTheUserNamesMustHoldOne) {
  environment_.set("HF_TOKEN", "hf_env");
  write("empty", "\n");
  for (const char* name : {"empty", "absent"}) {
    try {
      find_token({.file = path(name)});
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::auth);
      EXPECT_EQ(error.object(), path(name));
    }
  }
}

TEST_F(HubToken, WhatNoHeaderMayCarryIsRefusedAndNotShown) {
  environment_.set("HF_TOKEN", "hf_secret\r\nX-Evil: 1");
  try {
    find_token({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
    EXPECT_EQ(error.object(), "HF_TOKEN");
  }
}

TEST_F(HubToken, TheImplicitOnesCanBeSwitchedOffAndTheNamedFileStays) {
  write("home/token", "hf_home");
  write("given", "hf_given");
  environment_.set("HF_TOKEN", "hf_env");
  environment_.set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes");
  EXPECT_TRUE(find_token({}).value.empty());
  EXPECT_EQ(find_token({.file = path("given")}).value.reveal(), "hf_given");
  environment_.set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_env");
}

TEST_F(HubToken, AnIdentityThatIsAskedForComesBeforeStoredTokens) {
  environment_.set("HF_TOKEN", "hf_env");
  environment_.set("HF_OIDC_RESOURCE", "org/model");
  write("given", "hf_given");
  const auto exchange = [] { return Token{Secret("hf_jwt"), "identity", ""}; };
  EXPECT_EQ(hub::find_token({}, exchange).value.reveal(), "hf_jwt");
  EXPECT_EQ(find_token({.file = path("given")}).value.reveal(), "hf_given");
  EXPECT_TRUE(find_token({.anonymous = true}).value.empty());
  environment_.set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_TRUE(find_token({}).value.empty());
}

TEST_F(HubToken, TheActiveOneOfStoredTokensHasItsNameAndItsEnd) {
  write("home/stored_tokens",
        "[work]\nhf_token = hf_work\n\n[browser]\nhf_token=hf_browser\nrefresh_token = r\n"
        "expires_at = 1700000000\n");
  const Token none = find_token({});
  EXPECT_TRUE(none.value.empty()) << "stored is not active";
  EXPECT_NE(none.advice.find("work, browser"), std::string::npos);
  EXPECT_NE(none.advice.find("hf auth switch"), std::string::npos);

  write("home/token", "hf_work\n");
  EXPECT_EQ(find_token({}).place, path("home/token") + ", stored as 'work'");
  EXPECT_EQ(find_token({}).advice, "");

  write("home/token", "hf_browser");
  EXPECT_EQ(find_token({}).value.reveal(), "hf_browser") << "the Hub has the last word";
  EXPECT_NE(find_token({}).advice.find("expired at 2023-11-14T22:13:20Z"), std::string::npos);

  write("home/token", "hf_other");
  EXPECT_EQ(find_token({}).place, path("home/token"));
  // They lie beside the token's file, wherever that is.
  write("else/where", "hf_x");
  write("else/stored_tokens", "[x]\nhf_token = hf_x\n");
  environment_.set("HF_TOKEN_PATH", path("else/where"));
  EXPECT_EQ(find_token({}).place, path("else/where") + ", stored as 'x'");
}

TEST(HubStoredTokens, WhatIsOfAnotherFormIsPassedOver) {
  const auto tokens = parse_stored_tokens(
      "hf_token = before any section\n# comment\n[a]\r\nhf_token : hf_a\r\nexpires_at = soon\n"
      "[bad\x1b[31m]\nhf_token = hf_bad\n[]\n[b]\nnonsense\nhf_token = hf_b%1\n"
      "expires_at = 99999999999999999999");
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].name, "a");
  EXPECT_EQ(tokens[0].value.reveal(), "hf_a");
  EXPECT_EQ(tokens[0].expires_at, std::nullopt);
  EXPECT_EQ(tokens[1].value.reveal(), "hf_b%1");
  EXPECT_EQ(tokens[1].expires_at, std::nullopt);
}

TEST_F(HubToken, TheHomeIsWhereTheHubsClientsHaveIt) {
  environment_.set("HOME", "/h");
  environment_.set("HF_HOME", std::nullopt);
  EXPECT_EQ(home(), "/h/.cache/huggingface");
  environment_.set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(home(), "/x/huggingface");
  EXPECT_EQ(cache(), "/x/huggingface/hub");
  environment_.set("BASE", "/b");
  environment_.set("HF_HOME", "$BASE/hf");
  EXPECT_EQ(cache(), "/b/hf/hub");
  environment_.set("HF_HOME", "~/hf");
  EXPECT_EQ(home(), "/h/hf");
  environment_.set("HF_HUB_CACHE", "/c");
  EXPECT_EQ(cache(), "/c");
}

TEST_F(HubToken, VariablesInPathsAreExpandedAndUnknownOnesStay) {
  environment_.set("A", "x");
  environment_.set("NOT_SET", std::nullopt);
  EXPECT_EQ(expand_path("/$A/${A}y/$NOT_SET/${A"), "/x/xy/$NOT_SET/${A");
  EXPECT_EQ(expand_path("/$/${}/$"), "/$/${}/$");
}

TEST_F(HubToken, TheEndpointHasNoSlashAtItsEnd) {
  EXPECT_EQ(endpoint(), "https://huggingface.co");
  environment_.set("HF_ENDPOINT", "https://m.example/hub//");
  EXPECT_EQ(endpoint(), "https://m.example/hub");
}

TEST_F(HubToken, OfflineIsAnyTrueWord) {
  environment_.set("TRANSFORMERS_OFFLINE", std::nullopt);
  for (const char* word : {"1", "on", "Yes", "TRUE"}) {
    environment_.set("HF_HUB_OFFLINE", word);
    EXPECT_TRUE(offline()) << word;
  }
  for (const char* word : {"0", "false", "no", "2"}) {
    environment_.set("HF_HUB_OFFLINE", word);
    EXPECT_FALSE(offline()) << word;
  }
}

}  // namespace
}  // namespace dray::hub
