// Releases and plain prefixes of a store as sources.
#include "dray/store/store_sources.h"

#include <gtest/gtest.h>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/store/catalog.h"
#include "tests/support/errors.h"
#include "tests/support/memory_source.h"
#include "tests/support/memory_store.h"
#include "tests/support/random.h"

namespace dray::test {
namespace {

const std::stop_token kGo;

class StoreSources : public testing::Test {
 protected:
  /// A release of one file, as if imported from the Hub.
  void publish(const std::string& version, const std::string& content) {
    const std::string key = release_prefix("llama", version) + "a.bin";
    store_->plant(key, content);
    Manifest manifest;
    manifest.name = "llama";
    manifest.version = version;
    manifest.origin = {"hf", "hf://org/llama", "main", std::string(40, 'c'), ""};
    manifest.allows = {"not-servable"};
    ManifestFile file;
    file.path = "a.bin";
    file.size = content.size();
    file.sha256 = Sha256::hex_of(as_bytes(content));
    file.etag = store_->stat(key, kGo)->etag;
    manifest.files.push_back(file);
    manifest.root_digest = root_digest_of(manifest.files);
    publish_manifest(*store_, manifest, kGo);
  }
  ReleaseSource of(Reference reference) { return {store_, std::move(reference), kDefaultTemplate}; }
  static std::string content_of(Source& source, const std::string& path) {
    const Snapshot snapshot = source.snapshot(kGo);
    const FileEntry* file = snapshot.find(path);
    if (file == nullptr) return "absent";
    Buffer out(file->size);
    source.read(*file, 0, out, kGo);
    return std::string(as_text(out));
  }

  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
};

TEST_F(StoreSources, AReferenceIsFollowedWhenTheSnapshotIsTaken) {
  publish("1.0.0", "one");
  ReleaseSource newest = of({"llama", "", ""}), aliased = of({"llama", "", "production"});
  EXPECT_EQ(newest.name(), "llama in memory:/store");
  publish("1.0.1", "two");
  move_alias(*store_, "llama", "production", "1.0.0", "me", "", kGo);
  EXPECT_EQ(content_of(newest, "a.bin"), "two");
  EXPECT_EQ(content_of(aliased, "a.bin"), "one");
  EXPECT_EQ(aliased.name(), "llama:1.0.0 in memory:/store");
}

TEST_F(StoreSources, ACopyKeepsTheOriginAndKnowsTheManifest) {
  publish("1.0.0", "one");
  ReleaseSource source = of({"llama", "1.0.0", ""});
  const Snapshot snapshot = source.snapshot(kGo);
  EXPECT_EQ(snapshot.origin.uri, "hf://org/llama");
  EXPECT_EQ(snapshot.origin.commit, std::string(40, 'c'));
  ASSERT_NE(source.manifest(), nullptr);
  EXPECT_EQ(*source.manifest(), find_manifest(*store_, "llama", "1.0.0", kGo));
  EXPECT_EQ(source.store_uri(), "memory:/store");
  EXPECT_EQ(snapshot.files.at(0).digests.sha256, Sha256::hex_of(as_bytes("one")));
}

TEST_F(StoreSources, WhatIsMissingIsTheSourcesFault) {
  const auto error = error_of([&] { of({"llama", "", ""}).snapshot(kGo); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_EQ(error.side(), Side::source);
}

TEST_F(StoreSources, WithoutAManifestAFolderIsWhatItIsOtherwise) {
  const auto other = [] {
    auto source = std::make_unique<MemorySource>();
    source->add("b.bin", pattern(3, 1));
    return source;
  };
  ReleaseSource before(store_, {"llama", "1.0.0", ""}, kDefaultTemplate, other);
  EXPECT_NE(before.snapshot(kGo).find("b.bin"), nullptr);
  EXPECT_EQ(before.manifest(), nullptr);
  publish("1.0.0", "one");
  ReleaseSource after(store_, {"llama", "1.0.0", ""}, kDefaultTemplate, other);
  EXPECT_EQ(content_of(after, "a.bin"), "one");
}

TEST_F(StoreSources, APrefixStatesNoDigests) {
  store_->plant("model.safetensors", "weights");
  store_->plant("sub folder/\xc3\xa4.json", "{}");
  store_->plant("README.md", "---\nlicense: mit\n---\n");
  store_->plant("empty", "");
  store_->plant("sub folder/", "");  // a marker
  const auto source = prefix_source(store_);
  const Snapshot snapshot = source->snapshot(kGo);
  ASSERT_EQ(snapshot.files.size(), 4u);
  for (const FileEntry& file : snapshot.files) EXPECT_FALSE(file.digests.any()) << file.path;
  EXPECT_EQ(snapshot.origin.uri, "memory:/store/");
  EXPECT_EQ(snapshot.default_name, "store");
  EXPECT_EQ(snapshot.info.license, "mit");
  EXPECT_EQ(content_of(*source, "sub folder/\xc3\xa4.json"), "{}");
}

TEST_F(StoreSources, AnObjectThatChangesIsAPermanentError) {
  store_->plant("a.bin", "0123456789");
  const auto source = prefix_source(store_);
  const Snapshot snapshot = source->snapshot(kGo);
  store_->plant("a.bin", "abcdefghij");
  Buffer out(4);
  const auto error = error_of([&] { source->read(snapshot.files[0], 0, out, kGo); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_FALSE(error.retryable());
}

TEST_F(StoreSources, APointerIsNoWeights) {
  store_->plant("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:" +
                                         std::string(64, 'a') + "\nsize 10\n");
  const auto source = prefix_source(store_);
  EXPECT_EQ(error_of([&] { content_of(*source, "model.safetensors"); }).code(), Code::verification);
}

TEST_F(StoreSources, AStoreOfReleasesIsNoModel) {
  publish("1.0.0", "one");
  const auto error = error_of([&] { prefix_source(store_)->snapshot(kGo); });
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_NE(error.hint().find("--from memory:/store"), std::string::npos);
  const auto empty = std::make_shared<MemoryStore>();
  EXPECT_EQ(error_of([&] { prefix_source(empty)->snapshot(kGo); }).code(), Code::not_found);
}

}  // namespace
}  // namespace dray::test
