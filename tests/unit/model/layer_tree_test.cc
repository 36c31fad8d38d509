#include "dray/model/layer_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "dray/base/error.h"
#include "tests/support/errors.h"

namespace dray {
namespace {

using tar::Entry;
using tar::EntryType;
using test::error_of;

/// A file whose size tells it from others.
Entry file(std::string path, std::uint64_t size) {
  return {.path = std::move(path), .size = size, .data_offset = size * 512};
}
Entry folder(std::string path) { return {.path = std::move(path), .type = EntryType::folder}; }
Entry symlink(std::string path, std::string target) {
  return {.path = std::move(path), .type = EntryType::symlink, .link_target = std::move(target)};
}
Entry hardlink(std::string path, std::string target) {
  return {.path = std::move(path), .type = EntryType::hardlink, .link_target = std::move(target)};
}
Entry gone(std::string path) { return {.path = std::move(path)}; }

using Layers = std::vector<std::vector<Entry>>;

ModelTree merged(const Layers& layers, std::string_view root = "models") {
  LayerTree tree;
  for (const auto& layer : layers) tree.add_layer(layer);
  return tree.files_below(root);
}

/// "path" → size; the layers and offsets are checked against it.
std::map<std::string, std::uint64_t> files(const Layers& layers, std::string_view root = "models") {
  std::map<std::string, std::uint64_t> found;
  for (const auto& entry : merged(layers, root).files) {
    EXPECT_EQ(entry.data_offset, entry.size * 512) << entry.path;
    EXPECT_TRUE(found.emplace(entry.path, entry.size).second) << entry.path;
  }
  return found;
}

using Files = std::map<std::string, std::uint64_t>;

/// Why the only entry that was left out was.
std::string skipped(const Layers& layers, std::string_view path) {
  const auto tree = merged(layers);
  EXPECT_EQ(tree.skipped.size(), 1U);
  if (tree.skipped.empty()) return "";
  EXPECT_EQ(tree.skipped[0].path, path);
  return tree.skipped[0].reason;
}

TEST(LayerTree, ListsFilesOfTheModelSortedWithTheirPlace) {
  const auto tree = merged({{folder("models/"), file("models/b", 2), file("etc/passwd", 9)},
                            {folder("./models"), file("./models/a/x", 3), file("/models/a-", 4)}});
  EXPECT_EQ(tree.files,
            (std::vector<TreeFile>{{"a-", 4, 1, 2048}, {"a/x", 3, 1, 1536}, {"b", 2, 0, 1024}}));
  EXPECT_TRUE(tree.skipped.empty());
}

TEST(LayerTree, NothingThereIsNoError) {
  EXPECT_TRUE(files({}).empty());
  EXPECT_TRUE(files({{file("models2/x", 1), file("x", 2)}}).empty());
  EXPECT_TRUE(files({{file("models", 1)}}).empty());
}

TEST(LayerTree, AnEmptyRootIsTheWholeImage) {
  EXPECT_EQ(files({{folder("./"), file("./config.json", 1), file("sub/x", 2)}}, ""),
            (Files{{"config.json", 1}, {"sub/x", 2}}));
}

TEST(LayerTree, LaterEntriesWin) {
  EXPECT_EQ(files({{file("models/x", 1), file("models/y", 2)}, {file("models/x", 3)}}),
            (Files{{"x", 3}, {"y", 2}}));
  EXPECT_EQ(files({{file("models/x", 1), file("./models//x", 2)}}), (Files{{"x", 2}}));
  EXPECT_EQ(merged({{file("models/x", 1)}, {}, {file("models/x", 3)}}).files.at(0).layer, 2U);
}

TEST(LayerTree, WhiteoutsHideFilesAndFolders) {
  const std::vector<Entry> base = {file("models/a", 1), file("models/d/x", 2),
                                   file("models/d/e/y", 3), file("models/d-", 4)};
  EXPECT_EQ(files({base, {gone("models/.wh.a")}}), (Files{{"d/x", 2}, {"d/e/y", 3}, {"d-", 4}}));
  EXPECT_EQ(files({base, {gone("models/.wh.d")}}), (Files{{"a", 1}, {"d-", 4}}));
  EXPECT_EQ(files({base, {gone("models/d/.wh.e")}}), (Files{{"a", 1}, {"d/x", 2}, {"d-", 4}}));
  EXPECT_EQ(files({base, {gone("models/.wh.nothing")}}).size(), 4U);
  EXPECT_TRUE(files({base, {gone(".wh.models")}}).empty());
}

TEST(LayerTree, OpaqueFoldersHideWhatIsInThem) {
  const std::vector<Entry> base = {file("models/a", 1), file("models/d/x", 2),
                                   file("models/d/e/y", 3), file("models/d-", 4)};
  EXPECT_EQ(files({base, {gone("models/d/.wh..wh..opq"), file("models/d/new", 5)}}),
            (Files{{"a", 1}, {"d-", 4}, {"d/new", 5}}));
  EXPECT_TRUE(files({base, {gone("models/.wh..wh..opq")}}).empty());
  EXPECT_TRUE(files({base, {gone(".wh..wh..opq")}}).empty());
  EXPECT_EQ(files({base, {gone("models/a/.wh..wh..opq"), gone("models/.wh..wh.plnk")}}).size(), 4U);
}

TEST(LayerTree, WhiteoutsHideLowerLayersOnlyWhereverTheyStand) {
  for (const bool first : {false, true}) {
    for (const char* mark : {"models/.wh.x", "models/.wh..wh..opq", ".wh.models"}) {
      std::vector<Entry> upper = {file("models/x", 5), file("models/y/z", 6)};
      upper.insert(first ? upper.begin() : upper.end(), gone(mark));
      const auto found = files({{file("models/x", 1)}, upper});
      EXPECT_EQ(found, (Files{{"x", 5}, {"y/z", 6}})) << mark << first;
    }
  }
  // And what a higher layer brings back is there.
  EXPECT_EQ(files({{file("models/x", 1)}, {gone("models/.wh.x")}, {file("models/x", 3)}}),
            (Files{{"x", 3}}));
}

TEST(LayerTree, AFileTakesThePlaceOfAFolderAndTheOtherWayRound) {
  EXPECT_EQ(files({{file("models/d/x", 1), file("models/d/e/y", 2), file("models/d-", 3)},
                   {file("models/d", 4)}}),
            (Files{{"d", 4}, {"d-", 3}}));
  EXPECT_EQ(files({{file("models/d", 1)}, {folder("models/d/")}}), (Files{}));
  EXPECT_EQ(files({{file("models/d", 1)}, {file("models/d/x", 2)}}), (Files{{"d/x", 2}}));
  EXPECT_EQ(files({{file("models", 1)}, {file("models/x", 2)}}), (Files{{"x", 2}}));
  // A folder that is stated again keeps what is in it.
  EXPECT_EQ(files({{folder("models/d"), file("models/d/x", 1)}, {folder("models/d")}}),
            (Files{{"d/x", 1}}));
  EXPECT_EQ(files({{file("models/d/x", 1)}, {symlink("models/d", "e"), file("models/e", 2)}}),
            (Files{{"d", 2}, {"e", 2}}));
}

TEST(LayerTree, HardLinksAreTheFileThatWasThere) {
  EXPECT_EQ(files({{file("models/a", 1), hardlink("models/b", "models/a")}}),
            (Files{{"a", 1}, {"b", 1}}));
  EXPECT_EQ(files({{file("models/a", 1)}, {hardlink("./models/b", "/models/a")}}),
            (Files{{"a", 1}, {"b", 1}}));
  // What happens to the first name later does not matter.
  EXPECT_EQ(files({{file("models/a", 1), hardlink("models/b", "models/a"), file("models/a", 2)},
                   {gone("models/.wh.a")}}),
            (Files{{"b", 1}}));
  // Files elsewhere in the image count; chains of links too.
  EXPECT_EQ(files({{file("blobs/a", 1), hardlink("blobs/b", "blobs/a"),
                    hardlink("models/c", "blobs/b")}}),
            (Files{{"c", 1}}));
  const auto tree = merged({{file("models/a", 1)}, {hardlink("models/b", "models/a")}});
  EXPECT_EQ(tree.files.at(1).layer, 0U);
}

TEST(LayerTree, HardLinksToNothingHideWhatTheyReplace) {
  const Layers layers = {{file("models/b", 1)}, {hardlink("models/b", "models/none")}};
  EXPECT_TRUE(files(layers).empty());
  EXPECT_EQ(skipped(layers, "b"), "is a hard link to 'models/none', which is not there");
  EXPECT_EQ(skipped({{file("d/x", 1), hardlink("models/b", "d")}}, "b"),
            "is a hard link to 'd', which is a folder");
  // A later file is no help: unpacking would fail there too.
  EXPECT_EQ(skipped({{hardlink("models/b", "a"), file("a", 1)}}, "b"),
            "is a hard link to 'a', which is not there");
}

TEST(LayerTree, SymbolicLinksToFilesOfTheModelAreThoseFiles) {
  EXPECT_EQ(files({{file("models/d/x", 1), symlink("models/a", "d/x"),
                    symlink("models/d/b", "../d/./x"), symlink("models/c", "/models/d/x"),
                    symlink("models/e", "a"), symlink("models/f", "../../../models/a")}}),
            (Files{{"d/x", 1}, {"a", 1}, {"d/b", 1}, {"c", 1}, {"e", 1}, {"f", 1}}));
  // The target is looked up when all layers are there.
  EXPECT_EQ(files({{symlink("models/a", "x"), file("models/x", 1)}, {file("models/x", 2)}}),
            (Files{{"a", 2}, {"x", 2}}));
  EXPECT_EQ(
      files({{symlink("models/a", "x"), hardlink("models/b", "models/a"), file("models/x", 1)}}),
      (Files{{"a", 1}, {"b", 1}, {"x", 1}}));
  EXPECT_EQ(files({{symlink("models/a", "d/x"), symlink("models/d", "e"), file("models/e/x", 1)}}),
            (Files{{"a", 1}, {"e/x", 1}}));
}

TEST(LayerTree, OtherSymbolicLinksAreLeftOutWithAReason) {
  EXPECT_EQ(skipped({{symlink("models/a", "/etc/passwd"), file("etc/passwd", 1)}}, "a"),
            "points to '/etc/passwd', which is outside the model's folder");
  EXPECT_EQ(skipped({{symlink("models/a", "../models2/x"), file("models2/x", 1)}}, "a"),
            "points to '../models2/x', which is outside the model's folder");
  EXPECT_EQ(skipped({{symlink("models/a", "none\n")}}, "a"),
            "points to 'none?', which is not there");
  EXPECT_EQ(skipped({{symlink("models/a", "d"), file("models/d/x", 1)}}, "a"),
            "points to 'd', which is a folder");
  EXPECT_EQ(skipped({{symlink("models/a", "."), file("models/d/x", 1)}}, "a"),
            "points to '.', which is a folder");
  EXPECT_EQ(skipped({{symlink("models/a", "a")}}, "a"),
            "points to 'a', which leads through more than 40 symbolic links");
  EXPECT_EQ(skipped({{{.path = "models/null", .type = EntryType::other}}}, "null"),
            "is a device or pipe");
}

TEST(LayerTree, ChainsOfFortyLinksAreTheLongest) {
  std::vector<Entry> entries = {file("models/l00", 1)};
  for (int i = 1; i <= 41; ++i)
    entries.push_back(symlink(fmt::format("models/l{:02}", i), fmt::format("l{:02}", i - 1)));
  const auto tree = merged({entries});
  EXPECT_EQ(tree.files.size(), 41U);
  ASSERT_EQ(tree.skipped.size(), 1U);
  EXPECT_EQ(tree.skipped[0].path, "l41");
}

TEST(LayerTree, EntriesBelowALinkGoWhereItLeads) {
  EXPECT_EQ(files({{symlink("models", "data/v1")}, {file("models/x", 1), file("data/v1/y", 2)}}),
            (Files{{"x", 1}, {"y", 2}}));
  EXPECT_EQ(files({{file("data/y", 1), symlink("models", "/data")}, {gone("models/.wh.y")}}),
            (Files{}));
  EXPECT_EQ(files({{symlink("models/d", "e"), file("models/e/x", 1), file("models/d/y", 2)}}),
            (Files{{"e/x", 1}, {"e/y", 2}}));
  EXPECT_EQ(
      files({{symlink("models/d", "e"), file("models/e/x", 1)}, {gone("models/d/.wh..wh..opq")}}),
      (Files{}));
  // A whiteout and a file of the link's own name are about the link.
  EXPECT_EQ(files({{symlink("models/d", "e"), file("models/e", 1)}, {gone("models/.wh.d")}}),
            (Files{{"e", 1}}));
  EXPECT_EQ(files({{symlink("models/d", "e"), file("models/e", 1)}, {file("models/d", 2)}}),
            (Files{{"d", 2}, {"e", 1}}));
  EXPECT_EQ(files({{symlink("models/d", "e"), file("models/e/x", 1)},
                   {folder("models/d"), file("models/d/y", 2)}}),
            (Files{{"d/y", 2}, {"e/x", 1}}));
}

TEST(LayerTree, NothingLeadsOutOfTheImage) {
  EXPECT_EQ(files({{symlink("up", "../../../.."), file("up/models/x", 1)}}), (Files{{"x", 1}}));
  EXPECT_EQ(files({{file("models/x", 1), hardlink("models/y", "../../models/x")}}),
            (Files{{"x", 1}, {"y", 1}}));
}

struct Refused {
  const char* title;
  std::vector<Entry> layer;
};

class LayerTreeRefused : public testing::TestWithParam<Refused> {};

TEST_P(LayerTreeRefused, IsMalformed) {
  EXPECT_EQ(error_of([] { merged({GetParam().layer}); }).code(), Code::malformed);
}

INSTANTIATE_TEST_SUITE_P(Entries, LayerTreeRefused,
                         testing::Values(Refused{"DotDot", {file("models/../x", 1)}},
                                         Refused{"DotDotOutside", {file("etc/../x", 1)}},
                                         Refused{"DotDotInWhiteout", {gone("models/../.wh.x")}},
                                         Refused{"WhiteoutOfParent", {gone("models/.wh...")}},
                                         Refused{"ControlCharacter", {file("models/a\x1b[2J", 1)}},
                                         Refused{"SkippedWithControlCharacter",
                                                 {symlink("models/a\n", "x")}},
                                         Refused{"NotUtf8", {file("models/\xff", 1)}},
                                         Refused{"BelowALoop", {symlink("l", "l"), file("l/x", 1)}},
                                         Refused{"RootIsALoop", {symlink("models", "models")}},
                                         Refused{"TooDeep",
                                                 {file(
                                                     [] {
                                                       std::string path = "x";
                                                       for (int i = 0; i < 512; ++i)
                                                         path = "d/" + path;
                                                       return path;
                                                     }(),
                                                     1)}},
                                         Refused{"TooLongOnceLinksAreFollowed",
                                                 {symlink("l", std::string(2048, 'a')),
                                                  file("l/" + std::string(2048, 'b'), 1)}}),
                         [](const auto& param) { return std::string(param.param.title); });

TEST(LayerTree, LimitsAreOfAllLayersTogether) {
  const auto build = [](LayerTreeLimits limits) {
    LayerTree tree(limits);
    tree.add_layer({file("models/a", 1), symlink("l", "models")});
    tree.add_layer({file("l/b", 1)});
    return tree.files_below().files.size();
  };
  EXPECT_EQ(build({.entries = 3}), 2U);
  EXPECT_EQ(error_of([&] { build({.entries = 2}); }).code(), Code::malformed);
  // 8 bytes, 1 and its target's 6, and 8 for what "l/b" leads to.
  EXPECT_EQ(build({.name_bytes = 23}), 2U);
  EXPECT_EQ(error_of([&] { build({.name_bytes = 22}); }).code(), Code::malformed);
}

}  // namespace
}  // namespace dray
