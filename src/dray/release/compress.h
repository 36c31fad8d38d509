// Compression on the way into a store: which files become others, known from their headers before
// the first weight moves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/base/transform.h"
#include "dray/model/selection.h"
#include "dray/model/snapshot.h"
#include "dray/quantize/choice.h"
#include "dray/quantize/scheme.h"
#include "dray/quantize/shard_input.h"
#include "dray/source/source.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct CompressOptions {
  quantize::Scheme scheme;
  std::vector<std::string> ignore;  // globs over modules that stay as they are
};

/// Decided for one model.
struct Compression {
  CompressOptions options;
  std::size_t quantized = 0;               // weights
  std::vector<quantize::KeptWeight> kept;  // the other matrices
  std::vector<std::string> advice;         // what a server will not like about the result

  struct Shard {
    std::shared_ptr<const quantize::ShardInput> input;
    TransformFacts made;  // of what makes it the other one
  };
  std::map<std::string, Shard> shards;  // files whose weights are quantized, by path
  struct Text {
    std::string sha256;  // of the source's file
    std::shared_ptr<const Buffer> after;
  };
  std::map<std::string, Text> texts;  // files that are written anew: config.json, the index

  std::uint64_t bytes_before = 0, bytes_after = 0;  // of the shards

  bool changes(const std::string& path) const {
    return shards.contains(path) || texts.contains(path);
  }
  /// Bytes of what becomes of a file.
  std::uint64_t size_of(const FileEntry& file) const;
  /// Bytes that what is known of its weights takes until they are recorded.
  std::uint64_t held() const;
  /// Its part of the manifest's `transforms`.
  Json record() const;
};

/// Reads the headers of all shards, the index and config.json. Code::unsupported, saying what would
/// work, for weights that are no safetensors, are quantized already or cannot be quantized so;
/// Code::malformed for broken headers.
Compression plan_compression(Source& source, const Choice& choice, const CompressOptions& options,
                             const std::stop_token& stop);

/// By path of the shard; each takes memory only while it is at work. Where the scheme needs to know
/// whole weights first (NVFP4) all shards are read once for that.
std::map<std::string, std::shared_ptr<Transform>> shard_transforms(
    Source& source, const Choice& choice, const Compression& compression,
    const TransferOptions& options, Progress& progress, const std::stop_token& stop);

}  // namespace dray
