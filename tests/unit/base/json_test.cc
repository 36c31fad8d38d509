#include "dray/base/json.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray {
namespace {

/// The message of the error, or "" if there was none.
template <typename F>
std::string refusal(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::malformed);
    EXPECT_NE(std::string(e.what()).find("the test"), std::string::npos) << e.what();
    return e.message();
  }
  return "";
}

std::string refusal_of(std::string_view text, JsonLimits limits = {}) {
  return refusal([&] { parse_json(text, "the test", limits); });
}

TEST(JsonText, ParsesEveryKindOfValue) {
  const Json value = parse_json(
      R"({"a": [1, -2, 3.5, true, false, null, "x"], "b": {"c": {}, "d": []}, "e": "é\u00e9\ud83d\ude42"})",
      "t");
  EXPECT_EQ(value["a"].size(), 7U);
  EXPECT_EQ(value["a"][1].get<int>(), -2);
  EXPECT_TRUE(value["a"][5].is_null());
  EXPECT_TRUE(value["b"]["c"].is_object());
  EXPECT_TRUE(value["b"]["d"].is_array());
  EXPECT_EQ(value["e"], "éé\xF0\x9F\x99\x82");
  EXPECT_EQ(parse_json("18446744073709551615", "t").get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parse_json("\"only text\"", "t"), "only text");
  EXPECT_EQ(parse_json(" [ [1] , [2,[3]] , {\"k\":[4]} ] ", "t").dump(),
            R"([[1],[2,[3]],{"k":[4]}])");
}

TEST(JsonText, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(refusal_of(R"({"a":1,"a":1})"), "duplicate key \"a\"");
  EXPECT_EQ(refusal_of(R"([{"x":{"a":1,"b":2,"a":3}}])"), "duplicate key \"a\"");
  EXPECT_EQ(refusal_of(R"({"a":1,"\u0061":2})"), "duplicate key \"a\"")
      << "escapes make no difference";
  EXPECT_EQ(refusal_of(R"([{"a":1},{"a":1}])"), "");
}

TEST(JsonText, LimitsSizeAndDepth) {
  EXPECT_EQ(refusal_of("[[[]]]", {.depth = 3}), "");
  EXPECT_EQ(refusal_of("[[[[]]]]", {.depth = 3}), "nested more than 3 levels deep");
  EXPECT_EQ(refusal_of(R"({"a":{"a":{"a":{}}}})", {.depth = 3}), "nested more than 3 levels deep");
  EXPECT_EQ(refusal_of(std::string(10'000'000, '[')), "nested more than 64 levels deep");
  EXPECT_EQ(refusal_of("[1]", {.bytes = 3}), "");
  EXPECT_EQ(refusal_of("[12]", {.bytes = 3}), "4 bytes of JSON, the limit is 3");
}

TEST(JsonText, RefusesWhatIsNotJson) {
  for (const char* bad :
       {"", "{", "[1,]", "{\"a\":1,}", "[1] 2", "{} {}", "{'a':1}", "NaN", "[01]", "[1e999]",
        "\"\xFF\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"a\nb\"", "\"\\ud800\"", "[1]//c", "nul"})
    EXPECT_NE(refusal_of(bad), "") << bad;
  EXPECT_NE(refusal_of(std::string_view("[1]\0", 4)), "");
}

TEST(JsonText, DumpsNeverThrow) {
  Json value;
  value["k"] = "bad \xFF byte";
  EXPECT_EQ(dump_json(value), "{\"k\":\"bad \xEF\xBF\xBD byte\"}");
  EXPECT_EQ(dump_json_pretty(Json{{"b", 1}, {"a", 2}}), "{\n  \"a\": 2,\n  \"b\": 1\n}\n");
}

TEST(JsonGetters, GiveWhatIsThere) {
  const Json value = parse_json(R"({"s":"x","n":7,"o":{},"a":[],"t":true,"z":null})", "t");
  EXPECT_EQ(get_string(value, "s", "t"), "x");
  EXPECT_EQ(get_u64(value, "n", "t"), 7U);
  EXPECT_TRUE(get_object(value, "o", "t").is_object());
  EXPECT_TRUE(get_array(value, "a", "t").is_array());
  EXPECT_EQ(find_string(value, "s", "t"), "x");
  EXPECT_EQ(find_u64(value, "n", "t"), 7U);
  EXPECT_EQ(find_bool(value, "t", "t"), true);
  EXPECT_EQ(find_string(value, "z", "t"), std::nullopt);
  EXPECT_EQ(find_u64(value, "absent", "t"), std::nullopt);
  EXPECT_EQ(find_bool(value, "absent", "t"), std::nullopt);
  EXPECT_EQ(get_u64(Json{{"n", 5}}, "n", "t"), 5U) << "values set by code are signed";
}

TEST(JsonGetters, NameTheFieldAndTheProblem) {
  const Json value = parse_json(R"({"s":"x","n":-7,"f":1.0,"t":true,"z":null})", "t");
  const auto on = [&](auto getter, const char* key) {
    return refusal([&] { getter(value, key, "the test"); });
  };
  EXPECT_EQ(on(get_string, "q"), "\"q\" is missing");
  EXPECT_EQ(on(get_string, "z"), "\"z\" is missing");
  EXPECT_EQ(on(get_string, "t"), "\"t\" must be a string, not boolean");
  EXPECT_EQ(on(get_object, "s"), "\"s\" must be an object, not string");
  EXPECT_EQ(on(get_array, "s"), "\"s\" must be an array, not string");
  EXPECT_EQ(on(find_bool, "s"), "\"s\" must be true or false, not string");
  for (const char* key : {"n", "f", "s", "t"})
    EXPECT_NE(on(get_u64, key).find("whole number"), std::string::npos) << key;
  EXPECT_EQ(on(find_u64, "n"), on(get_u64, "n"));
  EXPECT_EQ(refusal([] { get_u64(Json::array(), "n", "the test"); }),
            "expected an object that has \"n\"");
}

}  // namespace
}  // namespace dray
