// Whether a registry shows what a store holds.
#pragma once

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/release/check.h"
#include "dray/store/version_log.h"

namespace dray {

struct KnownRelease {
  Manifest manifest;
  VersionState state = VersionState::live;
};

/// What the store holds, as far as it could be read.
struct StoreContent {
  std::vector<KnownRelease> releases;
  std::set<std::string> unreadable;          // "name:version" whose records cannot be read
  std::map<std::string, VersionState> gone;  // "name:version" that were there once
  std::map<std::string, std::map<std::string, std::string>> aliases;  // model → alias → version
};

/// Adds what differs, and mends it if the request says so.
void check_registry(const CheckRequest& request, const StoreContent& content,
                    std::vector<Finding>& findings, const std::stop_token& stop);

}  // namespace dray
