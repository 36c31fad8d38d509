// The throw-away objects and uploads of a probe. Private to this room.
#pragma once

#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dray/store/probe.h"

namespace dray {

/// An upload that has one part.
struct UploadedPart {
  std::string key, id;
  s3::PartInfo part;
};

/// Whether the call was answered with this status. Done is no; failures that say nothing about the
/// question are thrown.
template <typename Call>
bool refused_with(int status, const http::RetryPolicy& policy, const std::stop_token& stop,
                  Call call) {
  return with_retry(policy, stop, [&] {
    try {
      call();
      return false;
    } catch (const Error& e) {
      if (e.http_status() == status) return true;
      // Another refusal (501 for a header it does not know) is not what was asked for either.
      if (e.http_status() >= 400 && !e.retryable() && e.code() != Code::auth) return false;
      throw;
    }
  });
}

/// Names them, and removes them: at the end by clean_up(), whose failure is one of the probe, else
/// by the destructor, as far as that is possible.
class ProbeObjects {
 public:
  ProbeObjects(s3::Client& client, std::string prefix, const std::stop_token& stop)
      : client_(client), prefix_(std::move(prefix)), stop_(stop) {}
  ProbeObjects(const ProbeObjects&) = delete;
  ProbeObjects& operator=(const ProbeObjects&) = delete;
  ~ProbeObjects();

  const std::string& prefix() const { return prefix_; }
  /// "<prefix><what>", to be removed.
  std::string key(std::string_view what);
  /// Begins an upload, to be aborted unless it comes to nothing else.
  std::string begin(const std::string& key, const s3::CreateOptions& options);
  void clean_up();

 private:
  s3::Client& client_;
  const std::string prefix_;
  const std::stop_token& stop_;
  std::set<std::string> keys_;
  std::vector<std::pair<std::string, std::string>> uploads_;
  bool clean_ = false;
};

}  // namespace dray
