// SQLite for C++: what the registry needs of it, with errors as `dray::Error`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace dray::sqlite {

/// One connection: foreign keys on, commits durable. A statement
/// that finds the database locked waits up to 30 s, and ends early when told to stop. Not
/// thread-safe. Errors: Code::locked (transient) after that wait, storage, malformed for a damaged
/// or foreign file, conflict for a violated constraint, cancelled.
class Database {
 public:
  /// Opens the file; makes it and its folders if absent.
  static Database open(const std::filesystem::path& path);

  /// Turns the file to write-ahead logging, which it then keeps: readers and the writer do not wait
  /// for each other. Where the file system cannot do that (some network ones), it stays as it is.
  void write_ahead();
  /// Runs statements that take no parameters and give no rows.
  void execute(const char* sql);
  std::int64_t last_id() const;
  /// False after an error that made SQLite roll the whole transaction back.
  bool in_transaction() const;
  /// What ends waits from now on.
  void stop_with(const std::stop_token& stop);
  const std::filesystem::path& path() const;
  /// The error for the last call on this connection, which failed.
  [[noreturn]] void fail(const char* verb) const;

 private:
  friend class Statement;
  friend void copy_database(Database& from, Database& to, const std::stop_token& stop);
  struct State;
  struct Close {
    void operator()(State* state) const;
  };
  explicit Database(std::unique_ptr<State, Close> state);
  std::unique_ptr<State, Close> state_;
};

/// A prepared statement. Parameters are bound in the order of the `?` in it. The database must
/// outlive it.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view value);
  Statement& bind(double value);
  /// Empty text is stored as NULL: the registry's "not stated".
  Statement& bind_or_null(std::string_view value);

  /// The next row; false when there is none.
  bool step();
  /// For statements without rows.
  void run();
  /// Columns of the current row, from 0.
  std::int64_t integer(int column) const;
  std::string text(int column) const;  // "" for NULL
  /// As `text`, without a copy: until the next step.
  std::string_view view(int column) const;
  bool is_null(int column) const;
  /// Forgets rows and parameters; the statement can be bound and run again.
  void reset();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

/// Copies a whole database while others read and write it, some pages at a time.
void copy_database(Database& from, Database& to, const std::stop_token& stop);

/// Takes the write lock at once, so that what is read inside stays true until `commit`; rolled back
/// if that is not reached.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace dray::sqlite
