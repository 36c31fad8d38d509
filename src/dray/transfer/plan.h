// The plan of a transfer: which objects are made, of which bytes. Pure values; making and checking
// it has no effects.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dray/base/json.h"
#include "dray/base/transform.h"
#include "dray/model/range_digests.h"
#include "dray/model/snapshot.h"
#include "dray/store/store.h"
#include "dray/transfer/stored_ranges.h"

namespace dray {

/// Bytes known beforehand (a tar header, a planned safetensors header).
struct LiteralSegment {
  std::shared_ptr<const Buffer> bytes;
};
/// A range of a verification unit (an input file), read from the source.
struct SourceSegment {
  std::size_t unit = 0;  // index into TransferPlan::units
  ByteRange range;
};
/// A range of an object that the store holds already, pinned by its ETag.
struct StoredSegment {
  StoredObject from;
  ByteRange range;
};
using Segment = std::variant<LiteralSegment, SourceSegment, StoredSegment>;
std::uint64_t segment_length(const Segment& segment);

/// One object to be made. Its input is its segments one after another; without a transform the
/// input is the object.
struct ObjectPlan {
  ObjectSpec spec;
  std::string label;  // for progress and errors: the file's path
  std::vector<Segment> segments;
  std::shared_ptr<Transform> transform;  // null = none
  int rank = 0;           // objects of a rank become visible only after all of lower ranks
  bool replaces = false;  // what lies under the key goes, right before this object becomes visible
  /// The same content lies in the store already: tried first, by copying inside the store.
  std::optional<StoredObject> copy_from;
  std::vector<std::uint64_t> copy_part_crc64;  // what is known of it, for the manifest
  std::uint64_t copy_part_size = 0;
  /// Index of an earlier object of the plan, of the same rank or a lower one, with the same
  /// content: once that is made it is copied inside the store.
  std::optional<std::size_t> same_as;

  /// Digests of its pieces are wanted in the result; only for plain objects. They are told of
  /// tensors if it is a safetensors file.
  enum class Digests { none, pieces, tensors } digests = Digests::none;
  /// Parts whose bytes are found here are copied inside the store, not sent. Then spec.part_ends
  /// are some of `piece_ends`.
  std::shared_ptr<const StoredRanges> reusable;
  std::vector<std::uint64_t> piece_ends;

  std::uint64_t input_size() const;
  /// Its input is one whole unit and nothing else.
  bool of_one_unit() const;
  /// … and it is that unit as it is: the object's SHA-256 is the unit's.
  bool plain() const { return transform == nullptr && of_one_unit(); }
};

struct TransferPlan {
  std::vector<FileEntry>
      units;  // verification units: files with the digests their publisher states
  std::vector<ObjectPlan> objects;
  /// Units that are objects of this plan: by index of the unit, that of the object. They are read
  /// from the store when it is made, and proved by its SHA-256.
  std::map<std::size_t, std::size_t> made = {};
  std::uint64_t held = 0;  // bytes that what is known of them takes all the while
};

/// Asserts what the engine relies on, throwing Code::internal: segments add up to the object (or
/// the transform's output does), every unit is covered wholly, once, in ascending order by a single
/// object, one unit after another; what is the same as another object comes after it, and what is
/// made of another one has a higher rank.
void check_plan(const TransferPlan& plan);

/// One piece of an input range: part of one segment.
struct Piece {
  std::size_t segment = 0;
  ByteRange in_segment;  // relative to the segment's first byte
  std::uint64_t at = 0;  // offset in the input
};
/// The pieces of `range` of the object's input, in order.
std::vector<Piece> pieces_of(const ObjectPlan& object, ByteRange range);

/// What became of an object.
struct ObjectResult {
  std::string key;
  std::uint64_t size = 0;
  std::string sha256;
  std::uint64_t part_size = 0;            // 0 = made in one piece, or of uneven parts
  std::vector<std::uint64_t> part_crc64;  // then one, of the whole
  std::string etag;
  bool moved = true;                     // false: was there, or was copied inside the store
  std::vector<RangeDigest> ranges = {};  // where asked for; none of what an earlier run hashed
  /// SHA-256 of each unit in it, in order; empty where one unit is all of the input.
  std::vector<std::string> unit_sha256 = {};
  // Of an object with a transform: SHA-256 of its input, and what the transform reported.
  std::string input_sha256 = {};
  std::string report = {};
};

}  // namespace dray
