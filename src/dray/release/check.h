// Whether a store's records, its files and a registry agree, and what can be mended.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "dray/registry/registry.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"

namespace dray {

struct Finding {
  /// Stable, for programs: "files-missing", "alias-to-nothing", "unfinished-removal",
  /// "unfinished-restore", "unreadable-record"; with a registry "release-without-entry",
  /// "entry-without-release", "entry-of-other-content", "wrong-uri", "wrong-state",
  /// "wrong-aliases".
  std::string kind;
  std::string object;    // "llama:1.0.0", "llama@production"
  std::string what;      // for people
  std::string fix;       // what to do; "" where --fix does it
  bool can_fix = false;  // without guessing
  bool fixed = false;
};

struct CheckRequest {
  Store* store = nullptr;        // borrowed
  Registry* registry = nullptr;  // borrowed; nullptr: the store alone
  std::string place{kDefaultTemplate};
  MoveNote note;     // of what is mended
  bool fix = false;  // mend what can be mended without guessing
};

/// Reads the records and lists the files (names and sizes, not bytes: `dray verify` reads those).
/// Of the registry only entries whose place is in this store count.
std::vector<Finding> check_catalog(const CheckRequest& request, const std::stop_token& stop);

}  // namespace dray
