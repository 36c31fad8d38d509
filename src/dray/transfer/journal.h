// The journal: what a later process needs to go on with a transfer. Format:
// docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/time.h"
#include "dray/store/store.h"
#include "dray/transfer/plan.h"

namespace dray {

/// Who writes a journal, precise enough to tell on the same machine that it is dead.
struct Writer {
  std::string id;    // random; the journal's file name
  std::string host;  // for people
  std::string
      machine;  // boot id and pid namespace: pids compare only where it is equal; "" = unknown
  std::int64_t pid = 0;
  std::uint64_t started = 0;  // process start, clock ticks since boot
};

/// This process, with a new random id.
Writer this_writer();
/// True only when it is certain: same machine, and no process of that pid and start time.
bool surely_dead(const Writer& writer);

/// SHA-256 state of an object's bytes [0, offset); offset is a part boundary.
struct SavedHash {
  std::uint64_t offset = 0;
  std::string sha256;  // Sha256::save()
  std::string unit{};  // the same of the file that the offset lies within, where the object is made
                       // of more than one; "" between files
  std::vector<std::string> units{};  // SHA-256 of the files that are complete before, then
};

struct JournalObject {
  std::string key;
  SavedUpload upload;  // id "" = not begun
  std::optional<SavedHash> hash;
  std::optional<ObjectResult> done;  // committed
};

struct Journal {
  Writer writer;
  std::string name, version;
  std::string source;  // "hf://org/name@commit", for people
  std::string plan;    // digest of what is transferred; another plan's bytes are of no use
  UnixTime created = 0;
  bool released =
      false;  // its writer stopped in an orderly way: no need to wait for its claim to expire
  std::vector<std::string> keys;       // all keys of the plan: what gc may look at
  std::vector<JournalObject> objects;  // those begun or done, sorted by key

  const JournalObject* find(std::string_view key) const;
};

/// Compact JSON.
std::string to_json_text(const Journal& journal);
/// Throws Code::malformed (limits, types, unsafe keys) and Code::unsupported for a newer format
/// version.
Journal parse_journal(std::string_view text, std::string_view what);

/// SHA-256 over key, size, stated digests, literal bytes and transforms of all objects: equal plans
/// continue each other.
std::string plan_digest(const TransferPlan& plan);

}  // namespace dray
