// Inside of the engine: the scheduler's state and the steps of its workers. Not for other rooms.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/rate_limit.h"
#include "dray/transfer/engine.h"
#include "dray/transfer/object_run.h"

namespace dray {

/// How many objects with chunks still to be opened are kept open at once: enough that their ordered
/// hashing runs on several cores, few enough that each gets on.
inline constexpr std::size_t kActive = 4;

class Engine::Impl {
 public:
  Impl(Source& source, Store& store, const TransferOptions& options, Progress& progress);

  std::vector<ObjectResult> run(const TransferPlan& plan, const std::vector<JournalObject>& known,
                                const std::stop_token& stop);
  void pause(const std::stop_token& stop);
  std::vector<JournalObject> state() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct BlockTask {
    ObjectRun* object;
    Chunk* chunk;
    std::size_t block;
  };
  struct PutTask {
    ObjectRun* object;
    Chunk* chunk;  // nullptr: commit the object
  };
  friend class OutputWriter;

  // engine.cc: set-up, phases, failure
  void prepare(const TransferPlan& plan, const std::vector<JournalObject>& known);
  void share_memory(const TransferPlan& plan);
  void let_go_of_memory();
  void take_up(ObjectRun& object, const JournalObject& known);
  void start_workers(std::vector<std::jthread>& workers);
  void next_rank(const Lock&);
  void note(const Lock&, ObjectRun& object, bool verified, bool copy_pending);
  void finished(const Lock&, ObjectRun& object, ObjectResult result);
  void drop_useless_uploads();
  void guarded(const std::function<void()>& work) noexcept;
  void fail(const Error& error);
  void before_retry(const Error& error, int& failures);
  template <typename Work>
  auto with_retries(int& failures, Work&& work) -> decltype(work()) {
    for (;;) {
      try {
        return work();
      } catch (const Rewind&) {
        throw;
      } catch (...) {
        before_retry(current_error(), failures);
      }
    }
  }

  // engine_open.cc: opening objects and chunks
  ObjectRun* to_open(const Lock&);
  void open_object(ObjectRun& object);
  void took_up(const Lock&, ObjectRun& object, const std::vector<PutPart>& present);
  void go_on_hashing(const Lock&, ObjectRun& object);
  void activate(const Lock&, ObjectRun& object);
  bool open_some_chunk(const Lock& lock);
  bool open_chunk(const Lock&, ObjectRun& object, std::uint64_t index, bool for_hash);
  void queue_blocks(const Lock&, ObjectRun& object, Chunk& chunk, bool first);
  bool reserve_output(const Lock&, ObjectRun& object);
  bool steal_for(const Lock& lock, ObjectRun& object);

  // engine_copy.cc: what the store holds already is copied inside it
  void copy_if_possible(const Lock&, ObjectRun& object);
  void copy_worker();
  void copy_object(ObjectRun& object);

  // engine_fetch.cc: reading blocks
  void fetch_worker();
  void fetch_block(const BlockTask& task);
  void went_well(const Lock&);
  void read_input(ObjectRun& object, ByteRange range, MutableBytes out);
  void read_unit(std::size_t unit, std::uint64_t offset, MutableBytes out);
  void expect_made(ObjectRun& object);
  ByteRange block_range(const Chunk& chunk, std::size_t block) const;
  void block_done(Lock& lock, const BlockTask& task, std::uint64_t crc);
  void chunk_full(const Lock& lock, ObjectRun& object, Chunk& chunk);
  void release_if_done(const Lock&, ObjectRun& object, Chunk& chunk);

  // engine_hash.cc: the frontier
  void advance(Lock& lock, ObjectRun& object);
  void digest(ObjectRun& object, Bytes bytes);
  Bytes at_frontier(const ObjectRun& object, Chunk*& chunk) const;
  void hashed(const Lock& lock, ObjectRun& object, Chunk& chunk, std::size_t bytes);
  void input_complete(Lock& lock, ObjectRun& object);
  void fetch_again(const Lock& lock, ObjectRun& object, const Error& why);
  void drain(const Lock& lock, ObjectRun& object);
  void restart_if_drained(const Lock& lock, ObjectRun& object);
  MutableBytes output_space(ObjectRun& object);
  void output_filled(ObjectRun& object, std::uint64_t bytes);
  void output_part_full(const Lock& lock, ObjectRun& object);

  // engine_put.cc: storing parts and objects
  void put_worker();
  void put_due(const Lock& lock, ObjectRun& object, Chunk& chunk);
  void queue_put(const Lock&, ObjectRun& object, Chunk& chunk);
  void pump_in_order(const Lock&, ObjectRun& object);
  void put_part(ObjectRun& object, Chunk& chunk);
  std::optional<PutPart> copy_part(ObjectRun& object, const Chunk& chunk, Bytes bytes);
  void part_stored(Lock& lock, ObjectRun& object, Chunk& chunk, const PutPart& part);
  void rewound(const Lock& lock, ObjectRun& object, Chunk& chunk, std::uint64_t offset);
  void leave(const Lock& lock, ObjectRun& object, Chunk& chunk);
  void upload_lost(const Lock& lock, ObjectRun& object, Chunk* chunk, const Error& why);
  void seal_if_ready(const Lock&, ObjectRun& object);
  void commit(ObjectRun& object);
  ObjectResult make(ObjectRun& object);

  // engine_ordered.cc: sources that give bytes only in order
  void feed_in_order();
  void ordered_pass(OrderedReader& reader, std::size_t asked);
  ObjectRun& object_of(const FileEntry& member);
  void feed_object(OrderedReader& reader, ObjectRun& object);
  void feed_chunk(Lock& lock, OrderedReader& reader, ObjectRun& object, Chunk& chunk);
  std::vector<FileEntry> unfed_files(const Lock&);

  void forget(const Lock& lock, ObjectRun& object, Chunk& chunk);

  Source& source_;
  Store& store_;
  const TransferOptions options_;
  Progress& progress_;
  RateLimit rate_;
  const TransferPlan* plan_ = nullptr;
  bool ordered_ = false;  // the source gives bytes only in order; constant while running

  mutable std::mutex mutex_;
  std::condition_variable cv_;  // anything below changed
  BufferPool pool_;
  BufferPool outputs_{0};       // of transforms
  std::size_t unreserved_ = 0;  // transforms that have no buffer of them yet
  std::vector<std::unique_ptr<ObjectRun>>
      objects_;  // in plan order; the vector is constant while running
  std::map<int, std::vector<ObjectRun*>> ranks_;  // those whose turn has not come
  std::deque<ObjectRun*> waiting_;                // of this rank, to be opened, in plan order
  std::deque<ObjectRun*> copies_;                 // of this rank, to be copied inside the store
  std::vector<ObjectRun*> active_;                // open, with chunks still to be opened
  std::deque<BlockTask> blocks_;
  std::deque<PutTask> puts_;
  int rank_ = 0;
  std::size_t rank_left_ = 0;  // objects of this rank that are not done
  std::size_t opening_ = 0;
  std::size_t unfed_ = 0;     // objects that an ordered source is still to feed
  std::uint64_t proofs_ = 0;  // how often an object was found right: whether a pass got anywhere
  // Of an ordered source: the objects by path, constant while running.
  std::map<std::string, ObjectRun*, std::less<>> by_path_;
  int fetching_ = 0, fetch_limit_;
  const int fetch_slots_;   // most fetches at once
  bool throttled_ = false;  // the source asked to slow down, and nothing came since
  int smooth_ = 0;          // blocks since then
  std::chrono::steady_clock::time_point paused_until_{};
  bool over_ = false;  // all done, or failed
  std::optional<Error> error_;
  std::stop_source stop_;
};

}  // namespace dray
