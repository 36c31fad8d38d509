#include "dray/registry/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray::sqlite {

namespace {

constexpr std::chrono::milliseconds kBusyStep{10};
constexpr int kMostBusySteps = 3000;  // 30 s

std::string address(const std::filesystem::path& path) { return "sqlite:" + path.string(); }

/// Holds on to what is there now: else a copy would begin anew with each write beside it.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(database) {
    database_.execute("BEGIN; SELECT 1 FROM sqlite_master");
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    try {
      database_.execute("COMMIT");
    } catch (const Error&) {
      // Nothing was written.
    }
  }

 private:
  Database& database_;
};

}  // namespace

struct Database::State {
  sqlite3* handle = nullptr;
  std::filesystem::path path;
  std::stop_token stop;

  /// SQLite calls this while another connection holds a lock; 0 gives up.
  static int busy(void* self, int times) {
    const auto* state = static_cast<State*>(self);
    if (times >= kMostBusySteps) return 0;
    return wait_for(state->stop, kBusyStep) ? 1 : 0;
  }
};

void Database::Close::operator()(State* state) const {
  sqlite3_close_v2(state->handle);
  delete state;
}

Database::Database(std::unique_ptr<State, Close> state) : state_(std::move(state)) {}

Database Database::open(const std::filesystem::path& path) {
  if (path.has_parent_path()) {
    std::error_code failed;
    std::filesystem::create_directories(path.parent_path(), failed);
    if (failed)
      throw Error(Code::storage, failed.message())
          .on("make folder", path.parent_path().string())
          .from(Side::registry);
  }
  Database out(std::unique_ptr<State, Close>(new State{.path = path}));
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &out.state_->handle, flags, nullptr) != SQLITE_OK)
    out.fail("open");
  sqlite3_extended_result_codes(out.state_->handle, 1);
  sqlite3_busy_handler(out.state_->handle, &State::busy, out.state_.get());
  out.execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL");
  return out;
}

void Database::write_ahead() {
  // Changing the mode needs the file alone; where it is set already, nothing is changed.
  const auto mode = [this] {
    Statement ask(*this, "PRAGMA journal_mode");
    return ask.step() ? ask.text(0) : "";
  };
  if (mode() != "wal") Statement(*this, "PRAGMA journal_mode = WAL").step();
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(state_->handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("change");
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(state_->handle); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(state_->handle) == 0; }

void Database::stop_with(const std::stop_token& stop) { state_->stop = stop; }

const std::filesystem::path& Database::path() const { return state_->path; }

void Database::fail(const char* verb) const {
  const int result = state_->handle == nullptr ? SQLITE_NOMEM : sqlite3_errcode(state_->handle);
  const std::string message =
      state_->handle == nullptr ? "out of memory" : sqlite3_errmsg(state_->handle);
  const auto error = [&](Code code, std::string hint) {
    return Error(code, message)
        .on(verb, address(state_->path))
        .from(Side::registry)
        .hint(std::move(hint));
  };
  switch (result & 0xFF) {  // the extended codes keep the plain one in their low byte
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      if (state_->stop.stop_requested())
        throw Error(Code::cancelled, "stopped").from(Side::registry);
      throw error(Code::locked, "another process is writing; try again").transient();
    case SQLITE_FULL:
      throw error(Code::storage, "free some space on the disk of the database");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      throw error(Code::storage, "check that the file and its folder can be written");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw error(Code::malformed,
                  "it is damaged or no SQLite database: move it away; the registry can be made "
                  "anew from the stores");
    case SQLITE_CONSTRAINT:
      throw error(Code::conflict, "");
    case SQLITE_INTERRUPT:
      throw Error(Code::cancelled, "stopped").from(Side::registry);
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
      throw error(Code::storage, "");
    default:
      throw error(Code::internal, "");
  }
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database.state_->handle, sql.data(), static_cast<int>(sql.size()),
                         &statement, nullptr) != SQLITE_OK)
    database.fail("read");
  statement_.reset(statement);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(std::int64_t value) {
  if (sqlite3_bind_int64(statement_.get(), ++bound_, value) != SQLITE_OK) database_.fail("bind");
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  // nullptr would be stored as NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  if (sqlite3_bind_text64(statement_.get(), ++bound_, data, value.size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8) != SQLITE_OK)
    database_.fail("bind");
  return *this;
}

Statement& Statement::bind(double value) {
  if (sqlite3_bind_double(statement_.get(), ++bound_, value) != SQLITE_OK) database_.fail("bind");
  return *this;
}

Statement& Statement::bind_or_null(std::string_view value) {
  if (!value.empty()) return bind(value);
  ++bound_;  // parameters that are not bound are NULL
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_.fail("read");
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const { return std::string(view(column)); }

std::string_view Statement::view(int column) const {
  const auto* data = sqlite3_column_text(statement_.get(), column);
  if (data == nullptr) return "";
  return {reinterpret_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Statement::reset() {
  // The result repeats the last step's error, which was thrown then.
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void copy_database(Database& from, Database& to, const std::stop_token& stop) {
  constexpr int kPages = 1024;  // 4 MiB between looks at `stop`
  const Snapshot held(from);
  sqlite3_backup* const copy =
      sqlite3_backup_init(to.state_->handle, "main", from.state_->handle, "main");
  if (copy == nullptr) to.fail("copy to");
  int result = SQLITE_OK;
  for (int waits = 0; !stop.stop_requested();) {
    result = sqlite3_backup_step(copy, kPages);
    if (result == SQLITE_OK) continue;
    const bool busy = result == SQLITE_BUSY || result == SQLITE_LOCKED;
    if (!busy || ++waits > kMostBusySteps) break;
    wait_for(stop, kBusyStep);
  }
  sqlite3_backup_finish(copy);
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped").from(Side::registry);
  if (result != SQLITE_DONE) to.fail("copy to");
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself after some errors (full disk, I/O); there is nothing left to
    // do.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace dray::sqlite
