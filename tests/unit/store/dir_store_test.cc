// What only the directory store promises; the rest is in the conformance suite.
#include "dray/store/dir_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/store/dir_upload.h"
#include "tests/support/random.h"
#include "tests/support/temp_folder.h"

namespace dray::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::stop_token kGo;

class StoreDir : public testing::Test {
 protected:
  void SetUp() override { store_.preflight(kGo); }
  StoredObject create(const std::string& key, const std::string& text) {
    ObjectSpec spec;
    spec.key = key;
    spec.size = text.size();
    return store_.create(spec, as_bytes(text), "", kGo);
  }
  ObjectSpec spec(const std::string& key, std::uint64_t size) {
    ObjectSpec out;
    out.key = key;
    out.size = size;
    return out;
  }
  std::vector<std::string> temp_files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(root_ / ".dray" / "tmp"))
      out.push_back(entry.path().filename().string());
    return out;
  }
  static void age_file(const fs::path& path, std::time_t by) {
    timespec times[2]{};
    times[0].tv_sec = times[1].tv_sec = ::time(nullptr) - by;
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  template <typename Call>
  static Error error_of(Call call) {
    try {
      call();
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::internal, "none");
  }

  TempFolder folder_;
  const fs::path root_ = folder_.path() / "a" / "store";
  DirStore store_{root_};
};

TEST_F(StoreDir, KeysThatLeaveTheTreeAreRefused) {
  for (const char* key : {"../x", "/etc/passwd", "a/../../x", "", "a//b", ".dray/tmp/x", "a\nb"}) {
    EXPECT_EQ(error_of([&] { create(key, "x"); }).code(), Code::malformed) << key;
    EXPECT_EQ(error_of([&] { store_.remove(key, kGo); }).code(), Code::malformed) << key;
    EXPECT_EQ(error_of([&] { store_.begin(spec(key, 1), nullptr, kGo); }).code(), Code::malformed)
        << key;
  }
  EXPECT_THAT(temp_files(), IsEmpty());
  EXPECT_THROW(store_.list("../", kGo), Error);
}

TEST_F(StoreDir, SomethingElseUnderTheNameIsAConflict) {
  fs::create_directories(root_ / "m" / "folder");
  EXPECT_EQ(error_of([&] { create("m/folder", "x"); }).code(), Code::conflict);
  create("m/file", "x");
  EXPECT_EQ(error_of([&] { create("m/file/below", "x"); }).code(), Code::conflict);
  fs::create_symlink("/nowhere/at/all", root_ / "m" / "dangling");
  EXPECT_EQ(error_of([&] { create("m/dangling", "x"); }).code(), Code::conflict);
  EXPECT_TRUE(fs::is_symlink(root_ / "m" / "dangling"));
  EXPECT_THAT(temp_files(), IsEmpty());
}

TEST_F(StoreDir, TemporaryFilesAreNoObjects) {
  const auto upload = store_.begin(spec("m/1/w", 100), nullptr, kGo);
  EXPECT_THAT(store_.list("", kGo), IsEmpty());
  EXPECT_THAT(store_.list(".dray/tmp/", kGo), IsEmpty());
  EXPECT_THAT(store_.list_names("", kGo), IsEmpty());
  upload->abandon();
  EXPECT_THAT(temp_files(), IsEmpty());
}

TEST_F(StoreDir, LinksAreFollowedAndLoopsAreNot) {
  fs::create_directories(folder_.path() / "big");
  fs::create_directories(root_ / "model-data");
  fs::create_directory_symlink(folder_.path() / "big", root_ / "model-data" / "linked");
  create("model-data/linked/f", "x");
  EXPECT_TRUE(fs::exists(folder_.path() / "big" / "f"));
  fs::create_directory_symlink(root_, folder_.path() / "big" / "loop");
  const auto listed = store_.list("", kGo);
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].key, "model-data/linked/f");
}

TEST_F(StoreDir, AFailedWriteLeavesNothing) {
  // A file size limit stands for a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{1000, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error created = error_of([&] { create("m/big", std::string(5000, 'x')); });
  const Error begun = error_of([&] { store_.begin(spec("m/huge", 5000), nullptr, kGo); });
  const Error written =
      error_of([&] { store_.state().put(".dray/x", std::string(5000, 'x'), kGo); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_EQ(created.code(), Code::storage);
  EXPECT_EQ(begun.code(), Code::storage);
  EXPECT_EQ(written.code(), Code::storage);
  EXPECT_FALSE(created.retryable());
  EXPECT_THAT(temp_files(), IsEmpty());
  EXPECT_THAT(store_.list("", kGo), IsEmpty());
}

TEST_F(StoreDir, AStateThatIsReplacedIsNeverHalf) {
  StateStore& state = store_.state();
  state.put(".dray/j", std::string(100'000, 'a'), kGo);
  std::jthread writer([&](const std::stop_token& stop) {
    for (char c = 'a'; !stop.stop_requested(); c = c == 'z' ? 'a' : static_cast<char>(c + 1))
      state.put(".dray/j", std::string(100'000, c), kGo);
  });
  for (int i = 0; i < 200; ++i) {
    const auto text = state.get(".dray/j", kGo);
    ASSERT_TRUE(text);
    ASSERT_EQ(*text, std::string(100'000, (*text)[0]));
  }
}

TEST_F(StoreDir, AgesFollowTheFileSystem) {
  store_.state().put(".dray/t/old", "x", kGo);
  store_.state().put(".dray/t/young", "x", kGo);
  age_file(root_ / ".dray/t/old", 3600);
  const auto items = store_.state().list(".dray/t/", kGo);
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_NEAR(static_cast<double>(items[0].age.count()), 3600, 300);
  EXPECT_LT(items[1].age.count(), 300);
}

TEST_F(StoreDir, PreflightSweepsOldSmallLeftoversOnly) {
  const auto upload = store_.begin(spec("m/1/w", 100), nullptr, kGo);
  const fs::path temp = root_ / ".dray" / "tmp";
  std::ofstream(temp / "s-old") << "x";
  std::ofstream(temp / "s-young") << "x";
  for (const auto& entry : fs::directory_iterator(temp))
    if (entry.path().filename() != "s-young") age_file(entry.path(), 2 * 24 * 3600);
  store_.preflight(kGo);
  EXPECT_FALSE(fs::exists(temp / "s-old"));
  EXPECT_TRUE(fs::exists(temp / "s-young"));
  EXPECT_THAT(store_.unfinished("", kGo), SizeIs(1));
}

TEST_F(StoreDir, FoldersMayVanishWhileNamesAreGiven) {
  // Removing the last file of a folder removes the folder, under the feet of whoever creates in it.
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const std::string key = "m/shared/deep/" + std::to_string(t);
      try {
        for (int i = 0; i < 50; ++i) {
          create(key, "x");
          EXPECT_TRUE(store_.state().create_if_absent(key + ".json", "x", kGo));
          store_.remove(key, kGo);
          store_.remove(key + ".json", kGo);
        }
      } catch (const Error& e) {
        ADD_FAILURE() << e.what();
      }
    });
  threads.clear();
  EXPECT_THAT(store_.list("", kGo), IsEmpty());
  EXPECT_FALSE(fs::exists(root_ / "m"));
  EXPECT_THAT(temp_files(), IsEmpty());
}

TEST_F(StoreDir, ACrashAfterNamingLeavesANoteThatIsCleanedUp) {
  const Buffer bytes = pattern(1000, 1);
  auto upload = store_.begin(spec("m/1/w", bytes.size()), nullptr, kGo);
  const auto part = upload->put(0, bytes, crc64nvme(0, bytes), kGo);
  const std::string id = upload->id();
  fs::create_directories(root_ / "m" / "1");
  fs::rename(root_ / ".dray" / "tmp" / id, root_ / "m" / "1" / "w");  // and then the power went

  const auto left = store_.unfinished("m/", kGo);
  ASSERT_THAT(left, SizeIs(1));
  SavedUpload saved{id, 16 * kMiB, {part}};
  EXPECT_THAT(store_.begin(spec("m/1/w", bytes.size()), &saved, kGo)->present(kGo), IsEmpty());
  store_.abandon(left[0], kGo);
  EXPECT_EQ(store_.stat("m/1/w", kGo)->size, 1000u);
  EXPECT_THAT(store_.unfinished("m/1/w", kGo), SizeIs(1)) << "only that of the second upload";
}

TEST_F(StoreDir, AStopEndsTheReadingBackOfParts) {
  const Buffer bytes = pattern(1000, 1);
  auto upload = store_.begin(spec("m/1/w", bytes.size()), nullptr, kGo);
  const auto part = upload->put(0, bytes, crc64nvme(0, bytes), kGo);
  const SavedUpload saved{upload->id(), 16 * kMiB, {part}};
  std::stop_source stop;
  stop.request_stop();
  auto again = store_.begin(spec("m/1/w", bytes.size()), &saved, kGo);
  EXPECT_THROW(again->present(stop.get_token()), Error);
  EXPECT_THAT(again->present(kGo), SizeIs(1));
}

TEST_F(StoreDir, CommitReadsBackPartsItHasNotSeen) {
  const Buffer bytes = pattern(1000, 2);
  SavedUpload saved;
  {
    auto upload = store_.begin(spec("m/w", bytes.size()), nullptr, kGo);
    saved = {upload->id(), 16 * kMiB, {upload->put(0, bytes, crc64nvme(0, bytes), kGo)}};
  }
  auto upload = store_.begin(spec("m/w", bytes.size()), &saved, kGo);
  auto wrong = saved.parts;
  wrong[0].crc64 ^= 1;
  EXPECT_EQ(error_of([&] { upload->commit(wrong, "", kGo); }).code(), Code::verification);
  EXPECT_FALSE(store_.stat("m/w", kGo));
  upload->commit(saved.parts, Sha256::hex_of(bytes), kGo);
  EXPECT_EQ(store_.stat("m/w", kGo)->size, 1000u);
}

TEST_F(StoreDir, AnIdFromAForgedJournalReachesNothing) {
  std::ofstream(root_ / "victim.key") << dir::sidecar_text({"m/w", 0});
  std::ofstream(root_ / "victim");
  store_.abandon({"m/w", "../../victim"}, kGo);
  SavedUpload saved{"../../victim", 16 * kMiB, {}};
  EXPECT_NE(store_.begin(spec("m/w", 0), &saved, kGo)->id(), saved.id);
  EXPECT_TRUE(fs::exists(root_ / "victim"));
  EXPECT_TRUE(fs::exists(root_ / "victim.key"));
}

TEST_F(StoreDir, ChangedInPlaceIsAnotherEtag) {
  const StoredObject made = create("m/f", "0123456789");
  age_file(root_ / "m/f", 10);
  EXPECT_NE(store_.stat("m/f", kGo)->etag, made.etag);
}

TEST_F(StoreDir, FreeSpaceIsToldBeforeTheRootExists) {
  DirStore fresh(folder_.path() / "not" / "yet" / "there");
  const auto free = fresh.free_bytes();
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 0u);
  EXPECT_FALSE(fs::exists(folder_.path() / "not"));
  EXPECT_FALSE(fresh.stat("a", kGo));
  EXPECT_THAT(fresh.list("", kGo), IsEmpty());
  EXPECT_THAT(fresh.unfinished("", kGo), IsEmpty());
  EXPECT_THAT(fresh.state().list("", kGo), IsEmpty());
  fresh.remove("a/b", kGo);
}

TEST_F(StoreDir, PropertiesAndServingUri) {
  EXPECT_EQ(store_.properties().uri, "dir:" + root_.string());
  EXPECT_EQ(store_.properties().kind, "dir");
  EXPECT_TRUE(store_.properties().local_disk);
  EXPECT_EQ(store_.serving_uri("m/1/"), root_.string() + "/m/1/");
  EXPECT_EQ(DirStore(root_ / "x" / ".." / "").properties().uri, "dir:" + root_.string());
}

TEST_F(StoreDir, APipeInTheWayDoesNotHang) {
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  Buffer out(1);
  EXPECT_EQ(error_of([&] { store_.read("pipe", "", 0, out, kGo); }).code(), Code::not_found);
  EXPECT_THAT(store_.list("", kGo), IsEmpty());
  EXPECT_EQ(error_of([&] { create("pipe", "x"); }).code(), Code::conflict);
}

TEST_F(StoreDir, ARootThatCannotBeMadeSaysWhy) {
  std::ofstream(folder_.path() / "file") << "x";
  const Error e = error_of([&] { DirStore(folder_.path() / "file" / "store").preflight(kGo); });
  EXPECT_EQ(e.code(), Code::conflict);
  EXPECT_EQ(e.side(), Side::destination);
}

TEST(StoreDirSidecar, OnlyExactTextsAreRead) {
  const std::string text = dir::sidecar_text({"a/b c", 77});
  const auto read = dir::parse_sidecar(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key, "a/b c");
  EXPECT_EQ(read->size, 77u);
  for (const std::string& bad :
       {std::string(), text + "more\n", text.substr(0, text.size() - 1),
        std::string("dray-upload 2\n7\nk\n"), std::string("dray-upload 1\n-7\nk\n"),
        std::string("dray-upload 1\n7\n\n")})
    EXPECT_FALSE(dir::parse_sidecar(bad)) << bad;
}

}  // namespace
}  // namespace dray::test
