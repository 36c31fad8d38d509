#include "dray/oci/auth_file.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "tests/support/errors.h"

namespace dray::oci {
namespace {

using test::error_of;

std::string entry(std::string_view pair) {
  return R"({"auth":")" + to_base64(as_bytes(pair)) + R"("})";
}

Reference reference(const std::string& text) { return parse_reference("oci://" + text); }

/// The user that a file with this text gives for the reference; "none" where there is none.
std::string user_of(const std::string& text, const std::string& of) {
  const auto found = AuthFile(text, "file").stored(reference(of));
  return found ? found->user : "none";
}

std::string auths(const std::string& key, const std::string& pair = "me:pw") {
  return R"({"auths":{")" + key + R"(":)" + entry(pair) + "}}";
}

Error refusal(const std::string& text, const std::string& of = "quay.io/a") {
  return error_of([&] {
    const AuthFile file(text, "~/the.json");
    file.stored(reference(of));
    file.helper(reference(of));
    file.general_helper();
  });
}

TEST(OciAuthFile, KindsOfEntries) {
  const AuthFile file(
      R"({"auths":{"a.example":)" + entry("me:p:w:") + R"(,"b.example":)" +
          entry(std::string_view("me:pw\0\0", 7)) +
          R"(,"c.example":{"username":"u","password":"p","email":"x"},)"
          R"("d.example":{"auth":"bWU6","identitytoken":"it"},)"
          R"("e.example":{"registrytoken":"rt"},"f.example":{},"g.example":null},"other":[1]})",
      "file");
  const auto of = [&](const char* host) {
    return file.stored(reference(host + std::string("/n")));
  };
  EXPECT_EQ(of("a.example")->user, "me");
  EXPECT_EQ(of("a.example")->password.reveal(), "p:w:");
  EXPECT_EQ(of("a.example")->origin, "file");
  EXPECT_EQ(of("b.example")->password.reveal(), "pw");
  EXPECT_EQ(of("c.example")->user, "u");
  EXPECT_EQ(of("c.example")->password.reveal(), "p");
  EXPECT_EQ(of("d.example")->user, "me");
  EXPECT_EQ(of("d.example")->identity_token.reveal(), "it");
  EXPECT_TRUE(of("d.example")->password.empty());
  EXPECT_EQ(of("e.example")->registry_token.reveal(), "rt");
  for (const char* host : {"f.example", "g.example", "h.example"}) EXPECT_FALSE(of(host)) << host;
}

TEST(OciAuthFile, SpellingsOfKeys) {
  for (const char* key :
       {"quay.io", "Quay.io", "https://quay.io", "http://quay.io", "quay.io/", "quay.io/v1/",
        "https://quay.io/v1/", "https://quay.io/v2/", "https://quay.io/v2", "quay.io:443"}) {
    EXPECT_EQ(user_of(auths(key), "quay.io/org/name"), "me") << key;
    EXPECT_EQ(user_of(auths(key), "quay.io:443/org/name"), "me") << key;
  }
  for (const char* key : {"quay.io:5000", "uay.io", "quay", "sub.quay.io", "quay.io.example",
                          "https://", "", "/", "quay.io/or", "quay.io/org/name/sub", "org/name"})
    EXPECT_EQ(user_of(auths(key), "quay.io/org/name"), "none") << key;
  EXPECT_EQ(user_of(auths("quay.io:5000"), "quay.io:5000/a"), "me");
  EXPECT_EQ(user_of(auths("[::1]:5000"), "[::1]:5000/a"), "me");
}

TEST(OciAuthFile, DockerHubsNames) {
  for (const char* key : {"https://index.docker.io/v1/", "docker.io", "index.docker.io",
                          "https://index.docker.io/v2/", "registry-1.docker.io", "docker.io/org"})
    for (const char* host : {"docker.io", "index.docker.io", "registry-1.docker.io"})
      EXPECT_EQ(user_of(auths(key), host + std::string("/org/name")), "me") << key << host;
  EXPECT_EQ(user_of(auths("docker.io/library"), "docker.io/busybox"), "me");
  EXPECT_EQ(user_of(auths("docker.io/other"), "docker.io/busybox"), "none");
}

TEST(OciAuthFile, TheMostSpecificEntryWithCredentialsCounts) {
  const std::string text = R"({"auths":{"quay.io":)" + entry("host:p") + R"(,"quay.io/org":)" +
                           entry("org:p") + R"(,"https://quay.io/org/name":)" + entry("name:p") +
                           R"(,"quay.io/empty/name":{},"quay.io/empty":{"auth":""}}})";
  EXPECT_EQ(user_of(text, "quay.io/org/name"), "name");
  EXPECT_EQ(user_of(text, "quay.io/org/name/deeper"), "name");
  EXPECT_EQ(user_of(text, "quay.io/org/nam"), "org");
  EXPECT_EQ(user_of(text, "quay.io/organisation/name"), "host");
  EXPECT_EQ(user_of(text, "quay.io/empty/name"), "host");
}

TEST(OciAuthFile, ALegacyFileIsTheListItself) {
  const AuthFile file(R"({"https://quay.io/v1/":)" + entry("me:pw") + "}", "~/.dockercfg",
                      AuthFile::Kind::legacy);
  EXPECT_EQ(file.stored(reference("quay.io/a"))->user, "me");
  EXPECT_FALSE(file.general_helper());
}

TEST(OciAuthFile, Helpers) {
  const AuthFile file(
      R"({"credsStore":"desktop","credHelpers":{"quay.io":"q_1.x-y","quay.io/org":"org",)"
      R"("off.example":"","https://index.docker.io/v1/":"hub"}})",
      "file");
  EXPECT_EQ(file.helper(reference("quay.io/a")), "q_1.x-y");
  EXPECT_EQ(file.helper(reference("quay.io/org/a")), "org");
  EXPECT_EQ(file.helper(reference("docker.io/busybox")), "hub");
  EXPECT_EQ(file.helper(reference("off.example/a")), "");
  EXPECT_EQ(file.helper(reference("ghcr.io/a")), std::nullopt);
  EXPECT_EQ(file.general_helper(), "desktop");
  EXPECT_EQ(AuthFile(R"({"credsStore":""})", "file").general_helper(), std::nullopt);
  const std::string longest(64, 'a');
  EXPECT_EQ(AuthFile(R"({"credsStore":")" + longest + "\"}", "file").general_helper(), longest);
  for (const std::string& name :
       {std::string("../x"), std::string("a/b"), std::string("/bin/sh"), std::string("-x"),
        std::string("."), std::string("a b"), std::string("a;b"), std::string("a\\u0000b"),
        std::string("\\u00e4"), longest + "a"}) {
    EXPECT_EQ(refusal(R"({"credsStore":")" + name + "\"}").code(), Code::malformed) << name;
    EXPECT_EQ(refusal(R"({"credHelpers":{"quay.io":")" + name + "\"}}").code(), Code::malformed);
  }
}

TEST(OciAuthFile, EmptyFilesHoldNothing) {
  for (const char* text : {"", " \n", "{}", R"({"auths":null})", "\xEF\xBB\xBF{}"}) {
    const AuthFile file(text, "file");
    EXPECT_FALSE(file.stored(reference("quay.io/a"))) << text;
    EXPECT_FALSE(file.helper(reference("quay.io/a")));
    EXPECT_FALSE(file.general_helper());
  }
}

TEST(OciAuthFile, WhatCannotBeReadIsMalformedAndNamed) {
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("\"x\""), std::string(R"({"auths":[]})"),
        std::string(R"({"auths":"x"})"), std::string(R"({"credHelpers":["x"]})"),
        std::string(R"({"credsStore":1})"), std::string(R"({"credHelpers":{"quay.io":1}})"),
        std::string(R"({"auths":{"quay.io":"bWU6aGlkZGVu"}})"),
        std::string(R"({"auths":{"quay.io":{"auth":1}}})"),
        std::string(R"({"auths":{"quay.io":{"auth":"aGlkZGVu"}}})"),   // no colon
        std::string(R"({"auths":{"quay.io":{"auth":"me:hidden"}}})"),  // not base64
        "{\"auths\":{}}" + std::string(1 << 20, ' '),
        std::string(17, '[') + std::string(17, ']')}) {
    const Error error = refusal(text);
    EXPECT_EQ(error.code(), Code::malformed) << text.substr(0, 100);
    EXPECT_NE(std::string(error.what()).find("~/the.json"), std::string::npos) << error.what();
    EXPECT_EQ((error.what() + error.hint()).find("hidden"), std::string::npos);
    EXPECT_EQ((error.what() + error.hint()).find("aGlkZGVu"), std::string::npos);
  }
  // A broken entry of another registry is none of our business.
  EXPECT_EQ(user_of(R"({"auths":{"other.example":{"auth":"?"},"quay.io":)" + entry("me:pw") + "}}",
                    "quay.io/a"),
            "me");
}

}  // namespace
}  // namespace dray::oci
