#include "dray/registry/backup.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "dray/base/file.h"
#include "tests/unit/registry/records_fixture.h"

namespace dray {
namespace {

class BackupTest : public RecordsTest {
 protected:
  std::filesystem::path copy_ = folder_.path() / "copy.db";
};

TEST_F(BackupTest, ABackupIsARegistryByItself) {
  const std::string id = model("a", {{"k", text("v")}});
  records_.backup(copy_);
  model("later");
  EXPECT_FALSE(std::filesystem::exists(copy_.string() + "-wal")) << "one file";
  Records restored(copy_);
  EXPECT_EQ(restored.get(Kind::registered_model, id), records_.get(Kind::registered_model, id));
  EXPECT_EQ(restored.list(Kind::registered_model, "", {.filter_query = "k = 'v'"}).size, 1);
  EXPECT_EQ(restored.list(Kind::registered_model, "", {}).size, 1);
}

TEST_F(BackupTest, BackupsAreConsistentWhileOthersWrite) {
  std::atomic<bool> stop = false;
  std::jthread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string id = model("m" + std::to_string(i));
      version(id, "1");
    }
  });
  for (int i = 0; i < 5; ++i) {
    records_.backup(copy_);
    const Records copy(copy_);
    copy.check();
    const int models = copy.list(Kind::registered_model, "", {}).size;
    const int versions = copy.list(Kind::model_version, "", {}).size;
    EXPECT_TRUE(models == versions || models == versions + 1) << models << " " << versions;
  }
  stop = true;
}

TEST_F(BackupTest, AFailedBackupLeavesTheOldOne) {
  model("a");
  records_.backup(copy_);
  const auto before = read_file(copy_);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_of([&] { records_.backup(copy_, stop.get_token()); }), Code::cancelled);
  EXPECT_EQ(read_file(copy_), before);
  EXPECT_THROW(records_.backup(folder_.path()), Error) << "a folder";
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_.path()))
    files += file.path().filename().string().find(".part") == std::string::npos ? 0 : 1;
  EXPECT_EQ(files, 0) << "nothing half is left";
}

TEST_F(BackupTest, RestoringIsSeenByThoseWhoHaveItOpen) {
  const std::string id = model("a");
  records_.backup(copy_);
  update(Kind::registered_model, id, {{"owner", "changed"}});
  model("b");
  restore_records(copy_, path_);
  EXPECT_FALSE(get(Kind::registered_model, id).contains("owner"));
  EXPECT_EQ(names(Kind::registered_model), "a");
  EXPECT_NE(model("c"), id) << "and it goes on";
}

TEST_F(BackupTest, WhatIsNoIntactRegistryIsNotRestored) {
  model("a");
  records_.backup(copy_);
  std::string bytes = *read_file(copy_);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = 'x';
  const auto refused = [&](const std::string& content) {
    std::ofstream(copy_, std::ios::binary) << content;
    return code_of([&] { restore_records(copy_, path_); });
  };
  EXPECT_EQ(refused(bytes), Code::malformed);
  EXPECT_EQ(refused("no database, but long enough to look at" + std::string(4096, '-')),
            Code::malformed);
  EXPECT_EQ(refused(""), Code::malformed) << "an empty file is none";
  EXPECT_EQ(code_of([&] { restore_records(folder_.path() / "none.db", path_); }), Code::not_found);
  EXPECT_EQ(names(Kind::registered_model), "a") << "it stays as it was";
}

}  // namespace
}  // namespace dray
