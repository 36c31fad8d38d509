// Group commit: the writes of many threads in few transactions.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "dray/registry/connection.h"

namespace dray::sqlite {

/// Runs what is written to one file, on a thread of its own: all that is waiting goes into one
/// transaction, each write in a savepoint of its own, and one flush of the disk makes all durable.
/// Thread-safe.
class WriteQueue {
 public:
  using Work = std::function<void(Connection&)>;

  explicit WriteQueue(const std::filesystem::path& path);
  /// No call may be under way.
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// Returns when what `work` wrote is durable. What it throws is thrown here, and nothing of it is
  /// kept. Ends with Code::cancelled when `stop` is requested before it has begun, as while another
  /// process writes.
  void run(const Work& work, const std::stop_token& stop);

 private:
  struct Job {
    const Work* work = nullptr;
    std::exception_ptr error;
    bool done = false;
  };
  using Batch = std::deque<Job*>;

  void serve(const std::stop_token& stop);
  Batch take_all();
  void finish(const Batch& batch, const std::exception_ptr& error);
  void write(const Batch& batch);
  void write_one(Job& job);

  Connection connection_;
  std::mutex mutex_;
  std::condition_variable_any arrived_, finished_;
  Batch waiting_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace dray::sqlite
