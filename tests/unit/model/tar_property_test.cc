// Random layers: what is planned is what is written, and what is written is what is read.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "dray/model/image_path.h"
#include "dray/model/layer_tree.h"
#include "dray/model/tar_header.h"
#include "dray/model/tar_reader.h"
#include "dray/model/tar_writer.h"
#include "tests/support/random.h"
#include "tests/support/tar_archives.h"

namespace dray::tar {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) {
  return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

std::string random_name(Random& random) {
  static const std::vector<std::string> parts = {"a", "B",  "-", ".",     "x y",
                                                 "ö", "模", "0", "config"};
  // Lengths around those where a header's name and a block end.
  static const std::vector<std::size_t> lengths = {1, 2, 5, 20, 90, 99, 100, 101, 180, 250};
  const std::size_t length = lengths[below(random, lengths.size())];
  std::string name;
  while (name.size() < length) name += parts[below(random, parts.size())];
  if (name.find_first_not_of('.') == std::string::npos) name += "x";
  return name;
}

std::vector<Member> random_members(Random& random) {
  std::vector<std::string> folders = {"models"};
  std::map<std::string, std::uint64_t> members;
  static const std::vector<std::uint64_t> sizes = {0, 1, 511, 512, 513, 1024, 5000};
  for (std::size_t i = below(random, 30); i-- > 0;) {
    const std::string& folder = folders[below(random, folders.size())];
    const std::string path = folder + "/" + random_name(random);
    if (path.size() > 1000 || members.contains(path) ||
        std::find(folders.begin(), folders.end(), path) != folders.end())
      continue;
    if (below(random, 4) == 0)
      folders.push_back(path);
    else
      members[path] = sizes[below(random, sizes.size())];
  }
  std::vector<Member> list;
  for (const auto& [path, size] : members) list.push_back({path, size});
  std::shuffle(list.begin(), list.end(), random);
  return list;
}

std::string written(const LayerPlan& plan, const std::vector<Member>& members) {
  std::string out;
  for (const auto& piece : plan.pieces) {
    EXPECT_EQ(piece.offset, out.size());
    EXPECT_NE(piece.literal.empty(), !piece.member.has_value());
    out += as_text(piece.member ? test::pattern(members[*piece.member].size, *piece.member)
                                : piece.literal);
  }
  EXPECT_EQ(out.size(), plan.size);
  return out;
}

TEST(TarProperty, WhatIsPlannedIsWhatIsRead) {
  auto random = test::generator(41);
  for (int round = 0; round < 300; ++round) {
    const auto members = random_members(random);
    const auto folders = parent_folders(members);
    const auto plan = plan_layer(members, folders, {.mtime = below(random, 1U << 31)});
    EXPECT_EQ(plan.size % kBlock, 0U);
    const std::string archive = written(plan, members);

    std::map<std::string, Entry> found;
    std::vector<std::string> order;
    for (const auto& entry : test::entries_of(archive)) {
      order.push_back(image_path(entry.path));
      EXPECT_TRUE(found.emplace(order.back(), entry).second) << entry.path;
    }
    ASSERT_EQ(found.size(), members.size() + folders.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      const Entry& entry = found.at(members[i].path);
      EXPECT_EQ(entry.type, EntryType::file);
      EXPECT_EQ(entry.size, members[i].size);
      EXPECT_EQ(entry.data_offset, plan.data_offsets[i]);
      EXPECT_EQ(std::string_view(archive).substr(entry.data_offset, entry.size),
                as_text(test::pattern(entry.size, i)));
    }
    for (const auto& folder : folders) EXPECT_EQ(found.at(folder).type, EntryType::folder);
    // A folder stands before what is in it.
    for (std::size_t i = 0; i < order.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        EXPECT_FALSE(order[k].starts_with(order[i] + "/")) << order[i];

    // The order of the list changes nothing.
    auto other = members;
    std::shuffle(other.begin(), other.end(), random);
    const auto again = plan_layer(other, folders);
    EXPECT_EQ(again.size, plan.size);
  }
}

TEST(TarProperty, TheTreeOfALayerIsItsMembers) {
  auto random = test::generator(42);
  for (int round = 0; round < 300; ++round) {
    // Two layers; a file wins over a folder of its name and the other way round.
    LayerTree tree;
    std::map<std::string, TreeFile> model;
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const auto members = random_members(random);
      const auto plan = plan_layer(members, parent_folders(members));
      tree.add_layer(test::entries_of(written(plan, members)));
      for (std::size_t i = 0; i < members.size(); ++i) {
        const std::string path = members[i].path.substr(7);
        std::erase_if(model, [&](const auto& item) {
          return item.first.starts_with(path + "/") || path.starts_with(item.first + "/");
        });
        model[path] = {path, members[i].size, layer, plan.data_offsets[i]};
      }
    }
    std::vector<TreeFile> expected;
    for (const auto& item : model) expected.push_back(item.second);
    const auto found = tree.files_below();
    EXPECT_EQ(found.files, expected);
    EXPECT_TRUE(found.skipped.empty());
  }
}

}  // namespace
}  // namespace dray::tar
