// The part engine: moves the objects of a plan from a source into a store, verified, within a
// memory budget.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "dray/source/source.h"
#include "dray/store/store.h"
#include "dray/transfer/journal.h"
#include "dray/transfer/options.h"
#include "dray/transfer/plan.h"
#include "dray/transfer/progress.h"

namespace dray {

/// How it works:
/// - An object's input is cut into chunks (a store part; for transforms a block of input). A chunk
///   takes its memory when it is opened, and chunks are opened in the order of the object's bytes:
///   the one that ordered hashing waits for always has memory, so the budget cannot deadlock.
/// - Fetch workers fill chunks by blocks, in parallel. Whoever completes the block at the hash
///   frontier hashes on from there while the bytes are warm. A chunk that is full goes to the put
///   workers at once; its memory is free when it is hashed and acknowledged.
/// - An object of several parts is committed when all parts are acknowledged and every unit in it
///   is verified. An object of one part is made in one step after it is verified. Objects of a rank
///   follow those of lower ranks.
/// - On a digest mismatch the object is fetched once more; parts whose CRC64 differs are put again;
///   a second mismatch ends the transfer. An upload that the store has lost is begun anew, once.
class Engine {
 public:
  /// Borrows all; they must outlive the engine.
  Engine(Source& source, Store& store, const TransferOptions& options, Progress& progress);
  ~Engine();

  /// Carries out `plan`. `known` (sorted by key) is what an earlier run left: finished objects are
  /// skipped, unfinished uploads taken up. Results are in plan order. Throws the first error;
  /// uploads then stay as they are, to be taken up by state(). Called once.
  std::vector<ObjectResult> run(const TransferPlan& plan, const std::vector<JournalObject>& known,
                                const std::stop_token& stop);

  /// After run() threw: uploads that are left come into a state that can be taken up, all at once,
  /// as far as they get before `stop` is requested. Before state() is saved for good.
  void pause(const std::stop_token& stop);
  /// What a later run needs, at this moment, sorted by key. Thread-safe, also after run() threw.
  std::vector<JournalObject> state() const;

  class Impl;  // engine_impl.h; not for other rooms

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray
