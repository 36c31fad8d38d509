#include "dray/source/folder_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

class FolderSourceTest : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return folder_.path() / "model" / name; }
  void write(const std::string& name, const std::string& content) {
    write_file_atomic(path(name), content);
  }
  /// What `hf download --local-dir` notes about a file, `seconds` after the file was written.
  void note(const std::string& name, const std::string& etag, double seconds,
            const std::string& commit = kCommit) {
    struct stat facts{};
    ASSERT_EQ(::stat(path(name).c_str(), &facts), 0);
    const double time = static_cast<double>(facts.st_mtim.tv_sec) +
                        static_cast<double>(facts.st_mtim.tv_nsec) / 1e9 + seconds;
    write(".cache/huggingface/download/" + name + ".metadata",
          commit + "\n" + etag + "\n" + std::to_string(time) + "\n");
  }
  FolderSource source() const { return FolderSource(path("")); }
  std::string read(FolderSource& from, const FileEntry& file) {
    std::string out(file.size, '\0');
    from.read(file, 0, std::as_writable_bytes(std::span(out)), {});
    return out;
  }
  Error snapshot_error() {
    try {
      source().snapshot({});
    } catch (const Error& error) {
      EXPECT_EQ(error.side(), Side::source);
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::internal, "nothing was thrown");
  }

  test::TempFolder folder_;
};

TEST_F(FolderSourceTest, ListsTheFilesAndNotTheHousekeeping) {
  write("config.json", "{}");
  write("sub dir/\xc3\xa9.txt", "text");
  write("empty", "");
  write(".gitattributes", "x");
  write(".git/config", "x");
  write(".cache/huggingface/.gitignore", "*");
  write(".cache/other", "kept");
  write("README.md", "---\nlicense: mit\nlibrary_name: transformers\n---\n# Model\n");
  FolderSource from = source();
  const Snapshot snapshot = from.snapshot({});
  std::vector<std::string> paths;
  for (const FileEntry& file : snapshot.files) {
    paths.push_back(file.path);
    EXPECT_FALSE(file.digests.any());
  }
  EXPECT_EQ(paths, (std::vector<std::string>{".cache/other", ".gitattributes", "README.md",
                                             "config.json", "empty", "sub dir/\xc3\xa9.txt"}));
  EXPECT_EQ(snapshot.origin,
            (Origin{"dir", "dir:" + (folder_.path() / "model").string(), "", "", ""}));
  EXPECT_EQ(snapshot.default_name, "model");
  EXPECT_EQ(snapshot.info.license, "mit");
  EXPECT_EQ(read(from, *snapshot.find("sub dir/\xc3\xa9.txt")), "text");
  std::string part(2, '\0');
  from.read(*snapshot.find("sub dir/\xc3\xa9.txt"), 1, std::as_writable_bytes(std::span(part)), {});
  EXPECT_EQ(part, "ex");
}

TEST_F(FolderSourceTest, NotesOfTheHubsClientAreDigests) {
  write("model.safetensors", "weights");
  write("config.json", "{}");
  note("model.safetensors", Sha256::hex_of(as_bytes("weights")), 0.5);
  note("config.json", GitBlobSha1::hex_of(as_bytes("{}")), 0.5);
  const Snapshot snapshot = source().snapshot({});
  EXPECT_EQ(snapshot.find("model.safetensors")->digests.sha256,
            Sha256::hex_of(as_bytes("weights")));
  EXPECT_EQ(snapshot.find("config.json")->digests.git_sha1, GitBlobSha1::hex_of(as_bytes("{}")));
  EXPECT_EQ(snapshot.origin.commit, kCommit);
}

TEST_F(FolderSourceTest, AFileNewerThanItsNoteIsAnotherFile) {
  write("model.safetensors", "weights");
  note("model.safetensors", std::string(64, 'a'), -2);
  const Snapshot snapshot = source().snapshot({});
  EXPECT_FALSE(snapshot.files[0].digests.any());
  EXPECT_EQ(snapshot.origin.commit, "");
}

TEST_F(FolderSourceTest, FilesOfSeveralCommitsHaveNoCommonOne) {
  write("a", "a");
  write("b", "b");
  note("a", std::string(40, 'a'), 0);
  note("b", std::string(40, 'b'), 0, std::string(40, 'c'));
  EXPECT_EQ(source().snapshot({}).origin.commit, "");
}

TEST_F(FolderSourceTest, ADownloadThatIsNotWholeIsTold) {
  std::string told;
  set_log_sink([&](LogLevel, std::string_view line) { told += line; });
  write("config.json", "{}");
  note("config.json", std::string(40, 'a'), 0);
  const std::string entry = R"({"size":2,"blob_id":")" + std::string(40, 'a') + R"("})";
  write(".cache/huggingface/trees/" + std::string(kCommit) + ".json",
        R"({"format_version":1,"files":{"config.json":)" + entry + R"(,"model.safetensors":)" +
            entry + "}}");
  source().snapshot({});
  EXPECT_NE(told.find("lacks 1 of the 2 files"), std::string::npos) << told;
  told.clear();
  write("model.safetensors", "w");
  note("model.safetensors", std::string(40, 'a'), 0);
  source().snapshot({});
  EXPECT_EQ(told, "");
  set_log_sink(nullptr);
}

TEST_F(FolderSourceTest, BrokenNotesAreNone) {
  const std::string commit = kCommit;
  EXPECT_TRUE(parse_download_note(commit + "\netag\n1700000000.25\n"));
  EXPECT_TRUE(parse_download_note(commit + "\r\netag\r\n1700000000\r\n"));
  for (const std::string& text :
       {std::string(), commit, commit + "\netag\n", commit + "\netag\nx\n",
        commit + "\netag\n1e999\n", commit + "\netag\n1 2\n", std::string("main\netag\n1\n"),
        commit + "\netag\n1\nmore\n"})
    EXPECT_FALSE(parse_download_note(text)) << text;
}

TEST_F(FolderSourceTest, LinksStayInsideTheFolder) {
  write("real.txt", "content");
  fs::create_symlink("real.txt", path("link.txt"));
  FolderSource from = source();
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(read(from, *snapshot.find("link.txt")), "content");

  write_file_atomic(folder_.path() / "outside", "secret");
  fs::create_symlink("../outside", path("escape"));
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
  fs::remove(path("escape"));
  // A folder whose name only begins alike is outside too.
  write_file_atomic(folder_.path() / "model-b/x", "secret");
  fs::create_symlink("../model-b/x", path("escape"));
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
  fs::remove(path("escape"));
  fs::create_symlink("nowhere", path("dangling"));
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
  fs::remove(path("dangling"));
  fs::create_directory_symlink(".", path("loop"));
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
}

TEST_F(FolderSourceTest, OtherThingsThanFilesAreRefused) {
  write("config.json", "{}");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(snapshot_error().code(), Code::malformed);
}

TEST_F(FolderSourceTest, ACloneWithoutLfsIsFoundBeforeAnythingMoves) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') +
      "\nsize 5\n";
  write("pointer.txt", pointer);
  EXPECT_NO_THROW(source().snapshot({}));
  write("sub/model.safetensors", pointer);
  const Error error = snapshot_error();
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(error.hint().find("git lfs pull"), std::string::npos);
}

TEST_F(FolderSourceTest, AFileThatChangesIsAPermanentError) {
  write("a.bin", "0123456789");
  FolderSource from = source();
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(read(from, snapshot.files[0]), "0123456789");
  const auto expect_changed = [&] {
    try {
      read(from, snapshot.files[0]);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::verification);
      EXPECT_FALSE(error.retryable());
    }
  };
  std::ofstream(path("a.bin")) << "9876543210";  // the same size
  fs::last_write_time(path("a.bin"), fs::file_time_type::clock::now() + std::chrono::seconds(5));
  expect_changed();
  write("a.bin", "012");
  expect_changed();
  fs::remove(path("a.bin"));
  EXPECT_THROW(read(from, snapshot.files[0]), Error);
}

TEST_F(FolderSourceTest, WhatIsNoFolderOrEmptyIsNotFound) {
  EXPECT_EQ(snapshot_error().code(), Code::not_found);
  fs::create_directories(path(""));
  EXPECT_EQ(snapshot_error().code(), Code::not_found);
  write_file_atomic(folder_.path() / "file", "x");
  EXPECT_THROW(FolderSource(folder_.path() / "file").snapshot({}), Error);
}

TEST_F(FolderSourceTest, TheNameIsTheFoldersWhateverWasTyped) {
  write("a", "a");
  for (const char* form : {"model", "model/", "model/.", "./model/../model"})
    EXPECT_EQ(FolderSource(folder_.path() / form).snapshot({}).default_name, "model") << form;
}

TEST_F(FolderSourceTest, StoppingEndsTheListing) {
  write("a", "a");
  std::stop_source stop;
  stop.request_stop();
  try {
    source().snapshot(stop.get_token());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
}

}  // namespace
}  // namespace dray
