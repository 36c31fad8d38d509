#include "dray/store/oci_layers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dray/model/tar_reader.h"
#include "tests/support/random.h"

namespace dray {
namespace {

constexpr LayerRules kRules{.most = 10, .large = 1'000};

/// The object's bytes, where file i is filled with the letter 'a' + i.
std::string content(const PackedObject& object, const std::vector<FileToStore>& files) {
  std::string out;
  for (const auto& piece : object.pieces) {
    if (const auto* literal = std::get_if<std::shared_ptr<const Buffer>>(&piece))
      out += as_text(**literal);
    else
      out += std::string(files[std::get<std::size_t>(piece)].size,
                         static_cast<char>('a' + std::get<std::size_t>(piece) % 26));
  }
  return out;
}

/// How many of its pieces are other objects.
std::size_t others_in(const PackedObject& object) {
  return static_cast<std::size_t>(
      std::count_if(object.pieces.begin(), object.pieces.end(),
                    [](const auto& piece) { return std::holds_alternative<WholeObject>(piece); }));
}

std::vector<tar::Entry> entries(const std::string& archive) {
  return tar::scan(
      archive.size(),
      [&](ByteRange range) {
        const Bytes bytes = as_bytes(std::string_view(archive).substr(range.offset, range.length));
        return Buffer(bytes.begin(), bytes.end());
      },
      "layer");
}

/// Every file is in one layer, whole, at the place that the plan says.
void expect_all(const std::vector<PackedObject>& objects, const std::vector<FileToStore>& files) {
  std::set<std::size_t> seen;
  for (const auto& object : objects) {
    const std::string archive = content(object, files);
    ASSERT_EQ(archive.size(), object.spec.size);
    std::set<std::string> paths;
    for (const auto& entry : entries(archive))
      if (entry.type == tar::EntryType::file) paths.insert(entry.path);
    EXPECT_EQ(paths.size(), object.files.size());
    std::uint64_t before = 0;
    for (const auto& place : object.files) {
      EXPECT_TRUE(seen.insert(place.file).second);
      EXPECT_TRUE(paths.contains("models/" + files[place.file].path));
      EXPECT_GT(place.offset, before) << "in order";
      before = place.offset;
      EXPECT_EQ(archive.substr(place.offset, files[place.file].size),
                std::string(files[place.file].size, static_cast<char>('a' + place.file % 26)));
    }
  }
  EXPECT_EQ(seen.size(), files.size());
}

TEST(OciLayers, TheCardSmallFilesAndEachLargeFileHaveALayer) {
  const std::vector<FileToStore> files = {
      {"model-2.safetensors", 5'000, ""}, {"config.json", 10, ""},  {"README.md", 20, ""},
      {"model-1.safetensors", 9'000, ""}, {"sub/empty.txt", 0, ""}, {"sub/a.json", 3, ""}};
  const auto objects = pack_modelcar("p/", files, kRules);
  ASSERT_EQ(objects.size(), 4u);
  expect_all(objects, files);
  EXPECT_EQ(objects[0].label, "model-1.safetensors") << "the largest first";
  std::set<std::string> keys;
  for (const auto& object : objects) keys.insert(object.spec.key);
  EXPECT_EQ(keys.size(), 4u);
}

TEST(OciLayers, DoNotDependOnTheOrderOfTheList) {
  std::vector<FileToStore> files = {{"b.safetensors", 2'000, ""},
                                    {"a.safetensors", 2'000, ""},
                                    {"z.json", 1, ""},
                                    {"y.json", 2, ""}};
  const auto layer_with = [](const std::vector<FileToStore>& list, const std::string& path) {
    for (const auto& object : pack_modelcar("p/", list, kRules))
      for (const auto& place : object.files)
        if (list[place.file].path == path) return object.spec.key;
    return std::string();
  };
  std::vector<FileToStore> other(files.rbegin(), files.rend());
  for (const auto& file : files)
    EXPECT_EQ(layer_with(files, file.path), layer_with(other, file.path));
}

TEST(OciLayers, ThereAreNeverTooMany) {
  for (std::size_t shards : {1u, 7u, 8u, 9u, 16u, 17u, 163u}) {
    std::vector<FileToStore> files = {{"README.md", 5, ""}, {"config.json", 5, ""}};
    for (std::size_t i = 0; i < shards; ++i)
      files.push_back({"model-" + std::to_string(1000 + i) + ".safetensors", 1'000 + i, ""});
    const auto objects = pack_modelcar("p/", files, kRules);
    EXPECT_LE(objects.size(), 10u) << shards;
    expect_all(objects, files);
  }
}

TEST(OciLayers, RandomFilesAllArrive) {
  std::mt19937_64 random = test::generator(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<FileToStore> files;
    const auto count = random() % 30 + 1;
    for (std::size_t i = 0; i < count; ++i)
      files.push_back({(random() % 2 == 0 ? "" : "dir" + std::to_string(random() % 3) + "/") +
                           std::string(random() % 120 + 1, 'n') + std::to_string(i),
                       random() % 3'000, ""});
    expect_all(pack_modelcar("p/", files, kRules), files);
  }
}

TEST(OciLayers, AModelPackHasABlobForEachFile) {
  const std::vector<FileToStore> files = {{"b", 1, std::string(64, 'b')}, {"a", 9, ""}};
  const auto objects = pack_modelpack("p/", files);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].spec.key, "p/a");
  EXPECT_TRUE(objects[0].is_file());
  EXPECT_EQ(objects[1].spec.sha256, std::string(64, 'b'));
}

TEST(OciLayers, WhatDoesNotFitIntoALayerAtOnceComesBeforeIt) {
  const auto shard = [](int i, FileToStore::Fits fits) {
    return FileToStore{fmt::format("model-{}.safetensors", i), 5'000, "", fits};
  };
  std::vector<FileToStore> files;
  for (int i = 0; i < 4; ++i) files.push_back(shard(i, FileToStore::Fits::alone));
  for (const auto& object : pack_modelcar("p/", files, kRules))
    EXPECT_EQ(others_in(object), 0u) << "each has a layer of its own";
  const auto shared = pack_modelcar("p/", files, {.most = 2, .large = 1'000});
  ASSERT_EQ(shared.size(), 6u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(shared[i].role, PackedObject::Role::help);
    EXPECT_TRUE(shared[i].is_file());
    EXPECT_EQ(shared[i].rank, 0);
  }
  for (std::size_t i = 4; i < 6; ++i) {
    EXPECT_EQ(shared[i].role, PackedObject::Role::files);
    EXPECT_EQ(others_in(shared[i]), 2u);
    EXPECT_EQ(shared[i].rank, 1);
  }
  files = {shard(0, FileToStore::Fits::whole),
           {"config.json", 10, "", FileToStore::Fits::anywhere}};
  const auto mixed = pack_modelcar("p/", files, kRules);
  ASSERT_EQ(mixed.size(), 3u);
  EXPECT_EQ(others_in(mixed[1]), 1u);
  EXPECT_EQ(others_in(mixed[2]), 0u) << "the configuration's layer";
}

TEST(OciLayers, BothFormsAreOneOfFilesAndOneMadeOfIt) {
  const std::vector<FileToStore> files = {{"config.json", 10}, {"m.safetensors", 5'000}, {"e", 0}};
  const auto objects = pack_both("p/", files, kRules);
  ASSERT_EQ(objects.size(), 5u);
  std::size_t others = 0;
  for (const auto& object : objects) {
    const bool is_layer = object.role == PackedObject::Role::again;
    EXPECT_EQ(object.rank, is_layer ? 1 : 0);
    if (is_layer) others += others_in(object);
  }
  EXPECT_EQ(others, 3u);
}

}  // namespace
}  // namespace dray
