// Connections to the registry's file that keep their prepared statements, and a pool of them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dray/registry/database.h"

namespace dray::sqlite {

/// A database and the statements prepared on it. Not thread-safe.
class Connection {
 public:
  enum class Use { read, write };
  Connection(const std::filesystem::path& path, Use use);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// A statement in use. It is ready for the next use when this goes; until then it may hold a
  /// read transaction.
  class Prepared {
   public:
    explicit Prepared(Statement& kept) : statement_(&kept) {}
    explicit Prepared(std::unique_ptr<Statement> own)
        : own_(std::move(own)), statement_(own_.get()) {}
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    ~Prepared() { statement_->reset(); }
    Statement* operator->() const { return statement_; }
    Statement& operator*() const { return *statement_; }

   private:
    std::unique_ptr<Statement> own_;
    Statement* statement_;
  };

  /// One use of a text at a time.
  Prepared prepared(std::string_view sql);
  Database& database() { return database_; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  Database database_;
  std::unordered_map<std::string, Statement, Hash, std::equal_to<>> statements_;
};

/// Hands connections for reading to threads; as many are open as were ever in use at once.
/// Thread-safe.
class ConnectionPool {
 public:
  explicit ConnectionPool(std::filesystem::path path) : path_(std::move(path)) {}

  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(std::move(connection_)); }
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    ConnectionPool& pool_;
    std::unique_ptr<Connection> connection_;
  };
  Lease take();

 private:
  void give_back(std::unique_ptr<Connection> connection);

  const std::filesystem::path path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace dray::sqlite
