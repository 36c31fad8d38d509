#include "dray/http/excerpt.h"

#include <gtest/gtest.h>

#include <string>

namespace dray::http {
namespace {

std::string excerpt(const std::string& body, const std::string& type = "") {
  Response response;
  response.body = body;
  if (!type.empty()) response.headers.add("Content-Type", type);
  return body_excerpt(response);
}

TEST(HttpExcerpt, TakesTheServersOwnWords) {
  EXPECT_EQ(excerpt(R"({"error":"Repository not found"})"), "Repository not found");
  EXPECT_EQ(excerpt(R"( {"code":"x","message":"bad \"name\""})"), "bad \"name\"");
  EXPECT_EQ(excerpt(R"({"error":{"message":"deep","code":3}})"), "deep");
  EXPECT_EQ(excerpt(R"({"errors":[{"code":"DENIED","message":"no pull"}]})"), "no pull");
  EXPECT_EQ(excerpt(R"({"detail":"unprocessable"})"), "unprocessable");
  EXPECT_EQ(
      excerpt(
          "<?xml version=\"1.0\"?><Error><Code>A</Code><Message>a &amp;lt; b</Message></Error>"),
      "a &lt; b");
  EXPECT_EQ(excerpt("  Bad Gateway\n"), "Bad Gateway");
  EXPECT_EQ(excerpt(""), "");
}

TEST(HttpExcerpt, JsonWithoutAMessageIsShownAsText) {
  EXPECT_EQ(excerpt(R"({"status":"down"})"), R"({"status":"down"})");
  EXPECT_EQ(excerpt(R"({"error":5,"message":null,"errors":[]})"),
            R"({"error":5,"message":null,"errors":[]})");
  EXPECT_EQ(excerpt(R"({"error":"cut of)"), R"({"error":"cut of)");
  EXPECT_EQ(excerpt(R"({"errors":["plain"]})"), R"({"errors":["plain"]})");
}

TEST(HttpExcerpt, NeverShowsHtml) {
  const std::string expected = "an HTML page came instead, perhaps a login page or proxy";
  EXPECT_EQ(excerpt("anything", "text/html; charset=utf-8"), expected);
  EXPECT_EQ(excerpt("", "Text/HTML"), expected);
  EXPECT_EQ(excerpt("\n <!DOCTYPE HTML><html>"), expected);
  EXPECT_EQ(excerpt("<HTML><body>"), expected);
  EXPECT_EQ(excerpt("<html", "application/json"), expected);
}

TEST(HttpExcerpt, FindsTheCode) {
  const auto code = [](const std::string& body) { return body_code({.body = body}); };
  EXPECT_EQ(code("<Error><Code>SlowDown</Code></Error>"), "SlowDown");
  EXPECT_EQ(code(R"({"errors":[{"code":"DENIED"}]})"), "DENIED");
  EXPECT_EQ(code(R"({"code":"NotFound"})"), "NotFound");
  EXPECT_EQ(code(R"({"code":5})"), "");
  EXPECT_EQ(code("<Code>open"), "");
  EXPECT_EQ(code("<Code>" + std::string(500, 'x') + "</Code>").size(), 64U);
  EXPECT_EQ(code("text"), "");
}

TEST(HttpExcerpt, IsSafeForATerminal) {
  EXPECT_EQ(clean_text("a\x1B[31mb\x07\x7F"), "a[31mb");
  EXPECT_EQ(clean_text("  a\r\n\t b \v"), "a b");
  EXPECT_EQ(clean_text(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(clean_text("caf\xC3\xA9 \xE6\xA8\xA1 \xF0\x9F\x98\x80"),
            "caf\xC3\xA9 \xE6\xA8\xA1 \xF0\x9F\x98\x80");
  EXPECT_EQ(clean_text("a\xC2\x9B"
                       "31mb"),
            "a31mb");  // a C1 control
  EXPECT_EQ(clean_text("a\xE2\x80\xAE"
                       "b\xE2\x81\xA6"
                       "c"),
            "abc");  // direction marks
  EXPECT_EQ(clean_text("a\xFF\xC3(\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80z\xE2\x80"), "a(z");
}

TEST(HttpExcerpt, IsShortAndNotCutInsideACharacter) {
  EXPECT_EQ(clean_text(std::string(1000, 'x')).size(), 300U);
  EXPECT_EQ(clean_text("aa\xC3\xA9", 3), "aa");
  EXPECT_EQ(clean_text("aa b", 3), "aa");
  EXPECT_EQ(clean_text("aa b", 4), "aa b");
  EXPECT_EQ(excerpt(R"({"error":")" + std::string(1000, 'x') + "\"}").size(), 300U);
}

}  // namespace
}  // namespace dray::http
