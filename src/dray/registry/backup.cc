#include "dray/registry/backup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/registry/records.h"
#include "dray/registry/schema.h"

namespace dray {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// A file that goes away unless it was kept.
class Draft {
 public:
  explicit Draft(const std::filesystem::path& target)
      : path_(fmt::format("{}.{}.part", target.string(), ::getpid())) {
    remove();
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() { remove(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    for (const char* part : {"", "-journal", "-wal", "-shm"})
      std::filesystem::remove(path_.string() + part, ignored);
  }
  const std::filesystem::path path_;
};

}  // namespace

void check_database(Database& database) {
  Statement check(database, "PRAGMA quick_check(1)");
  const std::string verdict = check.step() ? check.text(0) : "no answer";
  if (verdict != "ok")
    throw Error(Code::malformed, "the database is damaged: " + verdict)
        .on("check", "sqlite:" + database.path().string())
        .from(Side::registry)
        .hint("move it away; the registry can be made anew from the stores");
}

void backup_database(Database& database, const std::filesystem::path& target,
                     const std::stop_token& stop) {
  const Draft draft(target);
  {
    Database copy = Database::open(draft.path());
    copy_database(database, copy, stop);
    // One file that is complete by itself, without a log beside it.
    Statement(copy, "PRAGMA journal_mode = DELETE").step();
  }
  std::error_code failed;
  std::filesystem::rename(draft.path(), target, failed);
  if (failed)
    throw Error(Code::storage, failed.message()).on("write", target.string()).from(Side::registry);
  sync_folder(target.has_parent_path() ? target.parent_path() : ".");
}

void restore_records(const std::filesystem::path& backup, const std::filesystem::path& path,
                     const std::stop_token& stop) {
  if (!std::filesystem::exists(backup))
    throw Error(Code::not_found, "there is no such file")
        .on("read", backup.string())
        .from(Side::registry);
  Database from = Database::open(backup);
  check_is_registry(from);
  check_database(from);
  Database to = Database::open(path);
  check_is_registry_or_empty(to);
  copy_database(from, to, stop);
  migrate_schema(to);
}

}  // namespace dray
