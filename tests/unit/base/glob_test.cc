#include "dray/base/glob.h"

#include <gtest/gtest.h>

namespace dray {
namespace {

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

void expect(std::initializer_list<Case> cases) {
  for (const auto& c : cases)
    EXPECT_EQ(glob_match(c.pattern, c.path), c.matches) << c.pattern << " on " << c.path;
}

TEST(GlobMatch, StarsAndQuestionMarksCrossFolders) {
  expect({{"*.json", "a/b.json", true},
          {"data/*.json", "data/x/y.json", true},
          {"**", "a/b/c", true},
          {"a?c", "a/c", true},
          {"*", "", true},
          {"", "", true},
          {"", "a", false},
          {"?", "", false},
          {"*.safetensors", "model.safetensors.index.json", false},
          {"model-*-of-*.safetensors", "model-00001-of-00002.safetensors", true},
          {"a*b*c", "aXbYbZc", true},
          {"a*b*c", "aXbYbZ", false}});
}

TEST(GlobMatch, IsCaseSensitiveAndWhole) {
  expect({{"readme.md", "README.md", false},
          {"README", "README.md", false},
          {"config.json", "sub/config.json", false}});
}

TEST(GlobMatch, FolderPatternsTakeEverythingBelow) {
  expect({{"onnx/", "onnx/model.onnx", true},
          {"onnx/", "onnx/a/b", true},
          {"onnx/", "x/onnx/a", false},
          {"onnx\\", "onnx/a", true}});
}

TEST(GlobMatch, BackslashIsASlashAndNeverEscapes) {
  expect({{"a\\b", "a/b", true},
          {"a/b", "a\\b", true},
          {"\\*", "*", false},
          {"\\*", "/anything", true},
          {"[\\]", "/", true}});
}

TEST(GlobMatch, Sets) {
  expect({{"[abc].bin", "b.bin", true},
          {"[abc].bin", "d.bin", false},
          {"[!abc].bin", "d.bin", true},
          {"[!abc].bin", "a.bin", false},
          {"[a-c]x", "bx", true},
          {"[a-c]x", "dx", false},
          {"[c-a]", "b", false},  // an empty range
          {"[!c-a]", "b", true},
          {"[-a]", "-", true},
          {"[a-]", "-", true},
          {"[a-c-e]", "-", true},  // the second - is itself
          {"[a-c-e]", "d", false},
          {"[a-c-e]", "e", true},
          {"[]]", "]", true},
          {"[!]]", "]", false},
          {"[!]]", "a", true},
          {"[]a]", "a", true},
          {"[^a]", "^", true},  // ^ does not negate
          {"[*]", "*", true},
          {"[*]", "x", false},
          {"x[/]y", "x/y", true}});
}

TEST(GlobMatch, AnUnclosedSetIsText) {
  expect({{"[abc", "[abc", true},
          {"[abc", "a", false},
          {"[!", "[!", true},
          {"[]", "[]", true},
          {"a[", "a[", true},
          {"[!][]", "a", true}});
}

TEST(GlobMatch, CountsCharactersNotBytes) {
  expect({{"?", "é", true},
          {"??", "é", false},
          {"[à-ü]", "é", true},
          {"[!é]", "é", false},
          {"?", "\xF0\x9F\x99\x82", true},
          {"?", "\xFF", true},
          {"\xFF*", "\xFF\xFE", true},
          {"é", "\xC3", false}});
}

TEST(GlobMatch, HostilePatternsEnd) {
  // A matcher that tries all splits would need more steps than there are atoms.
  std::string pattern, path(1024, 'a');
  for (int i = 0; i < 500; ++i) pattern += "*a";
  EXPECT_TRUE(glob_match(pattern, path));
  EXPECT_FALSE(glob_match(pattern + "b", path));
  EXPECT_FALSE(glob_match(std::string(1024, '[') + "*b", path));
  EXPECT_FALSE(glob_match("*[!a]" + pattern, path));
}

TEST(GlobSelects, AnyIncludeAndNoExclude) {
  EXPECT_TRUE(glob_selects({}, {}, "a.bin"));
  EXPECT_FALSE(glob_selects({}, {"*.bin"}, "a.bin"));
  EXPECT_TRUE(glob_selects({"*.json", "*.bin"}, {}, "a.bin"));
  EXPECT_FALSE(glob_selects({"*.json"}, {}, "a.bin"));
  EXPECT_FALSE(glob_selects({"*.bin"}, {"a*"}, "a.bin")) << "exclude wins";
}

}  // namespace
}  // namespace dray
