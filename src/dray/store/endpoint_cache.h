// What was found out about S3 endpoints, remembered between processes.
#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "dray/base/time.h"
#include "dray/store/probe.h"

namespace dray {

/// Remembers findings in a file for seven days: {"format": "dray-endpoints", "format_version": 2,
/// "endpoints": {place: {"time": …, …}}}. A cache: what cannot be read or written is only logged.
/// Thread-safe; processes may share the file, the last writer wins.
class EndpointCache {
 public:
  explicit EndpointCache(std::filesystem::path file, std::function<UnixTime()> now = unix_now)
      : file_(std::move(file)), now_(std::move(now)) {}

  /// `place` is endpoint and bucket: "https://host/bucket".
  std::optional<S3Capabilities> find(const std::string& place);
  void remember(const std::string& place, const S3Capabilities& found);
  void forget(const std::string& place);

 private:
  void update(const std::string& place, const S3Capabilities* found);

  const std::filesystem::path file_;
  const std::function<UnixTime()> now_;
  std::mutex mutex_;
};

}  // namespace dray
