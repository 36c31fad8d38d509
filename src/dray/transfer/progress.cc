#include "dray/transfer/progress.h"

#include <fmt/format.h>

#include <utility>

namespace dray {

void Progress::phase(std::string name) {
  std::lock_guard lock(mutex_);
  phase_ = std::move(name);
}

void Progress::total(std::uint64_t bytes, std::uint64_t files) {
  std::lock_guard lock(mutex_);
  total_bytes_ = bytes;
  total_files_ = files;
}

void Progress::begin(std::string phase, std::uint64_t bytes, std::uint64_t files) {
  std::lock_guard lock(mutex_);
  phase_ = std::move(phase);
  total_bytes_ = bytes;
  total_files_ = files;
  files_done_ = verified_ = 0;
  fetched_ = stored_ = reused_ = 0;
  active_.clear();
  finished_.clear();
}

void Progress::file_begin(const std::string& path, std::uint64_t size) {
  std::lock_guard lock(mutex_);
  active_[path] = FileProgress{path, 0, size};
}

void Progress::file_at(const std::string& path, std::uint64_t done) {
  std::lock_guard lock(mutex_);
  auto& file = active_[path];
  file.path = path;
  verified_ += done - file.done;  // may go back: a file that is fetched once more counts anew
  file.done = done;
}

void Progress::file_done(const std::string& path, std::uint64_t size) {
  std::lock_guard lock(mutex_);
  std::uint64_t counted = 0;
  if (const auto it = active_.find(path); it != active_.end()) {
    counted = it->second.done;
    active_.erase(it);
  }
  verified_ += size - counted;
  ++files_done_;
  finished_.push_back({path, size, size});
}

void Progress::waiting(std::string why) {
  std::lock_guard lock(mutex_);
  waiting_ = std::move(why);
}

void Progress::copying(int change) {
  std::lock_guard lock(mutex_);
  copying_ += change;
}

ProgressView Progress::view() const {
  ProgressView view;
  view.fetched = fetched_;
  view.stored = stored_;
  view.reused = reused_;
  view.retries = retries_;
  std::lock_guard lock(mutex_);
  view.phase = phase_;
  view.waiting = waiting_;
  if (waiting_.empty() && copying_ > 0)
    view.waiting = fmt::format("the store copies {}",
                               copying_ == 1 ? "a file" : fmt::format("{} files", copying_));
  view.total_bytes = total_bytes_;
  view.total_files = total_files_;
  view.verified = verified_;
  view.files_done = files_done_;
  for (const auto& [path, file] : active_) {
    if (view.active.size() == 6) break;
    view.active.push_back(file);
  }
  view.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - started_);
  return view;
}

std::vector<FileProgress> Progress::take_finished() {
  std::lock_guard lock(mutex_);
  std::vector<FileProgress> out(finished_.begin(), finished_.end());
  finished_.clear();
  return out;
}

}  // namespace dray
