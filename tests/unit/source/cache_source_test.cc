#include "dray/source/cache_source.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/source/folder_source.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

class CacheSourceTest : public testing::Test {
 protected:
  CacheSourceTest() : repo_(folder_.path() / "models--org--name") {
    write_file_atomic(repo_ / "refs/main", std::string(kCommit) + "\n");
  }
  /// As huggingface_hub puts it: the content under its digest, and a relative link to it.
  void add(const std::string& path, const std::string& content, const std::string& blob) {
    write_file_atomic(repo_ / "blobs" / blob, content);
    const fs::path link = repo_ / "snapshots" / kCommit / path;
    fs::create_directories(link.parent_path());
    fs::create_symlink(fs::relative(repo_ / "blobs" / blob, link.parent_path()), link);
  }
  void add_weights() { add("sub/model.safetensors", "weights", sha256_); }
  CacheSource source(const std::string& revision = "") {
    return CacheSource({"org/name", revision}, folder_.path());
  }
  Error snapshot_error(const std::string& revision = "") {
    try {
      source(revision).snapshot({});
    } catch (const Error& error) {
      EXPECT_EQ(error.side(), Side::source);
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::internal, "nothing was thrown");
  }

  const std::string sha256_ = Sha256::hex_of(as_bytes("weights"));
  const std::string sha1_ = GitBlobSha1::hex_of(as_bytes("{}"));
  test::TempFolder folder_;
  const fs::path repo_;
};

TEST_F(CacheSourceTest, TheNamesOfBlobsAreTheDigests) {
  add_weights();
  add("config.json", "{}", sha1_);
  add("README.md", "---\nlicense: mit\n---\n", "readme");
  CacheSource from = source();
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(snapshot.origin, (Origin{"hf", "hf://org/name", "main", kCommit, ""}));
  EXPECT_EQ(snapshot.default_name, "name");
  EXPECT_EQ(snapshot.info.license, "mit");
  EXPECT_EQ(*snapshot.find("sub/model.safetensors"),
            (FileEntry{"sub/model.safetensors", 7, {.sha256 = sha256_}}));
  EXPECT_EQ(*snapshot.find("config.json"), (FileEntry{"config.json", 2, {.git_sha1 = sha1_}}));
  EXPECT_FALSE(snapshot.find("README.md")->digests.any());
  std::string out(3, '\0');
  from.read(*snapshot.find("sub/model.safetensors"), 4, std::as_writable_bytes(std::span(out)), {});
  EXPECT_EQ(out, "hts");
}

TEST_F(CacheSourceTest, ARevisionIsABranchAPullRequestOrACommit) {
  add_weights();
  write_file_atomic(repo_ / "refs/refs/pr/1", kCommit);
  for (const char* revision : {"main", "refs/pr/1", kCommit}) {
    const Snapshot snapshot = source(revision).snapshot({});
    EXPECT_EQ(snapshot.origin.commit, kCommit);
    EXPECT_EQ(snapshot.origin.revision, revision);
  }
}

TEST_F(CacheSourceTest, WhatIsMissingIsNamed) {
  add_weights();
  EXPECT_EQ(snapshot_error("other").code(), Code::not_found);
  EXPECT_EQ(snapshot_error(std::string(40, 'f')).code(), Code::not_found);
  CacheSource other({"org/other", ""}, folder_.path());
  EXPECT_THROW(other.snapshot({}), Error);
  write_file_atomic(repo_ / "refs/broken", "../../etc");
  EXPECT_EQ(snapshot_error("broken").code(), Code::malformed);
}

TEST_F(CacheSourceTest, PlainFilesHaveTheDigestsOfTheKeptTree) {
  const fs::path snapshot_folder = repo_ / "snapshots" / kCommit;
  write_file_atomic(snapshot_folder / "model.safetensors", "weights");
  write_file_atomic(snapshot_folder / "config.json", "{}");
  EXPECT_FALSE(source().snapshot({}).find("config.json")->digests.any());
  write_file_atomic(repo_ / "trees" / (std::string(kCommit) + ".json"),
                    R"({"format_version":1,"files":{
      "model.safetensors":{"size":7,"blob_id":")" +
                        sha1_ + R"(","lfs_sha256":")" + sha256_ +
                        R"(","lfs_size":7},"config.json":{"size":2,"blob_id":")" + sha1_ +
                        R"("},"absent.json":{"size":2,"blob_id":")" + sha1_ + R"("}}})");
  const Snapshot snapshot = source().snapshot({});
  EXPECT_EQ(snapshot.find("model.safetensors")->digests, (Digests{.sha256 = sha256_}));
  EXPECT_EQ(snapshot.find("config.json")->digests, (Digests{.git_sha1 = sha1_}));
  for (const char* broken : {"{", "[]", R"({"format_version":2,"files":{}})",
                             R"({"format_version":1,"files":{"config.json":3}})"}) {
    write_file_atomic(repo_ / "trees" / (std::string(kCommit) + ".json"), broken);
    EXPECT_FALSE(source().snapshot({}).find("config.json")->digests.any()) << broken;
  }
}

TEST_F(CacheSourceTest, ALinkOutOfTheRepositoryIsRefused) {
  add_weights();
  write_file_atomic(folder_.path() / "models--org--other" / "blobs" / sha1_, "{}");
  fs::create_symlink(folder_.path() / "models--org--other" / "blobs" / sha1_,
                     repo_ / "snapshots" / kCommit / "config.json");
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
}

TEST_F(CacheSourceTest, AHalfDownloadedBlobHasNoName) {
  add_weights();
  write_file_atomic(repo_ / "blobs" / (sha256_ + ".0a1b2c3d.incomplete"), "wei");
  EXPECT_EQ(source().snapshot({}).files.size(), 1u);
}

TEST_F(CacheSourceTest, ASnapshotFolderTypedAsAPathIsAnsweredWithTheRightForm) {
  add_weights();
  try {
    FolderSource(repo_ / "snapshots" / kCommit).snapshot({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("hf-cache:"), std::string::npos);
  }
}

}  // namespace
}  // namespace dray
