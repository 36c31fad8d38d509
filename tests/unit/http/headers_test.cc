#include "dray/http/headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dray/base/time.h"

namespace dray::http {
namespace {

using std::chrono::seconds;

TEST(HttpHeaders, NamesCompareWithoutCase) {
  Headers headers;
  headers.add("Link", "a");
  headers.add("X", "x");
  headers.add("LINK", "b");
  EXPECT_EQ(headers.get("link"), "a");
  EXPECT_EQ(headers.all("lInK"), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(headers.has("Lin"));
  EXPECT_EQ(headers.get("Links"), std::nullopt);
  headers.set("link", "c");
  EXPECT_EQ(headers.all("Link"), std::vector<std::string>{"c"});
  headers.remove("LINK");
  EXPECT_FALSE(headers.has("link"));
  ASSERT_EQ(headers.fields().size(), 1U);
  EXPECT_EQ(headers.fields()[0].first, "X");
}

TEST(HttpHeaders, ContentRange) {
  const auto range = parse_content_range("bytes 5-9/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->range, (ByteRange{5, 5}));
  EXPECT_EQ(range->total, 100U);
  const auto unknown = parse_content_range(" Bytes  0-0/* ");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->range, (ByteRange{0, 1}));
  EXPECT_EQ(unknown->total, std::nullopt);
  const auto huge = parse_content_range("bytes 0-18446744073709551613/18446744073709551614");
  ASSERT_TRUE(huge);
  EXPECT_EQ(huge->range.end(), 18446744073709551614U);
}

TEST(HttpHeaders, RefusesMalformedContentRanges) {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "5-9/100",
                           "bytes5-9/100",
                           "items 5-9/100",
                           "bytes 5-9",
                           "bytes */100",
                           "bytes 9-5/100",
                           "bytes 5-100/100",
                           "bytes 5-9/9",
                           "bytes -5/100",
                           "bytes 5-/100",
                           "bytes 5-9/",
                           "bytes 5/9-100",
                           "bytes 0x5-9/100",
                           "bytes +5-9/100",
                           "bytes 5-9/100,",
                           "bytes 5 -9/100",
                           "bytes 5-9/1e3",
                           "bytes 0-18446744073709551615/*",
                           "bytes 0-18446744073709551616/*",
                           "bytes 5-9/99999999999999999999999"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

struct Expected {
  std::string target, rel;
};

void expect_links(const std::string& text, const std::vector<Expected>& expected) {
  const std::vector<Link> links = parse_link(text);
  ASSERT_EQ(links.size(), expected.size()) << text;
  for (std::size_t i = 0; i < links.size(); ++i) {
    EXPECT_EQ(links[i].target, expected[i].target) << text;
    EXPECT_EQ(links[i].rel, expected[i].rel) << text;
  }
}

TEST(HttpHeaders, Links) {
  expect_links("<https://h/a?x=1,2;3>; rel=\"next\"", {{"https://h/a?x=1,2;3", "next"}});
  expect_links("</a>;rel=prev,</b> ; title=\"x, <y>; \\\" rel=z\" ; REL = Next",
               {{"/a", "prev"}, {"/b", "next"}});
  expect_links("</a>, </b>; rel; rel=\"x\"", {{"/a", ""}, {"/b", ""}});
  expect_links("</x>; rel=\"xet-auth\", </y>; rel=\"xet-reconstruction-info\"",
               {{"/x", "xet-auth"}, {"/y", "xet-reconstruction-info"}});
  expect_links("<>;rel=next", {{"", "next"}});
  expect_links("</a>; rel=\"last next\"", {{"/a", "last next"}});
}

TEST(HttpHeaders, MalformedLinksEndTheList) {
  expect_links("", {});
  expect_links("next", {});
  expect_links("</a", {});
  expect_links(",, ,", {});
  expect_links("</a>; rel=next, </b", {{"/a", "next"}});
  expect_links("</a>; rel=next, </b>; rel=\"open", {{"/a", "next"}});
  expect_links("</a>; rel=next </b>; rel=x", {});
  expect_links("</a> rel=next", {});
  expect_links("</a>; rel=\"open\\", {});
  std::string many;
  for (int i = 0; i < 500; ++i) many += "</a>;rel=x,";
  EXPECT_EQ(parse_link(many).size(), 100U);
}

TEST(HttpHeaders, RetryAfter) {
  EXPECT_EQ(parse_retry_after("0"), seconds(0));
  EXPECT_EQ(parse_retry_after(" 120 "), seconds(120));
  EXPECT_EQ(parse_retry_after("3601"), seconds(3600));
  EXPECT_EQ(parse_retry_after("99999999999999999999999999"), seconds(3600));
  const auto later = parse_retry_after(http_date(unix_now() + 100));
  ASSERT_TRUE(later);
  EXPECT_GT(*later, seconds(60));
  EXPECT_LE(*later, seconds(100));
  EXPECT_EQ(parse_retry_after(http_date(unix_now() + 1'000'000)), seconds(3600));
  EXPECT_EQ(parse_retry_after(http_date(unix_now() - 100)), seconds(0));
  for (const char* text :
       {"", "-1", "1.5", "soon", "1 s", "+1", "0x10", "Fri, 99 Foo 2026 12:34:56 GMT"})
    EXPECT_FALSE(parse_retry_after(text)) << text;
}

TEST(HttpHeaders, RateLimit) {
  const auto empty = parse_rate_limit("\"api\";r=0;t=37");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->remaining, 0U);
  EXPECT_EQ(empty->reset, seconds(37));
  const auto several = parse_rate_limit("\"a;r=9\";r=50;t=30, b ; t=5 ; r=2, \"c\";r=2;t=7");
  ASSERT_TRUE(several);
  EXPECT_EQ(several->remaining, 2U);
  EXPECT_EQ(several->reset, seconds(7));
  EXPECT_EQ(parse_rate_limit("\"a\";r=1")->reset, seconds(0));
  EXPECT_EQ(parse_rate_limit("\"a\";r=0;t=999999999999")->reset, seconds(3600));
  for (const char* text : {"", ",", "\"api", "\"api\"", "\"api\";t=1", "\"api\";r=x",
                           "\"api\";r=-1", ";;;", "\"a\" \"b\""})
    EXPECT_FALSE(parse_rate_limit(text)) << text;
}

TEST(HttpHeaders, BareEtags) {
  EXPECT_EQ(bare_etag("\"abc-2\""), "abc-2");
  EXPECT_EQ(bare_etag("W/\"abc\""), "abc");
  EXPECT_EQ(bare_etag(" abc "), "abc");
  EXPECT_EQ(bare_etag("\""), "\"");
  EXPECT_EQ(bare_etag("\"\""), "");
  EXPECT_EQ(bare_etag(""), "");
}

TEST(HttpHeaders, RequestIdsAreCleanAndInOrder) {
  Headers headers;
  EXPECT_EQ(request_id(headers), "");
  headers.add("x-amz-cf-id", "cf");
  EXPECT_EQ(request_id(headers), "cf");
  headers.add("X-AMZ-REQUEST-ID", "amz");
  EXPECT_EQ(request_id(headers), "amz");
  headers.add("x-request-id", "\x1B[31m\x7F" + std::string(1000, 'a'));
  EXPECT_EQ(request_id(headers).substr(0, 5), "[31ma");
  EXPECT_EQ(request_id(headers).size(), 128U);
}

}  // namespace
}  // namespace dray::http
