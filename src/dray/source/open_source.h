// From what a user typed to a source.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dray/hub/client.h"
#include "dray/source/source.h"

namespace dray {

/// Makes a source from its address ("s3://bucket/prefix").
using SourceFactory = std::function<std::unique_ptr<Source>(const std::string& address)>;

struct SourceOptions {
  hub::ClientOptions hub;
  /// For schemes that this room cannot open itself: "s3", "oci" …
  std::map<std::string, SourceFactory> factories;
};

/// "/a", "./a", "../a", "~/a", ".", "..", "~": a folder of this machine, said without "dir:".
bool is_path(std::string_view text);

/// - `hf://org/name[@rev]`, a page's address on the Hub, plain `org/name[@rev]` or `name`: the Hub
/// - `./path`, `../path`, `/path`, `~/path`, `.`, `..`, `dir:path`: a local folder
/// - `hf-cache:org/name[@rev]`: the Hub's cache on this machine
/// - other schemes: by `factories`; without one s3:// and oci:// are Code::unsupported, the rest
///   Code::usage
///
/// Does no I/O but to warn when a plain name is also a folder here.
std::unique_ptr<Source> open_source(std::string_view text, const SourceOptions& options);

}  // namespace dray
