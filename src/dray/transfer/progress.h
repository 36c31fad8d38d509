// What a running transfer tells about itself. The engine writes, a printer polls.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace dray {

struct FileProgress {
  std::string path;
  std::uint64_t done = 0, size = 0;  // verified bytes
};

struct ProgressView {
  std::string
      phase;  // "planning", "transferring", "verifying", "publishing", "registering", "done"
  std::uint64_t total_bytes = 0, total_files = 0;
  std::uint64_t fetched =
      0;  // bytes read from the source (again after faults, so it may exceed the total)
  std::uint64_t stored = 0;    // bytes acknowledged by the store
  std::uint64_t verified = 0;  // bytes hashed in order; drives the percentage
  std::uint64_t reused = 0;  // bytes that did not have to move (already there, copied in the store)
  std::uint64_t files_done = 0, retries = 0;
  std::vector<FileProgress> active;  // at most a few, in plan order
  std::string waiting;               // "asked to slow down, going on in 37 s"; "" if not waiting
  std::chrono::milliseconds elapsed{0};
};

/// Thread-safe.
class Progress {
 public:
  void phase(std::string name);
  void total(std::uint64_t bytes, std::uint64_t files);
  /// A step with a count of its own: what was counted before belongs to earlier ones.
  void begin(std::string phase, std::uint64_t bytes, std::uint64_t files);
  void fetched(std::uint64_t bytes) { fetched_ += bytes; }
  void stored(std::uint64_t bytes) { stored_ += bytes; }
  void reused(std::uint64_t bytes) { reused_ += bytes; }
  void retried() { ++retries_; }
  void file_begin(const std::string& path, std::uint64_t size);
  /// `done` verified bytes of the file so far; the total of all is kept here.
  void file_at(const std::string& path, std::uint64_t done);
  void file_done(const std::string& path, std::uint64_t size);
  void waiting(std::string why);
  /// So many more (or, negative, fewer) files are being copied inside the store, which tells
  /// nothing before it is done.
  void copying(int change);
  ProgressView view() const;
  /// Files finished since the last call, for printers that tell each.
  std::vector<FileProgress> take_finished();

 private:
  std::atomic<std::uint64_t> fetched_{0}, stored_{0}, reused_{0}, retries_{0};
  mutable std::mutex mutex_;
  std::string phase_ = "planning", waiting_;
  int copying_ = 0;
  std::uint64_t total_bytes_ = 0, total_files_ = 0, files_done_ = 0, verified_ = 0;
  std::map<std::string, FileProgress> active_;
  std::deque<FileProgress> finished_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace dray
