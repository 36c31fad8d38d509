// Filling chunks with blocks of the input.
#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

void Engine::Impl::fetch_worker() {
  Lock lock(mutex_);
  for (;;) {
    if (over_) return;
    const bool paused = std::chrono::steady_clock::now() < paused_until_;
    if (!blocks_.empty() && !paused && fetching_ < fetch_limit_) {
      const BlockTask task = blocks_.front();
      blocks_.pop_front();
      ++fetching_;
      lock.unlock();
      fetch_block(task);
      lock.lock();
    } else if (ObjectRun* object = to_open(lock)) {
      object->state = ObjectState::opening;
      ++opening_;
      lock.unlock();
      open_object(*object);
      lock.lock();
    } else if (blocks_.empty() && open_some_chunk(lock)) {
      cv_.notify_all();
    } else if (paused) {
      cv_.wait_until(lock, paused_until_);
    } else {
      cv_.wait(lock);
    }
  }
}

ByteRange Engine::Impl::block_range(const Chunk& chunk, std::size_t block) const {
  const std::uint64_t at = block * options_.block;
  return {at, std::min(options_.block, chunk.range.length - at)};
}

void Engine::Impl::fetch_block(const BlockTask& task) {
  const ByteRange in_chunk = block_range(*task.chunk, task.block);
  const MutableBytes out = task.chunk->buffer.bytes().subspan(
      static_cast<std::size_t>(in_chunk.offset), static_cast<std::size_t>(in_chunk.length));
  rate_.acquire(out.size(), stop_.get_token());
  int failures;
  {
    Lock lock(mutex_);
    failures = task.chunk->failures;
  }
  with_retries(failures, [&] {
    read_input(*task.object, {task.chunk->range.offset + in_chunk.offset, in_chunk.length}, out);
  });
  failpoint("block-fetched");
  if (!task.object->from_store) progress_.fetched(out.size());
  const std::uint64_t crc = crc64nvme(0, out);
  Lock lock(mutex_);
  task.chunk->failures = std::max(task.chunk->failures, failures);
  --fetching_;
  went_well(lock);
  block_done(lock, task, crc);
}

/// After a source asked to slow down: a little faster again with every few blocks.
void Engine::Impl::went_well(const Lock&) {
  if (throttled_) progress_.waiting("");
  throttled_ = false;
  if (fetch_limit_ == fetch_slots_ || ++smooth_ < 8) return;
  ++fetch_limit_;
  smooth_ = 0;
}

void Engine::Impl::read_input(ObjectRun& object, ByteRange range, MutableBytes out) {
  const ObjectPlan& plan = *object.plan;
  for (const Piece& piece : pieces_of(plan, range)) {
    const MutableBytes into = out.subspan(static_cast<std::size_t>(piece.at - range.offset),
                                          static_cast<std::size_t>(piece.in_segment.length));
    const Segment& segment = plan.segments[piece.segment];
    if (const auto* literal = std::get_if<LiteralSegment>(&segment)) {
      std::memcpy(into.data(), literal->bytes->data() + piece.in_segment.offset, into.size());
    } else if (const auto* source = std::get_if<SourceSegment>(&segment)) {
      read_unit(source->unit, source->range.offset + piece.in_segment.offset, into);
    } else {
      const auto& stored = std::get<StoredSegment>(segment);
      store_.read(stored.from.key, stored.from.etag, stored.range.offset + piece.in_segment.offset,
                  into, stop_.get_token());
    }
  }
}

/// A unit that is an object of this plan comes from the store: its rank is lower, so it is there.
void Engine::Impl::read_unit(std::size_t unit, std::uint64_t offset, MutableBytes out) {
  const auto made = plan_->made.find(unit);
  if (made == plan_->made.end()) {
    source_.read(plan_->units[unit], offset, out, stop_.get_token());
    return;
  }
  const ObjectResult& object = *objects_[made->second]->result;
  store_.read(store_.properties().blobs ? object.etag : object.key, object.etag, offset, out,
              stop_.get_token());
}

/// Tells the hasher what its units must be that are objects of this plan.
void Engine::Impl::expect_made(ObjectRun& object) {
  if (!object.from_store) return;
  for (const Segment& segment : object.plan->segments)
    if (const auto* source = std::get_if<SourceSegment>(&segment))
      if (const auto made = plan_->made.find(source->unit); made != plan_->made.end())
        object.hasher->expect(source->unit, objects_[made->second]->result->sha256);
}

void Engine::Impl::block_done(Lock& lock, const BlockTask& task, std::uint64_t crc) {
  Chunk& chunk = *task.chunk;
  chunk.block_crc[task.block] = crc;
  chunk.fetched[task.block] = true;
  if (--chunk.missing == 0) chunk_full(lock, *task.object, chunk);
  cv_.notify_all();
  advance(lock, *task.object);
}

void Engine::Impl::chunk_full(const Lock& lock, ObjectRun& object, Chunk& chunk) {
  chunk.crc = crc64nvme_join(chunk.block_crc, options_.block, chunk.range.length);
  if (!object.transform && !object.single() && object.state != ObjectState::draining) {
    Part& part = object.parts[chunk.index];
    if (chunk.hashed && part.hashed_crc != chunk.crc) {
      // Fetched again only to be put, and other bytes than were hashed: which of them are wrong
      // the digest of the whole tells.
      fetch_again(lock, object,
                  Error(Code::verification, "the source gives other bytes than it gave before")
                      .on("read", object.plan->label)
                      .from(Side::source));
      return;  // the chunk is gone
    }
    if (part.stored && part.stored->crc64 == chunk.crc) {
      progress_.reused(chunk.range.length);  // put by an earlier run or pass, and the same bytes
    } else {
      part.stored.reset();
      object.unacknowledge(chunk.index);
      put_due(lock, object, chunk);
    }
  }
  release_if_done(lock, object, chunk);
}

/// Gives the chunk's memory back when it is hashed and nothing is to be put from it; `chunk` may be
/// gone afterwards.
void Engine::Impl::release_if_done(const Lock& lock, ObjectRun& object, Chunk& chunk) {
  if (chunk.missing > 0 || !chunk.hashed || chunk.hashing || chunk.put_due || chunk.putting) return;
  // The only part of a small object is what create() will send.
  if (object.single() && !object.transform && object.state != ObjectState::draining) return;
  pool_.give(std::move(chunk.buffer));
  object.chunks.erase(chunk.index);
  restart_if_drained(lock, object);
  cv_.notify_all();
}

}  // namespace dray
