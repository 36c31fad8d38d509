#include "dray/s3/config.h"

#include <gtest/gtest.h>

#include <string>

#include "dray/base/error.h"
#include "dray/s3/storage_config.h"
#include "tests/support/aws_environment.h"

namespace dray::s3 {
namespace {

using test::aws_environment;
using test::Variables;

Endpoint resolve(const Settings& settings, Variables variables, std::string_view profiles = "") {
  Profiles parsed;
  parse_profiles(profiles, false, "config", parsed);
  return resolve_endpoint(settings, aws_environment(std::move(variables)), parsed);
}

std::string url_of(const Endpoint& endpoint) { return endpoint.url.text(); }

TEST(S3Endpoint, AmazonOfTheRegionByDefault) {
  const Endpoint plain = resolve({}, {});
  EXPECT_EQ(url_of(plain), "https://s3.us-east-1.amazonaws.com");
  EXPECT_TRUE(plain.aws);
  EXPECT_TRUE(plain.aws_default);
  EXPECT_EQ(plain.region, "us-east-1");
  EXPECT_EQ(url_of(resolve({.region = "eu-west-1"}, {})), "https://s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(url_of(resolve({.region = "cn-north-1"}, {})),
            "https://s3.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(url_of(resolve({}, {{"AWS_USE_FIPS_ENDPOINT", "true"},
                                {"AWS_USE_DUALSTACK_ENDPOINT", "true"},
                                {"AWS_REGION", "us-gov-west-1"}})),
            "https://s3-fips.dualstack.us-gov-west-1.amazonaws.com");
}

TEST(S3Endpoint, Precedence) {
  const std::string profiles =
      "[default]\nendpoint_url = http://p5\nservices = sv\nregion = r5\nca_bundle = ca5\n"
      "[services sv]\ns3 =\n  endpoint_url = http://p4\n";
  Variables all{{"AWS_ENDPOINT_URL_S3", "http://e1"},
                {"AWS_ENDPOINT_URL", "http://e2"},
                {"AWS_S3_ENDPOINT", "http://e3"},
                {"AWS_REGION", "r1"},
                {"AWS_DEFAULT_REGION", "r2"},
                {"AWS_CA_BUNDLE", "ca1"},
                {"STORAGE_CONFIG",
                 R"({"type":"s3","endpoint_url":"http://k","region":"rk","ca_bundle":"cak"})"}};
  Settings settings{.endpoint = "http://e0", .region = "r0", .ca_file = "ca0"};
  EXPECT_EQ(url_of(resolve(settings, all, profiles)), "http://e0");
  const auto step = [&](const char* url, const char* region, const char* ca) {
    const Endpoint e = resolve(settings, all, profiles);
    EXPECT_EQ(url_of(e), url);
    EXPECT_EQ(e.region, region);
    EXPECT_EQ(e.ca_file, ca);
  };
  settings = {};
  step("http://e1", "r1", "ca1");
  all.erase("AWS_ENDPOINT_URL_S3");
  all.erase("AWS_REGION");
  all.erase("AWS_CA_BUNDLE");
  step("http://e2", "r2", "cak");
  all.erase("AWS_ENDPOINT_URL");
  all.erase("AWS_DEFAULT_REGION");
  step("http://e3", "rk", "cak");
  all.erase("AWS_S3_ENDPOINT");
  step("http://k", "rk", "cak");
  all.erase("STORAGE_CONFIG");
  step("http://p4", "r5", "ca5");
  EXPECT_EQ(url_of(resolve({}, {}, "[default]\nendpoint_url = http://p5\n")), "http://p5");
  all["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  step("https://s3.r5.amazonaws.com", "r5", "ca5");
}

TEST(S3Endpoint, ProfileChosenByName) {
  const std::string profiles = "[profile a]\nregion = ra\n[profile b]\nregion = rb\n";
  EXPECT_EQ(resolve({.profile = "b"}, {{"AWS_PROFILE", "a"}}, profiles).region, "rb");
  EXPECT_EQ(resolve({}, {{"AWS_PROFILE", "a"}}, profiles).region, "ra");
}

TEST(S3Endpoint, WrittenWithoutAScheme) {
  // OpenShift AI's dashboard accepts such endpoints.
  EXPECT_EQ(url_of(resolve({.endpoint = "minio.svc:9000"}, {})), "https://minio.svc:9000");
  EXPECT_EQ(url_of(resolve({.endpoint = "127.0.0.1:9000"}, {})), "http://127.0.0.1:9000");
  EXPECT_EQ(url_of(resolve({.endpoint = "localhost:9000/"}, {})), "http://localhost:9000");
  EXPECT_EQ(url_of(resolve({.endpoint = "http://minio.svc:9000//"}, {})), "http://minio.svc:9000");
}

TEST(S3Endpoint, MalformedOnesNameTheirOrigin) {
  for (const char* text : {"ftp://x", "http://", "http://user:pw@host", "http://a b"}) {
    try {
      resolve({}, {{"AWS_ENDPOINT_URL", text}});
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::usage);
      EXPECT_NE(std::string(e.what()).find("AWS_ENDPOINT_URL"), std::string::npos);
      EXPECT_EQ(std::string(e.what()).find("pw"), std::string::npos);
    }
  }
  EXPECT_THROW(resolve({.endpoint = "https://models.s3.eu-west-1.amazonaws.com"}, {}), Error);
  EXPECT_NO_THROW(
      resolve({.endpoint = "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"}, {}));
  for (const char* region : {"a/b", "a b", "evil.com#", "x\r\ny"})
    EXPECT_THROW(resolve({.region = region}, {}), Error) << region;
}

TEST(S3Endpoint, AmazonIsKnownByItsHostNames) {
  struct Row {
    const char* endpoint;
    bool aws;
    const char* region;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"https://s3.amazonaws.com", true, "us-east-1"},
           {"https://s3.eu-west-1.amazonaws.com", true, "eu-west-1"},
           {"https://s3-eu-west-1.amazonaws.com", true, "eu-west-1"},
           {"https://s3.dualstack.eu-west-1.amazonaws.com", true, "eu-west-1"},
           {"https://s3-fips.us-gov-west-1.amazonaws.com", true, "us-gov-west-1"},
           {"https://s3.cn-north-1.amazonaws.com.cn", true, "cn-north-1"},
           {"https://s3-accelerate.amazonaws.com", false, "us-east-1"},
           {"https://s3-website-us-west-2.amazonaws.com", false, "us-east-1"},
           {"https://s3.eu-west-1.amazonaws.com:8443", false, "eu-west-1"},
           {"https://s3.eu-west-1.example.com", false, "us-east-1"},
           {"https://s3.evilamazonaws.com", false, "us-east-1"}}) {
    const Endpoint e = resolve({.endpoint = row.endpoint}, {});
    EXPECT_EQ(e.aws, row.aws) << row.endpoint;
    EXPECT_EQ(e.region, row.region) << row.endpoint;
  }
}

TEST(S3Endpoint, AnotherRegionChangesTheHostOnlyOnAmazon) {
  const auto moved = [](const char* endpoint, const char* region) {
    return in_region(resolve({.endpoint = endpoint}, {}), region);
  };
  EXPECT_EQ(url_of(moved("https://s3.amazonaws.com", "eu-west-1")),
            "https://s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(url_of(moved("https://s3.dualstack.us-east-1.amazonaws.com", "eu-west-1")),
            "https://s3.dualstack.eu-west-1.amazonaws.com");
  const Endpoint minio = moved("http://minio:9000", "eu-west-1");
  EXPECT_EQ(url_of(minio), "http://minio:9000");
  EXPECT_EQ(minio.region, "eu-west-1");
  // The name comes from an answer: it must not make another host of it.
  for (const char* evil : {"evil.com/", "evil.com", "a@b", "x y", ""}) {
    EXPECT_EQ(url_of(moved("https://s3.us-east-1.amazonaws.com", evil)),
              "https://s3.us-east-1.amazonaws.com");
  }
}

TEST(S3Addressing, VirtualHostsOnAmazonPathsElsewhere) {
  const auto url = [](const char* endpoint, const char* bucket, const char* style = "") {
    const Endpoint e = resolve({.endpoint = endpoint, .addressing = style}, {});
    return object_url(e, bucket, "a b/c", {}).text();
  };
  const char* aws = "https://s3.eu-west-1.amazonaws.com";
  EXPECT_EQ(url(aws, "models"), "https://models.s3.eu-west-1.amazonaws.com/a%20b/c");
  // A dot would not match the wildcard certificate; upper case cannot be a host.
  EXPECT_EQ(url(aws, "my.models"), "https://s3.eu-west-1.amazonaws.com/my.models/a%20b/c");
  EXPECT_EQ(url(aws, "Models"), "https://s3.eu-west-1.amazonaws.com/Models/a%20b/c");
  EXPECT_EQ(url(aws, "models", "path"), "https://s3.eu-west-1.amazonaws.com/models/a%20b/c");
  EXPECT_EQ(url("http://minio:9000", "models"), "http://minio:9000/models/a%20b/c");
  EXPECT_EQ(url("http://minio:9000", "models", "virtual"), "http://models.minio:9000/a%20b/c");
  EXPECT_EQ(url("https://host/base/", "models"), "https://host/base/models/a%20b/c");
  EXPECT_THROW(url(aws, "models", "sideways"), Error);
  EXPECT_EQ(resolve({}, {}, "[default]\ns3 =\n  addressing_style = path\n").addressing,
            Addressing::path);
  EXPECT_EQ(resolve({}, {{"S3_USER_VIRTUAL_BUCKET", "true"}}).addressing, Addressing::virtual_host);
}

TEST(S3Addressing, BucketUrlsAndQueries) {
  const Endpoint aws = resolve({}, {});
  EXPECT_EQ(object_url(aws, "models", "", {{"uploads", ""}}).text(),
            "https://models.s3.us-east-1.amazonaws.com/?uploads=");
  const Endpoint minio = resolve({.endpoint = "http://minio:9000"}, {});
  EXPECT_EQ(object_url(minio, "models", "", {{"prefix", "a b"}, {"list-type", "2"}}).text(),
            "http://minio:9000/models?list-type=2&prefix=a%20b");
  EXPECT_EQ(object_url(minio, "models", "/../x//y", {}).path, "/models//../x//y");
}

TEST(S3Addressing, BucketNames) {
  for (const char* good : {"abc", "my.bucket-1", "Old_Bucket", "123"})
    EXPECT_NO_THROW(check_bucket_name(good)) << good;
  for (const char* bad : {"", "ab", "-abc", "abc-", "a..b", "a/b", "a b", "a?b", "a@b", "münchen"})
    EXPECT_THROW(check_bucket_name(bad), Error) << bad;
  EXPECT_THROW(check_bucket_name(std::string(64, 'a')), Error);
}

TEST(S3Sts, EndpointOfTheTokenService) {
  const auto url = [](Variables variables, std::string_view profiles = "") {
    Profiles parsed;
    parse_profiles(profiles, false, "config", parsed);
    return sts_endpoint("default", "eu-west-1", aws_environment(std::move(variables)), parsed)
        .text();
  };
  EXPECT_EQ(url({}), "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(url({{"AWS_ENDPOINT_URL_STS", "https://rgw:8443"}, {"AWS_ENDPOINT_URL", "http://x"}}),
            "https://rgw:8443/");
  EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "http://minio:9000"}}), "http://minio:9000/");
  // Amazon's S3 does not answer for STS.
  EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "https://s3.eu-west-1.amazonaws.com"}}),
            "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(url({{"AWS_ENDPOINT_URL_S3", "http://minio:9000"}}),
            "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(url({}, "[default]\nservices = s\n[services s]\nsts =\n  endpoint_url = http://sts\n"),
            "http://sts/");
}

TEST(S3Sso, EndpointOfTheSignOnService) {
  const auto at = [](test::Variables variables, const std::string& region = "eu-west-1") {
    return sso_endpoint("p", region, test::aws_environment(std::move(variables)), {}).origin();
  };
  EXPECT_EQ(at({}), "https://portal.sso.eu-west-1.amazonaws.com");
  EXPECT_EQ(at({}, "cn-north-1"), "https://portal.sso.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(at({{"AWS_ENDPOINT_URL", "https://s3.example"}}),
            "https://portal.sso.eu-west-1.amazonaws.com")
      << "that is where S3 is";
  EXPECT_EQ(at({{"AWS_ENDPOINT_URL_SSO", "https://sso.example"}}), "https://sso.example");
  EXPECT_THROW(at({}, "evil.example/"), Error);
}

TEST(StorageConfig, OneEntryOrAMapOfThem) {
  const auto one = parse_storage_config(
      R"({"type":"s3","access_key_id":"AK","secret_access_key":"SK","endpoint_url":"http://m:9000",
          "bucket":"models","region":"eu","verify_ssl":"0"})",
      "test");
  ASSERT_EQ(one.size(), 1U);
  const Settings& s = one.at("");
  EXPECT_EQ(s.access_key_id, "AK");
  EXPECT_EQ(s.secret_access_key.reveal(), "SK");
  EXPECT_EQ(s.endpoint, "http://m:9000");
  EXPECT_EQ(s.bucket, "models");
  EXPECT_EQ(s.verify_tls, false);
  // As the secret `storage-config` has them: each value is the text of an entry.
  const auto many = parse_storage_config(
      R"({"a":"{\"type\":\"s3\",\"bucket\":\"b1\",\"anonymous\":\"True\"}",
          "b":{"type":"s3","bucket":"b2"},"c":{"type":"gs"}})",
      "test");
  ASSERT_EQ(many.size(), 2U);
  EXPECT_EQ(many.at("a").bucket, "b1");
  EXPECT_TRUE(many.at("a").anonymous);
  EXPECT_EQ(many.at("b").bucket, "b2");
}

TEST(StorageConfig, WhatCannotBeReadIsNotQuoted) {
  for (const char* text : {"SECRET", "[1]", R"({"type":"s3","secret_access_key":"SECRET"})",
                           R"({"type":"s3","endpoint_url":{"x":"SECRET"}})", R"({"a":"SECRET"})"}) {
    try {
      parse_storage_config(text, "STORAGE_CONFIG");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::usage);
      EXPECT_EQ((std::string(e.what()) + e.hint()).find("SECRET"), std::string::npos);
    }
  }
}

TEST(StorageConfig, OverridesAndDefaultBucket) {
  const Variables variables{{"STORAGE_CONFIG", R"({"type":"s3","bucket":"one","region":"r"})"},
                            {"STORAGE_OVERRIDE_CONFIG", R"({"bucket":"two"})"}};
  EXPECT_EQ(default_bucket({}, aws_environment(variables)), "two");
  Variables with_name = variables;
  with_name["AWS_S3_BUCKET"] = "three";
  EXPECT_EQ(default_bucket({}, aws_environment(with_name)), "three");
  EXPECT_EQ(default_bucket({.bucket = "four"}, aws_environment(with_name)), "four");
  EXPECT_EQ(default_bucket({}, aws_environment(Variables{})), std::nullopt);
  EXPECT_TRUE(resolve({}, {{"awsAnonymousCredential", "true"}}).anonymous);
  // Keys that are given are meant to be used.
  EXPECT_FALSE(resolve({.access_key_id = "AK"}, {{"awsAnonymousCredential", "true"}}).anonymous);
}

}  // namespace
}  // namespace dray::s3
