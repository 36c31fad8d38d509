// Opening objects and chunks, and filling chunks with blocks.
#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/base/time.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

namespace {

/// How many objects with chunks still to be opened are kept open at once: enough that their ordered
/// hashing runs on several cores, few enough that each gets on.
constexpr std::size_t kActive = 4;

std::size_t block_count(std::uint64_t bytes, std::uint64_t block) {
  return static_cast<std::size_t>((bytes + block - 1) / block);
}

}  // namespace

void Engine::Impl::fetch_worker() {
  Lock lock(mutex_);
  for (;;) {
    if (over_) return;
    if (!blocks_.empty() && fetch_allowed()) {
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
    } else if (std::chrono::steady_clock::now() < paused_until_) {
      cv_.wait_until(lock, paused_until_);
    } else {
      cv_.wait(lock);
    }
  }
}

bool Engine::Impl::fetch_allowed() const {
  return fetching_ < fetch_limit_ && std::chrono::steady_clock::now() >= paused_until_;
}

/// The next object of this rank to begin, when there is room for another.
ObjectRun* Engine::Impl::to_open(const Lock&) {
  if (active_.size() + opening_ >= kActive) return nullptr;
  for (const auto& object : objects_)
    if (object->plan->rank == rank_ && object->state == ObjectState::idle) return object.get();
  return nullptr;
}

void Engine::Impl::open_object(ObjectRun& object) {
  const std::stop_token stop = stop_.get_token();
  const ObjectPlan& plan = *object.plan;
  int failures = 0;
  progress_.file_begin(plan.label, plan.spec.size);
  if (plan.copy_from) {
    const auto copied =
        with_retries(failures, [&] { return store_.copy(*plan.copy_from, plan.spec, stop); });
    if (copied) {
      failpoint("copied");
      progress_.reused(plan.spec.size);
      Lock lock(mutex_);
      --opening_;
      finished(lock, object,
               {plan.spec.key, plan.spec.size, plan.spec.sha256, plan.copy_part_size,
                plan.copy_part_crc64, copied->etag, false});
      return;
    }
  }
  std::unique_ptr<Upload> upload;
  std::vector<PutPart> present;
  if (const std::string id = std::exchange(object.useless_id, ""); !id.empty())
    with_retries(failures, [&] { store_.abandon({plan.spec.key, id}, stop); });
  if (!object.single()) {
    const SavedUpload saved{object.saved_id, object.layout.part_size, object.saved_parts,
                            object.layout.cut()};
    upload = with_retries(failures, [&] {
      return store_.begin(plan.spec, saved.id.empty() ? nullptr : &saved, stop);
    });
    failpoint("upload-begun");
    present = with_retries(failures, [&] { return upload->present(); });
  }
  Lock lock(mutex_);
  --opening_;
  object.upload = std::move(upload);
  object.state = ObjectState::open;
  took_up(lock, object, present);
  if (object.next_chunk < object.chunk_count(options_.block) || !object.again.empty())
    active_.push_back(&object);
  if (object.frontier == object.input_size) {
    object.hashing = true;
    input_complete(lock, object);
    object.hashing = false;
  }
  if (changed_ && !object.single()) changed_();
  cv_.notify_all();
}

/// What the store still holds of an unfinished upload counts; hashing goes on from the saved state.
void Engine::Impl::took_up(const Lock&, ObjectRun& object, const std::vector<PutPart>& present) {
  for (const PutPart& part : present)
    if (part.index < object.parts.size()) object.parts[part.index].stored = part;
  if (object.layout.in_order) {
    while (object.in_order_next < object.parts.size() && object.parts[object.in_order_next].stored)
      ++object.in_order_next;
    for (auto i = object.in_order_next; i < object.parts.size(); ++i)
      object.parts[i].stored.reset();
  }
  const auto saved = std::exchange(object.saved_hash, std::nullopt);
  if (present.empty() || !saved || object.transform || !object.hasher->restore(*saved)) return;
  object.saved_hash = saved;
  object.frontier = saved->offset;
  object.next_chunk = saved->offset == object.input_size ? object.parts.size()
                                                         : object.layout.index_of(saved->offset);
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < object.next_chunk; ++i) {
    if (object.parts[i].stored)
      kept += object.layout.part(i).length;
    else
      object.again.insert(i);
  }
  progress_.reused(kept);
  progress_.file_at(object.plan->label, object.frontier);
}

/// Opens the next chunk of the object that has the fewest in memory, so that several files are
/// hashed side by side.
bool Engine::Impl::open_some_chunk(const Lock& lock) {
  std::vector<ObjectRun*> order(active_);
  std::stable_sort(order.begin(), order.end(), [](const ObjectRun* a, const ObjectRun* b) {
    return a->chunks.size() < b->chunks.size();
  });
  for (ObjectRun* object : order) {
    const bool put_only = !object->again.empty();
    const std::uint64_t index = put_only ? *object->again.begin() : object->next_chunk;
    if (!open_chunk(lock, *object, index, !put_only)) continue;
    if (put_only)
      object->again.erase(index);
    else
      ++object->next_chunk;
    if (object->again.empty() && object->next_chunk == object->chunk_count(options_.block))
      std::erase(active_, object);
    return true;
  }
  return false;
}

bool Engine::Impl::open_chunk(const Lock& lock, ObjectRun& object, std::uint64_t index,
                              bool for_hash) {
  if (object.chunks.contains(index)) return false;  // still leaving after an earlier use
  const ByteRange range = object.chunk_range(index, options_.block);
  if (object.transform && !reserve_output(lock, object)) return false;
  auto buffer = pool_.take(range.length);
  if (!buffer && !for_hash && steal_for(lock, object)) buffer = pool_.take(range.length);
  if (!buffer) return false;
  Chunk& chunk = object.chunks[index];
  chunk.index = index;
  chunk.range = range;
  chunk.buffer = std::move(*buffer);
  chunk.hashed = !for_hash;
  chunk.missing = block_count(range.length, options_.block);
  chunk.block_crc.resize(chunk.missing);
  chunk.fetched.resize(chunk.missing);
  for (std::size_t b = 0; b < chunk.missing; ++b) {
    const BlockTask task{&object, &chunk, b};
    if (for_hash)
      blocks_.push_back(task);
    else
      blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b), task);
  }
  return true;
}

/// A transform's output buffers are taken before its first input, so that its frontier never waits
/// for others.
bool Engine::Impl::reserve_output(const Lock&, ObjectRun& object) {
  TransformState& transform = *object.transform;
  if (transform.reserved > 0) return true;
  const std::uint64_t size = std::min(object.layout.part_size, object.layout.object_size);
  while (transform.reserved < std::min<std::size_t>(2, object.parts.size())) {
    auto buffer = pool_.take(size);
    if (!buffer) break;
    transform.spare.push_back(std::move(*buffer));
    ++transform.reserved;
  }
  return transform.reserved > 0;
}

/// A part that the store asks for again needs memory while later parts hold theirs waiting for it:
/// the last of those that are hashed gives its memory up and is fetched again later.
bool Engine::Impl::steal_for(const Lock&, ObjectRun& object) {
  for (auto it = object.chunks.rbegin(); it != object.chunks.rend(); ++it) {
    Chunk& chunk = it->second;
    if (chunk.missing > 0 || !chunk.hashed || chunk.putting || !chunk.put_due) continue;
    object.again.insert(chunk.index);
    pool_.give(std::move(chunk.buffer));
    object.chunks.erase(std::next(it).base());
    return true;
  }
  return false;
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
  progress_.fetched(out.size());
  const std::uint64_t crc = crc64nvme(0, out);
  Lock lock(mutex_);
  task.chunk->failures = std::max(task.chunk->failures, failures);
  --fetching_;
  if (fetch_limit_ < fetch_slots_) went_well(lock);
  block_done(lock, task, crc);
}

/// After a source asked to slow down: a little faster again with every few blocks.
void Engine::Impl::went_well(const Lock&) {
  if (smooth_ == 0) progress_.waiting("");
  if (++smooth_ < 8) return;
  ++fetch_limit_;
  smooth_ = 1;
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
      source_.read(plan_->units[source->unit], source->range.offset + piece.in_segment.offset, into,
                   stop_.get_token());
    } else {
      const auto& stored = std::get<StoredSegment>(segment);
      store_.read(stored.from.key, stored.from.etag, stored.range.offset + piece.in_segment.offset,
                  into, stop_.get_token());
    }
  }
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
  chunk.crc = chunk.block_crc[0];
  for (std::size_t b = 1; b < chunk.block_crc.size(); ++b)
    chunk.crc = crc64nvme_combine(chunk.crc, chunk.block_crc[b], block_range(chunk, b).length);
  if (!object.transform && !object.single() && object.state != ObjectState::draining) {
    auto& stored = object.parts[chunk.index].stored;
    if (stored && stored->crc64 == chunk.crc) {
      progress_.reused(chunk.range.length);  // put by an earlier run or pass, and the same bytes
    } else {
      stored.reset();
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
