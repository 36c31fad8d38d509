#include "dray/store/probe_objects.h"

#include "dray/base/log.h"

namespace dray {

std::string ProbeObjects::key(std::string_view what) {
  return *keys_.insert(prefix_ + std::string(what)).first;
}

std::string ProbeObjects::begin(const std::string& key, const s3::CreateOptions& options) {
  std::string id = client_.create_upload(key, options, stop_);
  uploads_.emplace_back(key, id);
  return id;
}

void ProbeObjects::clean_up() {
  for (const auto& key : keys_) client_.delete_object(key, stop_);
  clean_ = true;
}

ProbeObjects::~ProbeObjects() {
  if (clean_) return;
  try {
    for (const auto& [key, id] : uploads_) client_.abort_upload(key, id, {});
    for (const auto& key : keys_) client_.delete_object(key, {});
  } catch (...) {
    debug("could not remove probe objects at {}: {}", client_.uri(prefix_), current_error().what());
  }
}

}  // namespace dray
