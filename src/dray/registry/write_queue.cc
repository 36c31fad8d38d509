#include "dray/registry/write_queue.h"

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray::sqlite {

WriteQueue::WriteQueue(const std::filesystem::path& path)
    : connection_(path, Connection::Use::write),
      thread_([this](const std::stop_token& stop) { serve(stop); }) {}

WriteQueue::~WriteQueue() {
  thread_.request_stop();
  thread_.join();
}

void WriteQueue::run(const Work& work, const std::stop_token& stop) {
  throw_if_stopped(stop);
  Job job{.work = &work};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&job);
  arrived_.notify_one();
  if (!finished_.wait(lock, stop, [&job] { return job.done; })) {
    // What has been taken from the queue is being written, and ends soon.
    if (std::erase(waiting_, &job) != 0) throw_if_stopped(stop);
    finished_.wait(lock, [&job] { return job.done; });
  }
  if (job.error) std::rethrow_exception(job.error);
}

WriteQueue::Batch WriteQueue::take_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

void WriteQueue::finish(const Batch& batch, const std::exception_ptr& error) {
  {
    const std::lock_guard lock(mutex_);
    for (Job* job : batch) {
      if (!job->error) job->error = error;
      job->done = true;
    }
  }
  finished_.notify_all();
}

void WriteQueue::serve(const std::stop_token& stop) {
  connection_.database().stop_with(stop);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!arrived_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
    }
    Batch batch;
    std::exception_ptr error;
    try {
      // Only now are the writes taken: until another process has let go of the file, their callers
      // can still give up.
      Transaction transaction(connection_.database());
      batch = take_all();
      write(batch);
      transaction.commit();
    } catch (...) {
      error = std::current_exception();
      if (batch.empty()) batch = take_all();
    }
    finish(batch, error);
  }
}

void WriteQueue::write(const Batch& batch) {
  for (Job* job : batch) {
    try {
      write_one(*job);
    } catch (...) {
      job->error = std::current_exception();
      // After a full disk and the like SQLite has rolled all of it back: then all have failed.
      if (!connection_.database().in_transaction()) throw;
    }
  }
}

void WriteQueue::write_one(Job& job) {
  Database& database = connection_.database();
  database.execute("SAVEPOINT work");
  try {
    (*job.work)(connection_);
  } catch (...) {
    if (database.in_transaction()) database.execute("ROLLBACK TO work; RELEASE work");
    throw;
  }
  database.execute("RELEASE work");
}

}  // namespace dray::sqlite
