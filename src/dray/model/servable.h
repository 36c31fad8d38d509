// Whether a server could load what was chosen.
#pragma once

#include <string>
#include <vector>

#include "dray/model/selection.h"

namespace dray {

/// The format of the chosen weights: Choice::weights.
std::string weights_of(const std::vector<FileEntry>& chosen);

/// Why a server could not load the chosen files, one line each; empty if nothing speaks against it.
/// Looks at weights, shards, config and (of text models) tokenizer. Reads index files and
/// config.json, which may be broken: that is a problem too, never an exception of this function.
std::vector<std::string> serving_problems(const std::vector<FileEntry>& chosen,
                                          const std::string& weights, const Snapshot& snapshot,
                                          const ReadSmall& read);

/// The base that adapter_config.json names, as a Hub id; "" if there is none or it is a path of
/// somebody's disk.
std::string adapter_base(const Snapshot& snapshot, const ReadSmall& read);

}  // namespace dray
