#include "dray/s3/profile.h"

#include <gtest/gtest.h>

#include <string>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "tests/support/aws_environment.h"
#include "tests/support/temp_folder.h"

namespace dray::s3 {
namespace {

Profiles config(std::string_view text) {
  Profiles out;
  parse_profiles(text, false, "config", out);
  return out;
}

TEST(AwsProfile, ConfigAndCredentialsNameProfilesDifferently) {
  Profiles out = config(
      "[default]\nregion = eu-west-1\n[profile prod]\nregion=us-west-2\n"
      "[ profile \"with space\" ]\nregion = r3\n[prod]\nregion = wrong\n[sso-session x]\na = b\n");
  EXPECT_EQ(out.get("default", "region"), "eu-west-1");
  EXPECT_EQ(out.get("prod", "region"), "us-west-2");
  EXPECT_EQ(out.get("with space", "region"), "r3");
  parse_profiles("[prod]\naws_access_key_id = id\nregion = us-west-9\n", true, "credentials", out);
  EXPECT_EQ(out.get("prod", "aws_access_key_id"), "id");
  EXPECT_EQ(out.get("prod", "region"), "us-west-9");  // the credentials file wins, key by key
  EXPECT_FALSE(out.has("x"));
}

TEST(AwsProfile, LinesAsPeopleWriteThem) {
  const Profiles out = config(
      "\xEF\xBB\xBF# comment\r\n; comment\r\n[default]\r\n"
      "AWS_Access_Key_ID=AK\r\naws_secret_access_key = a/b+c=d:e#f \r\n\tregion : eu\r\n"
      "empty =\r\n   \r\n");
  EXPECT_EQ(out.get("default", "aws_access_key_id"), "AK");
  // '=' and ':' and '#' belong to the value: secrets contain them.
  EXPECT_EQ(out.get("default", "aws_secret_access_key"), "a/b+c=d:e#f\nregion : eu");
  EXPECT_EQ(out.get("default", "empty"), std::nullopt);
  EXPECT_EQ(config("[default]\nregion : eu\n").get("default", "region"), "eu");
}

TEST(AwsProfile, NestedBlocks) {
  const Profiles out = config(
      "[profile p]\ns3 =\n  addressing_style = virtual\n  max_concurrency = 3\nregion = eu\n"
      "services = local\n[services local]\ns3 =\n  endpoint_url = http://s3.local:9000\n"
      "sts =\n    endpoint_url = http://sts.local\n");
  EXPECT_EQ(out.get("p", "s3.addressing_style"), "virtual");
  EXPECT_EQ(out.get("p", "s3.max_concurrency"), "3");
  EXPECT_EQ(out.get("p", "region"), "eu");
  EXPECT_EQ(out.services.at("local").at("s3.endpoint_url"), "http://s3.local:9000");
  EXPECT_EQ(out.services.at("local").at("sts.endpoint_url"), "http://sts.local");
}

TEST(AwsProfile, SignOnSessionsAreSectionsOfTheirOwn) {
  Profiles profiles;
  parse_profiles("[sso-session corp]\nsso_region = eu-west-1\n[profile corp]\nregion = x\n", false,
                 "config", profiles);
  EXPECT_EQ(profiles.sso_sessions.at("corp").at("sso_region"), "eu-west-1");
  EXPECT_EQ(profiles.get("corp", "sso_region"), std::nullopt);
}

TEST(AwsProfile, BadLinesAreNamedByNumberAndNeverQuoted) {
  for (const char* text : {"[default]\nSECRETVALUE\n", "a = SECRETVALUE\n", "[default\nSECRETVALUE",
                           "[default]\n= SECRETVALUE\n", "[default]\ns3 =\n  SECRETVALUE\n"}) {
    try {
      config(text);
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::usage);
      EXPECT_NE(e.message().find("line "), std::string::npos);
      EXPECT_EQ(std::string(e.what()).find("SECRET"), std::string::npos);
    }
  }
}

TEST(AwsProfile, FilesAreFoundByVariablesElseBelowHome) {
  const test::TempFolder folder;
  write_file_atomic(folder.path() / ".aws/config", "[profile a]\nregion = home\n");
  write_file_atomic(folder.path() / ".aws/credentials", "[a]\naws_access_key_id = AK\n");
  write_file_atomic(folder.path() / "other", "[profile a]\nregion = other\n");
  const Profiles home = load_profiles(test::aws_environment({{"HOME", folder.path().string()}}));
  EXPECT_EQ(home.get("a", "region"), "home");
  EXPECT_EQ(home.get("a", "aws_access_key_id"), "AK");
  const Profiles other = load_profiles(
      test::aws_environment({{"HOME", folder.path().string()},
                             {"AWS_CONFIG_FILE", (folder.path() / "other").string()},
                             {"AWS_SHARED_CREDENTIALS_FILE", (folder.path() / "none").string()}}));
  EXPECT_EQ(other.get("a", "region"), "other");
  EXPECT_EQ(other.get("a", "aws_access_key_id"), std::nullopt);
}

TEST(AwsProfile, NameFromArgumentThenEnvironment) {
  EXPECT_EQ(profile_name("x", test::aws_environment({{"AWS_PROFILE", "y"}})), "x");
  EXPECT_EQ(
      profile_name("", test::aws_environment({{"AWS_PROFILE", "y"}, {"AWS_DEFAULT_PROFILE", "z"}})),
      "y");
  EXPECT_EQ(profile_name("", test::aws_environment({{"AWS_DEFAULT_PROFILE", "z"}})), "z");
  EXPECT_EQ(profile_name("", test::aws_environment({})), "default");
}

}  // namespace
}  // namespace dray::s3
