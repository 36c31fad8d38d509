#include "dray/registry/connection.h"

#include <utility>

namespace dray::sqlite {

namespace {

// Statements of plain requests are far fewer. Filters come in any number of shapes; those beyond
// this are prepared each time.
constexpr std::size_t kMostStatements = 256;
// Of bytes that one connection keeps in memory: all upper levels of the indexes.
constexpr const char* kReading =
    "PRAGMA query_only = ON; PRAGMA cache_size = -16384; PRAGMA case_sensitive_like = ON";
constexpr const char* kWriting = "PRAGMA cache_size = -32768";

}  // namespace

Connection::Connection(const std::filesystem::path& path, Use use)
    : database_(Database::open(path)) {
  database_.execute(use == Use::read ? kReading : kWriting);
}

Connection::Prepared Connection::prepared(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return Prepared(found->second);
  if (statements_.size() >= kMostStatements)
    return Prepared(std::make_unique<Statement>(database_, sql));
  return Prepared(statements_.try_emplace(std::string(sql), database_, sql).first->second);
}

ConnectionPool::Lease ConnectionPool::take() {
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr)
    connection = std::make_unique<Connection>(path_, Connection::Use::read);
  return {*this, std::move(connection)};
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
}

}  // namespace dray::sqlite
