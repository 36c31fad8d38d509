#include "dray/oci/reference.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/errors.h"

namespace dray::oci {
namespace {

using test::error_of;

const std::string kDigest = "sha256:" + std::string(60, '0') + "beef";

Error refusal(const std::string& text) {
  return error_of([&] { parse_reference(text); });
}

TEST(OciReference, PartsAreReadAndWrittenBack) {
  const Reference all = parse_reference("oci://Quay.IO:8443/org/sub/name:V1.0_a-b@" + kDigest);
  EXPECT_EQ(all.host, "quay.io:8443");
  EXPECT_EQ(all.repository, "org/sub/name");
  EXPECT_EQ(all.tag, "V1.0_a-b");
  EXPECT_EQ(all.digest, kDigest);
  EXPECT_FALSE(all.plain_http);
  EXPECT_EQ(all.last_part(), "name");
  EXPECT_EQ(all.text(), "oci://quay.io:8443/org/sub/name:V1.0_a-b@" + kDigest);
  EXPECT_EQ(all.api_host(), "quay.io:8443");
  EXPECT_EQ(all.auth_key(), "quay.io:8443");
  EXPECT_EQ(all.url().text(), "https://quay.io:8443/");
  EXPECT_EQ(parse_reference(all.text()), all);

  const Reference bare = parse_reference("oci://registry/name");
  EXPECT_EQ(bare.host, "registry");
  EXPECT_EQ(bare.repository, "name");
  EXPECT_EQ(bare.tag + bare.digest, "");
  EXPECT_EQ(bare.text(), "oci://registry/name");
  EXPECT_EQ(parse_reference("oci://registry/name@" + kDigest).digest, kDigest);
  EXPECT_EQ(parse_reference("oci://registry:443/name").host, "registry:443");
}

TEST(OciReference, DockerHub) {
  for (const char* host : {"docker.io", "index.docker.io", "registry-1.docker.io"}) {
    const Reference one = parse_reference("oci://" + std::string(host) + "/busybox:1.36");
    EXPECT_EQ(one.host, host);
    EXPECT_EQ(one.repository, "library/busybox");
    EXPECT_EQ(one.api_host(), "registry-1.docker.io");
    EXPECT_EQ(one.url().text(), "https://registry-1.docker.io/");
    EXPECT_EQ(one.auth_key(), "https://index.docker.io/v1/");
    EXPECT_EQ(parse_reference(one.text()), one);
  }
  EXPECT_EQ(parse_reference("oci://docker.io/org/name").repository, "org/name");
  EXPECT_EQ(parse_reference("oci://notdocker.io/busybox").repository, "busybox");
}

TEST(OciReference, DockersSchemeTakesNamesWithoutHost) {
  EXPECT_EQ(parse_reference("docker://quay.io/org/name:1").text(), "oci://quay.io/org/name:1");
  EXPECT_EQ(parse_reference("docker://localhost/name").text(), "oci://localhost/name");
  EXPECT_EQ(parse_reference("docker://registry:5000/name").host, "registry:5000");
  EXPECT_EQ(parse_reference("docker://busybox:1.36").text(),
            "oci://docker.io/library/busybox:1.36");
  EXPECT_EQ(parse_reference("docker://org/name@" + kDigest).text(),
            "oci://docker.io/org/name@" + kDigest);
  // Elsewhere the first part is the host, whatever it looks like.
  EXPECT_EQ(parse_reference("oci://org/name").host, "org");
}

TEST(OciReference, PlainHttpOnThisMachineOrWhereItIsSpelledOut) {
  for (const char* host :
       {"localhost", "localhost:5000", "127.0.0.1:80", "127.8.9.1", "[::1]:5000", "[::1]"}) {
    const Reference local = parse_reference("oci://" + std::string(host) + "/a");
    EXPECT_TRUE(local.plain_http) << host;
    EXPECT_EQ(local.text(), "oci://" + std::string(host) + "/a");
    EXPECT_EQ(local.url().scheme, "http");
    const Reference secure = parse_reference("oci+https://" + std::string(host) + "/a");
    EXPECT_FALSE(secure.plain_http);
    EXPECT_EQ(secure.text(), "oci+https://" + std::string(host) + "/a");
    EXPECT_EQ(parse_reference(secure.text()), secure);
  }
  for (const char* host : {"localhost.example", "128.0.0.1", "registry:80", "[fe80::1]:5000"}) {
    EXPECT_FALSE(parse_reference("oci://" + std::string(host) + "/a").plain_http) << host;
    const Reference plain = parse_reference("oci+http://" + std::string(host) + "/a");
    EXPECT_TRUE(plain.plain_http);
    EXPECT_EQ(plain.url().scheme, "http");
    EXPECT_EQ(plain.text(), "oci+http://" + std::string(host) + "/a");
  }
  EXPECT_EQ(parse_reference("oci+https://quay.io/a").text(), "oci://quay.io/a");
}

TEST(OciReference, NamesFollowTheDistributionSpecification) {
  for (const char* name :
       {"a", "0", "a.b", "a_b", "a__b", "a-b", "a----b", "a/b/c", "a.b_c-d/e__f", "7b-instruct"})
    EXPECT_TRUE(is_repository(name)) << name;
  for (const char* name :
       {"",   "/",    "a/",   "/a",   "a//b", ".a", "a.",  "a..b", "_a",  "a_", "a___b", "-a",
        "a-", "a.-b", "a_-b", "a-_b", "A",    "aB", "a b", "a:b",  "a@b", "ä",  "a/.b",  "a%2fb"})
    EXPECT_FALSE(is_repository(name)) << name;
  EXPECT_TRUE(is_tag("_1.0-RC"));
  EXPECT_TRUE(is_tag(std::string(128, 'a')));
  for (const std::string& tag : {std::string(), std::string(".a"), std::string("-a"),
                                 std::string("a+b"), std::string("a/b"), std::string(129, 'a')})
    EXPECT_FALSE(is_tag(tag)) << tag;
  EXPECT_TRUE(is_digest(kDigest));
  EXPECT_FALSE(is_digest(kDigest + "0"));
  EXPECT_FALSE(is_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_digest("sha512:" + std::string(64, 'a')));
}

TEST(OciReference, TheWholeNameHasALimit) {
  const std::string host = "registry";
  EXPECT_NO_THROW(parse_reference("oci://registry/" + std::string(246, 'a')));
  EXPECT_EQ(refusal("oci://registry/" + std::string(247, 'a')).code(), Code::usage);
  // Docker Hub's "library/" counts.
  EXPECT_EQ(refusal("oci://docker.io/" + std::string(240, 'a')).code(), Code::usage);
  EXPECT_LT(std::string(refusal("oci://registry/" + std::string(100'000, 'a')).what()).size(),
            500u);
}

TEST(OciReference, UpperCaseIsRefusedWithWhatToWrite) {
  const Error error = refusal("oci://quay.io/Org/Name:V1");
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_NE(error.hint().find("oci://quay.io/org/name:V1"), std::string::npos) << error.hint();
  EXPECT_NE(refusal("docker://quay.io/Org/Name@" + kDigest)
                .hint()
                .find("docker://quay.io/org/name@" + kDigest),
            std::string::npos);
}

TEST(OciReference, WhatIsNoneIsAUsageErrorWithTheForm) {
  for (const std::string text : {"",
                                 "oci",
                                 "oci:/a/b",
                                 "quay.io/a/b",
                                 "http://quay.io/a",
                                 "OCI://quay.io/a",
                                 "oci://",
                                 "oci:///a",
                                 "oci://quay.io",
                                 "oci://quay.io/",
                                 "oci://quay.io/a/",
                                 "oci://quay.io/a:",
                                 "oci://quay.io/a@",
                                 "oci://quay.io/a:b:c",
                                 "oci://quay.io/a:.b",
                                 "oci://quay.io/a@sha256:0",
                                 "oci://quay.io:x/a",
                                 "oci://quay.io:/a",
                                 "oci://quay.io:0/a",
                                 "oci://quay.io:70000/a",
                                 "oci://[::1/a",
                                 "oci://::1/a",
                                 "oci://qu ay.io/a",
                                 "oci://quay.io/a?b",
                                 "oci://quay.io?b/a",
                                 "oci://quay.io#b/a",
                                 "oci://quay.io/a b",
                                 "docker://",
                                 "oci://quay\\.io/a"}) {
    const Error error = refusal(text);
    EXPECT_EQ(error.code(), Code::usage) << text;
    EXPECT_NE(error.hint(), "") << text;
  }
  const Error other = refusal("oci://quay.io/a@sha512:" + std::string(128, 'a'));
  EXPECT_EQ(other.code(), Code::unsupported);
}

TEST(OciReference, APasswordInItIsRefusedAndNotShown) {
  for (const char* text : {"oci://user:hidden@quay.io/a", "oci://user:hidden@quay.io:5000/a",
                           "oci://us:hid/den@q/a", "oci://hidden@quay.io/a:b@sha256:0"}) {
    const Error error = refusal(text);
    EXPECT_EQ(error.code(), Code::usage) << text;
    EXPECT_EQ((std::string(error.what()) + error.hint()).find("hid"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace dray::oci
