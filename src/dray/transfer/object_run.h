// The state of one object while the engine moves it. Everything here is guarded by the engine's
// lock unless said otherwise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/store/store.h"
#include "dray/transfer/buffers.h"
#include "dray/transfer/hasher.h"
#include "dray/transfer/journal.h"
#include "dray/transfer/plan.h"

namespace dray {

/// A run of bytes in memory: filled by blocks, hashed, put as a part.
struct Chunk {
  std::uint64_t index = 0;
  ByteRange range;  // of the input; of the output for a transform's parts
  PoolBuffer buffer;
  std::vector<std::uint64_t> block_crc;
  std::vector<bool> fetched;
  std::size_t missing = 0;  // blocks not fetched yet
  std::uint64_t crc = 0;    // of all bytes, once missing is 0
  bool hashed = false;      // the hash frontier passed it, or need not
  bool put_due = false;     // to be put (or being put); its bytes are needed until then
  bool queued = false;      // a put worker will come for it
  bool putting = false;
  bool hashing = false;  // its bytes are being read by whoever is at the frontier
  int failures = 0;      // of fetching and putting together: one budget a part
};

/// What is known of a part of the object.
struct Part {
  std::optional<PutPart> stored;  // acknowledged by the store, and its bytes' CRC
  /// CRC of the bytes that were hashed: what is fetched again only to be put must have it.
  std::optional<std::uint64_t> hashed_crc;
};

/// The output side of an object with a transform.
struct TransformState {
  Sha256 sha;                 // of the output so far
  std::uint64_t written = 0;  // bytes of output so far
  Chunk* current = nullptr;   // being filled, in `outputs`
  std::uint64_t current_filled = 0;
  std::map<std::uint64_t, Chunk> outputs;  // by part index
  std::size_t reserved = 0;                // buffers taken from the pool for the output
  std::vector<PoolBuffer>
      spare;  // taken beforehand, so that the frontier never waits for others' memory
};

enum class ObjectState {
  idle,      // not looked at yet
  opening,   // a worker asks the store (begin, copy)
  open,      // bytes move
  draining,  // to be fetched again: waits until what is in memory has left
  sealed,    // commit or create is due or under way
  done,
};

struct ObjectRun {
  ObjectRun(const TransferPlan& transfer, const ObjectPlan& object, PartLayout part_layout)
      : plan(&object),
        layout(std::move(part_layout)),
        input_size(object.input_size()),
        parts(layout.count()),
        hasher(std::make_unique<InputHasher>(transfer, object)) {}

  const ObjectPlan* plan;
  PartLayout layout;
  std::uint64_t input_size;
  ObjectState state = ObjectState::idle;
  std::unique_ptr<Upload> upload;  // null for objects of one part
  std::vector<Part> parts;
  std::map<std::uint64_t, Chunk> chunks;  // of the input, in memory
  std::uint64_t next_chunk = 0;           // to be opened for hashing
  std::set<std::uint64_t>
      again;  // parts to be fetched again only to be put (lost, or asked for by Rewind)
  std::unique_ptr<InputHasher> hasher;  // used without the lock by whoever set `hashing`
  bool hashing = false;
  std::uint64_t frontier = 0;  // input bytes hashed
  /// Hash states at part boundaries, by offset: the last one before which the store holds every
  /// part, and those behind it.
  std::map<std::uint64_t, SavedHash> hash_states;
  std::uint64_t acknowledged = 0;  // parts from the first on that the store holds
  bool verified = false;           // all units proved
  bool held =
      false;  // not to be committed before the ordered pass ended (its units state no digest)
  bool copy_pending = false;      // it may yet be copied inside the store
  ObjectRun* original = nullptr;  // constant: of the same content, made before (plan->same_as)
  std::vector<ObjectRun*> twins;  // constant: those that wait for this one
  int pass = 1;
  int restarts = 0;         // how often it began anew, for who feeds it
  bool wrong = false;       // the second pass was no better: the upload is of no use
  bool reopen = false;      // its upload is gone: another is begun once it is drained
  bool began_anew = false;  // that happened once
  bool replaced = false;    // what lay under the key is gone (plan->replaces)
  int rewinds = 0;
  std::uint64_t in_order_next = 0;  // next part of an in-order store
  bool in_order_busy = false;
  std::optional<TransformState> transform;
  // From the journal: the upload to be taken up, and where hashing goes on.
  std::string saved_id;
  std::vector<PutPart> saved_parts;
  std::optional<SavedHash> saved_hash;
  std::string useless_id;  // upload of the journal that was cut otherwise
  bool send_all = false;   // nothing is copied any more: a copy came out wrong
  std::optional<ObjectResult> result;

  bool from_store = false;  // constant: its units are objects of this plan
  bool fed = false;         // constant: by an ordered source
  bool by_parts = false;    // constant: made by an upload even if it has one part only
  /// For progress: bytes of the object; of a pass in which nothing is made, of what is read.
  std::uint64_t shown_size() const { return plan->spec.size > 0 ? plan->spec.size : input_size; }
  std::uint64_t shown_at() const {
    return transform && plan->spec.size > 0 ? transform->written : frontier;
  }
  /// One part, made by Store::create.
  bool single() const { return parts.size() == 1 && (!by_parts || layout.object_size == 0); }
  /// The input is cut into chunks: a transform's into blocks, others as the object into parts.
  std::uint64_t chunk_count(std::uint64_t block) const {
    if (input_size == 0) return 0;
    return plan->transform ? (input_size + block - 1) / block : layout.count();
  }
  ByteRange chunk_range(std::uint64_t index, std::uint64_t block) const {
    if (!plan->transform) return layout.part(index);
    return {index * block, std::min(block, input_size - index * block)};
  }
  /// The chunk that holds this byte of the input.
  std::uint64_t chunk_of(std::uint64_t offset, std::uint64_t block) const {
    return plan->transform ? offset / block : layout.index_of(offset);
  }
  bool all_stored() const {
    for (const auto& part : parts)
      if (!part.stored) return false;
    return true;
  }
  /// An ordered source has still to feed it.
  bool unfed() const { return fed && !verified && !copy_pending; }
  void keep_hash_state(SavedHash saved) { hash_states[saved.offset] = std::move(saved); }
  /// Parts from `index` on are no longer known to be stored.
  void unacknowledge(std::uint64_t index) { acknowledged = std::min(acknowledged, index); }
  /// Where a later run may go on hashing: every part before it is acknowledged, so that nothing
  /// which was hashed has to be fetched again unproved.
  std::optional<SavedHash> resume_point();
};

}  // namespace dray
