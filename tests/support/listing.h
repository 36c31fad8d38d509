// Listings of model repositories written as text, for tests of what is chosen of them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/selection.h"
#include "dray/model/snapshot.h"

namespace dray::test {

/// A repository and what is expected to be taken of it. One line each:
///   + PATH SIZE        a file that the default choice takes
///   - PATH SIZE        a file that it leaves
///   index PATH NAME…   the content of an index: the files that it names (relative to its folder)
///   text PATH CONTENT  the content of another small file
/// `{001..163}` in a path or name counts, the width kept. SIZE may be left out (100).
struct Listing {
  Snapshot snapshot;
  std::vector<std::string> taken, left;  // sorted
  std::map<std::string, std::string> contents;
  /// Reads from `contents`; the listing must outlive it.
  ReadSmall read() const;
};

Listing parse_listing(std::string_view table);

}  // namespace dray::test
