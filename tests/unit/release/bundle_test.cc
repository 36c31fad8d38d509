#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dray/base/file.h"
#include "dray/release/bundle_create.h"
#include "dray/release/bundle_load.h"
#include "dray/release/bundle_open.h"
#include "dray/store/bundle_layout.h"
#include "dray/store/dir_store.h"
#include "dray/store/volume_store.h"
#include "tests/support/errors.h"
#include "tests/support/tar_archives.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/release/release_fixture.h"

namespace dray::test {
namespace {

namespace fs = std::filesystem;
const std::stop_token kGo;
const std::string kWeights = "model-data/tiny/1.0.0/model-00001-of-00002.safetensors";

struct BundleTest : ReleaseFixture {
  BundleTest() { import(); }

  BundlePlan plan(const std::string& reference = "tiny:1.0.0", std::vector<Since> since = {}) {
    return plan_bundle(store, {parse_reference(reference)}, since, kGo);
  }
  BundleRequest to_write() { return {&store, kDefaultTemplate, request.transfer}; }
  BundleResult folder(const fs::path& path, const BundlePlan& what) {
    return create_bundle_folder(to_write(), what, path, progress, kGo);
  }
  BundleResult archive(const fs::path& path, const BundlePlan& what, std::uint64_t split = 0) {
    return create_bundle_archive(to_write(), what, path, split, progress, kGo);
  }
  fs::path at(const char* name) const { return temp.path() / name; }

  std::vector<ImportResult> load(const fs::path& path, Store& into) {
    const OpenBundle bundle = open_bundle(path, kGo);
    ImportRequest wanted = request;
    wanted.store = &into;
    wanted.registry = nullptr;
    wanted.name = wanted.version = "";
    BundleLoad load = plan_bundle_load(bundle, wanted, progress, kGo);
    std::vector<ImportResult> results;
    for (std::size_t i = 0; i < load.releases.size(); ++i)
      results.push_back(run_bundle_load(load, i, progress, kGo));
    return results;
  }

  /// The next version: other weights in one shard.
  void import_next() {
    source.add("model-00002-of-00002.safetensors", pattern(900, 9));
    source.origin.commit = std::string(40, 'b');
    import();
  }

  TempFolder temp;
  Progress progress;
};

TEST_F(BundleTest, AFolderIsAStoreOfTheReleases) {
  EXPECT_TRUE(folder(at("b"), plan()).changed);
  DirStore read(at("b"));
  const auto manifest = find_manifest(read, "tiny", "1.0.0", kGo);
  ASSERT_TRUE(manifest);
  EXPECT_TRUE(
      verify_release(read, *manifest, kDefaultTemplate, false, request.transfer, progress, kGo)
          .problems.empty());
  EXPECT_FALSE(folder(at("b"), plan()).changed);
}

TEST_F(BundleTest, TheSameIdInEveryForm) {
  const std::string id = folder(at("b"), plan()).record.id;
  EXPECT_EQ(archive(at("b.tar"), plan()).record.id, id);
  EXPECT_EQ(archive(at("c.tar"), plan(), 700).record.id, id);
  for (const char* name : {"b", "b.tar", "b.tar.json", "c.tar", "c.tar.000", "c.tar.json"})
    EXPECT_EQ(open_bundle(at(name), kGo).record.id, id) << name;
}

TEST_F(BundleTest, LoadedItIsTheSameReleaseOfTheSameOrigin) {
  folder(at("b"), plan());
  archive(at("b.tar"), plan());
  archive(at("c.tar"), plan(), 611);
  for (const char* name : {"b", "b.tar", "c.tar"}) {
    MemoryStore inside{{.part_size = 1'000}};
    const auto results = load(at(name), inside);
    ASSERT_EQ(results.size(), 1u) << name;
    EXPECT_TRUE(results[0].changed) << name;
    const auto outside = find_manifest(store, "tiny", "1.0.0", kGo);
    EXPECT_EQ(results[0].manifest.root_digest, outside->root_digest) << name;
    EXPECT_EQ(results[0].manifest.origin, outside->origin) << name;
    EXPECT_EQ(results[0].manifest.lineage["copied_from"]["store"], store.properties().uri) << name;
    expect_intact(inside, source, results[0].manifest);
    EXPECT_FALSE(load(at(name), inside)[0].changed) << name;
  }
}

TEST_F(BundleTest, WrongBytesInTheStoreNeverBecomeABundle) {
  store.plant(kWeights, std::string(4'300, 'x'));
  EXPECT_EQ(error_of([&] { folder(at("b"), plan()); }).code(), Code::verification);
  EXPECT_FALSE(fs::exists(at("b") / ".dray" / "bundle.json"));
  EXPECT_FALSE(fs::exists(at("b") / ".dray" / "releases"));
  const Error error = error_of([&] { archive(at("b.tar"), plan(), 700); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("model-00001-of-00002.safetensors"), std::string::npos);
  for (const char* name : {"b.tar", "b.tar.000", "b.tar.json"}) EXPECT_FALSE(fs::exists(at(name)));
}

TEST_F(BundleTest, WrongBytesInABundleAreNeverLoadedAndTheVolumeIsNamed) {
  archive(at("b.tar"), plan(), 1'000);
  const auto key = find_manifest(store, "tiny", "1.0.0", kGo);
  // One bit in the middle of the weights; the first bytes of the volume tell nothing here.
  BundleRecord index = parse_bundle_record(*read_file(at("b.tar.json")), "index");
  for (std::size_t i = 0; i < index.volumes->list.size(); ++i) {
    const fs::path volume = at("b.tar").string() + index.volumes->suffix(i);
    const std::string bytes = *read_file(volume);
    const std::size_t found = bytes.find(std::string(
        as_text(Bytes(source.bytes("model-00001-of-00002.safetensors")).subspan(2'000, 50))));
    if (found == std::string::npos) continue;
    std::string wrong = bytes;
    wrong[found] ^= 1;
    std::ofstream(volume, std::ios::binary) << wrong;
    MemoryStore inside{{.part_size = 1'000}};
    const Error error = error_of([&] { load(at("b.tar"), inside); });
    EXPECT_EQ(error.code(), Code::verification);
    EXPECT_NE(std::string(error.what()).find(volume.filename().string()), std::string::npos);
    EXPECT_FALSE(find_manifest(inside, "tiny", "1.0.0", kGo));
    return;
  }
  FAIL() << "the weights were not found";
}

TEST_F(BundleTest, AFileThatIsWrongInAFolderIsNeverLoaded) {
  folder(at("b"), plan());
  std::ofstream(at("b") / kWeights, std::ios::binary) << std::string(4'300, 'x');
  MemoryStore inside{{.part_size = 1'000}};
  EXPECT_EQ(error_of([&] { load(at("b"), inside); }).code(), Code::verification);
  EXPECT_FALSE(find_manifest(inside, "tiny", "1.0.0", kGo));
  EXPECT_EQ(verify_bundle(open_bundle(at("b"), kGo), request.transfer, progress, kGo).size(), 1u);
}

TEST_F(BundleTest, AManifestThatTheRecordDoesNotStateIsRefused) {
  folder(at("b"), plan());
  const fs::path path = at("b") / ".dray/releases/tiny/1.0.0.json";
  std::string text = *read_file(path);
  text.replace(text.find("hf://org/tiny"), 13, "hf://org/fake");
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(error_of([&] { open_bundle(at("b"), kGo); }).code(), Code::verification);
}

TEST_F(BundleTest, LinksInAFolderAreNotFollowed) {
  folder(at("b"), plan());
  const fs::path folder = at("b") / "model-data/tiny/1.0.0";
  fs::rename(folder / "config.json", at("config.json"));
  fs::create_symlink(at("config.json"), folder / "config.json");
  EXPECT_EQ(error_of([&] { open_bundle(at("b"), kGo); }).code(), Code::malformed);
  fs::remove(folder / "config.json");
  fs::rename(at("config.json"), folder / "config.json");
  EXPECT_EQ(open_bundle(at("b"), kGo).manifests.size(), 1u);
  fs::rename(folder, at("moved"));
  fs::create_directory_symlink(at("moved"), folder);
  EXPECT_EQ(error_of([&] { open_bundle(at("b"), kGo); }).code(), Code::malformed);
}

TEST_F(BundleTest, AllThatIsMissingIsNamedAtOnce) {
  archive(at("b.tar"), plan(), 1'000);
  fs::remove(at("b.tar.001"));
  fs::resize_file(at("b.tar.002"), 999);
  fs::rename(at("b.tar.003"), at("x"));
  fs::rename(at("b.tar.004"), at("b.tar.003"));
  fs::rename(at("x"), at("b.tar.004"));
  const std::string what = error_of([&] { open_bundle(at("b.tar"), kGo); }).what();
  for (const char* part : {"volume 2 of", "is missing", "volume 3 of", "has 999 bytes, 1000",
                           "b.tar.003) holds the bytes of volume 5"})
    EXPECT_NE(what.find(part), std::string::npos) << what;
}

TEST_F(BundleTest, WhatIsLeftOutIsTakenFromTheStoreAndMustBeThere) {
  const auto first = archive(at("one.tar"), plan()).record;
  import_next();
  const BundlePlan next = plan("tiny:1.0.1", {{first, "one.tar"}});
  EXPECT_EQ(next.record.files_here(), 1u);
  archive(at("two.tar"), next, 700);
  folder(at("two"), next);
  for (const char* name : {"two", "two.tar"}) {
    MemoryStore inside{{.part_size = 1'000}};
    const Error error = error_of([&] { load(at(name), inside); });
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_NE(std::string(error.what()).find("one.tar (tiny:1.0.0; " + first.id), std::string::npos)
        << error.what();
    EXPECT_TRUE(inside.keys("").empty()) << "nothing was changed";
    load(at("one.tar"), inside);
    const auto results = load(at(name), inside);
    expect_intact(inside, source, results[0].manifest);
  }
  // It counts as no release where it lies.
  DirStore read(at("two"));
  EXPECT_TRUE(list_models(read, kGo).empty());
}

TEST_F(BundleTest, WhatTheStoreHasInItsPlaceIsProvedToo) {
  const auto first = archive(at("one.tar"), plan()).record;
  import_next();
  archive(at("two.tar"), plan("tiny:1.0.1", {{first, "one.tar"}}));
  MemoryStore inside{{.part_size = 1'000}};
  load(at("one.tar"), inside);
  inside.plant(kWeights, std::string(4'300, 'x'));
  EXPECT_EQ(error_of([&] { load(at("two.tar"), inside); }).code(), Code::verification);
  EXPECT_FALSE(find_manifest(inside, "tiny", "1.0.1", kGo));
}

// ---- archives that somebody else made

struct ForeignArchive : BundleTest {
  ForeignArchive() {
    archive(at("b.tar"), plan());
    fs::remove(at("b.tar.json"));
    good = *read_file(at("b.tar"));
    good.resize(good.size() - 1024);  // the end
  }
  Error refused(const std::string& members) {
    std::ofstream(at("b.tar"), std::ios::binary) << good << members << end_of_archive();
    return error_of([&] { open_bundle(at("b.tar"), kGo); });
  }
  std::string good;
};

TEST_F(ForeignArchive, TheGoodOneIsTaken) {
  std::ofstream(at("b.tar"), std::ios::binary) << good << end_of_archive();
  EXPECT_EQ(open_bundle(at("b.tar"), kGo).manifests.size(), 1u);
}

TEST_F(ForeignArchive, LinksUnsafePathsAndDoublesAreRefused) {
  EXPECT_EQ(refused(header("link", '2')).code(), Code::malformed);
  EXPECT_EQ(refused(header("link", '1')).code(), Code::malformed);
  EXPECT_EQ(refused(header("device", '3')).code(), Code::malformed);
  EXPECT_EQ(refused(header("../outside", '0', 1) + padded("x")).code(), Code::malformed);
  EXPECT_EQ(refused(header("/outside", '0', 1) + padded("x")).code(), Code::malformed);
  EXPECT_EQ(refused(header("../folder/", '5')).code(), Code::malformed);
  EXPECT_EQ(refused(header(kWeights, '0', 1) + padded("x")).code(), Code::malformed);
}

TEST_F(ForeignArchive, WhatTheRecordDoesNotNameIsRefused) {
  const Error error = refused(header("extra", '0', 1) + padded("x"));
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("extra"), std::string::npos);
}

TEST_F(ForeignArchive, SizesThatDifferFromTheRecordAreNamed) {
  const OpenBundle bundle = [&] {
    std::ofstream(at("b.tar"), std::ios::binary) << good << end_of_archive();
    return open_bundle(at("b.tar"), kGo);
  }();
  const std::string key(kBundleRecordKey), text = *bundle.tree->text(key, kMiB);
  good.clear();
  const Error error = refused(header(kWeights, '0', 3) + padded("abc") +
                              header(key, '0', text.size()) + padded(text));
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("has 3 bytes, the record says 4300"), std::string::npos)
      << error.what();
  EXPECT_NE(std::string(error.what()).find("config.json is missing"), std::string::npos);
}

TEST_F(ForeignArchive, ACutOneIsRefused) {
  for (const std::size_t cut : {std::size_t{100}, std::size_t{512}, good.size() / 2}) {
    std::ofstream(at("b.tar"), std::ios::binary) << good.substr(0, good.size() - cut);
    const Code code = error_of([&] { open_bundle(at("b.tar"), kGo); }).code();
    EXPECT_TRUE(code == Code::malformed || code == Code::not_found) << cut;
  }
}

}  // namespace
}  // namespace dray::test
