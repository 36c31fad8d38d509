// --compress and what belongs to it: reading it, and telling what it will do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dray/base/json.h"
#include "dray/cli/args.h"
#include "dray/cli/command.h"
#include "dray/release/import.h"

namespace dray::cli {

/// --group-size, --asymmetric and --ignore. `needs`: as of Option.
std::vector<Option> compress_options(const std::string& needs = "");

/// How weights are to be quantized; `scheme` "" = not at all. Code::usage for flags without a
/// scheme, or that it does not have; what variables set of these is passed over.
std::optional<CompressOptions> read_compression(const Args& args, const std::string& scheme);

/// "W4A16 (rtn), 210 weights, 16.1 GB → 5.7 GB".
std::string compression_text(const Compression& compression);
/// "65 norm, 1 embeddings …": what stays as it is, and why.
std::string kept_text(const Compression& compression);
Json compression_json(const Compression& compression);

}  // namespace dray::cli
