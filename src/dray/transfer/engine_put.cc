// Storing parts, and making objects of them.
#include <algorithm>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

namespace {

/// Uneven parts are recorded like one piece.
void as_a_whole(ObjectResult& result, const PartLayout& layout) {
  std::uint64_t crc = 0;
  for (std::size_t i = 0; i < result.part_crc64.size(); ++i)
    crc = crc64nvme_combine(crc, result.part_crc64[i], layout.part(i).length);
  result.part_size = 0;
  result.part_crc64 = {crc};
}

/// The unfinished upload is no longer known. (Where the bucket is gone too, beginning anew says
/// so.)
bool upload_is_gone(const Error& error) {
  return error.code() == Code::not_found && error.side() == Side::destination;
}

}  // namespace

void Engine::Impl::put_worker() {
  Lock lock(mutex_);
  for (;;) {
    cv_.wait(lock, [this] { return over_ || !puts_.empty(); });
    if (over_) return;
    const PutTask task = puts_.front();
    puts_.pop_front();
    if (task.chunk != nullptr) {
      task.chunk->queued = false;
      task.chunk->putting = true;
    }
    lock.unlock();
    if (task.chunk != nullptr)
      put_part(*task.object, *task.chunk);
    else
      commit(*task.object);
    lock.lock();
  }
}

void Engine::Impl::put_due(const Lock& lock, ObjectRun& object, Chunk& chunk) {
  chunk.put_due = true;
  if (object.layout.in_order)
    pump_in_order(lock, object);
  else
    queue_put(lock, object, chunk);
}

void Engine::Impl::queue_put(const Lock&, ObjectRun& object, Chunk& chunk) {
  chunk.queued = true;
  puts_.push_back({&object, &chunk});
  cv_.notify_all();
}

/// In-order stores get one part at a time, the next one.
void Engine::Impl::pump_in_order(const Lock& lock, ObjectRun& object) {
  if (object.in_order_busy || object.state == ObjectState::draining) return;
  auto& chunks = object.transform ? object.transform->outputs : object.chunks;
  const auto it = chunks.find(object.in_order_next);
  if (it == chunks.end() || !it->second.put_due || it->second.putting) return;
  object.in_order_busy = true;
  queue_put(lock, object, it->second);
}

void Engine::Impl::put_part(ObjectRun& object, Chunk& chunk) {
  int failures = chunk.failures;
  try {
    const Bytes bytes = chunk.buffer.bytes().first(static_cast<std::size_t>(chunk.range.length));
    auto part = with_retries(failures, [&] { return copy_part(object, chunk, bytes); });
    if (part) {
      progress_.reused(chunk.range.length);
    } else {
      part = with_retries(failures, [&] {
        return object.upload->put(chunk.index, bytes, chunk.crc, stop_.get_token());
      });
      progress_.stored(chunk.range.length);
    }
    failpoint("part-put");
    Lock lock(mutex_);
    part_stored(lock, object, chunk, *part);
  } catch (const Rewind& rewind) {
    Lock lock(mutex_);
    rewound(lock, object, chunk, rewind.offset);
  } catch (...) {
    const Error error = current_error();
    if (!upload_is_gone(error)) throw;
    Lock lock(mutex_);
    upload_lost(lock, object, &chunk, error);
  }
}

/// Makes the part of bytes that the store holds already; nullopt if it holds none such.
std::optional<PutPart> Engine::Impl::copy_part(ObjectRun& object, const Chunk& chunk, Bytes bytes) {
  const ObjectPlan& plan = *object.plan;
  if (!plan.reusable || object.send_all) return std::nullopt;
  const auto from = plan.reusable->find(digest_pieces(bytes, chunk.range.offset, plan.piece_ends));
  if (!from) return std::nullopt;
  return object.upload->put_copy(chunk.index, *from, bytes, chunk.crc, stop_.get_token());
}

void Engine::Impl::part_stored(Lock& lock, ObjectRun& object, Chunk& chunk, const PutPart& part) {
  object.parts[part.index].stored = part;
  chunk.put_due = chunk.putting = false;
  if (object.layout.in_order) {
    object.in_order_busy = false;
    object.in_order_next = part.index + 1;
    while (object.in_order_next < object.parts.size() && object.parts[object.in_order_next].stored)
      ++object.in_order_next;
  }
  if (object.transform)
    forget(lock, object, chunk);
  else
    release_if_done(lock, object, chunk);
  if (object.layout.in_order) pump_in_order(lock, object);
  seal_if_ready(lock, object);
}

/// A part of a transform's output has been dealt with: its memory serves the next one.
void Engine::Impl::forget(const Lock& lock, ObjectRun& object, Chunk& chunk) {
  object.transform->spare.push_back(std::move(chunk.buffer));
  object.transform->outputs.erase(chunk.index);
  restart_if_drained(lock, object);
  cv_.notify_all();
}

/// The store lost what came after `offset`. Parts still in memory are put again from there; others
/// are fetched again.
void Engine::Impl::rewound(const Lock& lock, ObjectRun& object, Chunk& chunk,
                           std::uint64_t offset) {
  constexpr int kMostRewinds = 16;
  if (++object.rewinds > kMostRewinds)
    throw Error(Code::server, "the store keeps forgetting what it acknowledged")
        .on("put", object.plan->spec.key)
        .from(Side::destination)
        .transient();
  warn("{}: the store asks for the bytes from {} on again", object.plan->label, offset);
  progress_.retried();
  chunk.putting = false;
  object.in_order_busy = false;
  const std::uint64_t next =
      offset < object.layout.object_size ? object.layout.index_of(offset) : object.parts.size();
  for (std::uint64_t i = next; i < object.parts.size(); ++i) {
    const bool was_stored = object.parts[i].stored.has_value();
    object.parts[i].stored.reset();
    if (object.transform || !was_stored || object.state == ObjectState::draining) continue;
    if (const auto it = object.chunks.find(i); it != object.chunks.end())
      it->second.put_due = it->second.put_due || it->second.missing == 0;
    else if (i < object.next_chunk)  // later ones come yet
      object.again.insert(i);
  }
  object.unacknowledge(next);
  object.in_order_next = next;
  if (object.state == ObjectState::draining) {
    leave(lock, object, chunk);
    return;
  }
  if (next < chunk.index && (object.transform || object.fed)) {
    // These bytes cannot be had from the middle: all come once more, and what the store kept is not
    // sent again.
    drain(lock, object);
    return;
  }
  activate(lock, object);
  pump_in_order(lock, object);
  cv_.notify_all();
}

/// A chunk of an object that begins anew is done with.
void Engine::Impl::leave(const Lock& lock, ObjectRun& object, Chunk& chunk) {
  chunk.putting = chunk.put_due = false;
  if (object.transform)
    forget(lock, object, chunk);
  else
    release_if_done(lock, object, chunk);
}

/// The store has cleaned up, somebody aborted the upload, or other bytes came out: once an object,
/// all of it is sent again. `chunk` is the one that was refused, nullptr where it was the last
/// step.
void Engine::Impl::upload_lost(const Lock& lock, ObjectRun& object, Chunk* chunk,
                               const Error& why) {
  if (!object.reopen) {
    if (object.began_anew)
      throw Error(why).hint(
          "the store dropped this upload twice; look for a rule that removes unfinished uploads, "
          "then run the same command again");
    object.began_anew = object.reopen = true;
    warn("{}: all of it is sent again: {}", object.plan->label, why.what());
    progress_.retried();
  }
  if (chunk != nullptr) chunk->putting = false;
  if (object.state != ObjectState::draining)
    drain(lock, object);
  else if (chunk != nullptr)
    leave(lock, object, *chunk);
}

/// Queues the last step of an object when everything before it is done and its rank has come.
void Engine::Impl::seal_if_ready(const Lock&, ObjectRun& object) {
  if (object.state != ObjectState::open || !object.verified || object.held) return;
  if (!object.single() && !object.all_stored()) return;
  object.state = ObjectState::sealed;
  if (object.plan->rank <= rank_) puts_.push_back({&object, nullptr});
  cv_.notify_all();
}

void Engine::Impl::commit(ObjectRun& object) {
  std::optional<ObjectResult> result;
  try {
    failpoint("before-commit");
    result = make(object);
    failpoint("after-commit");
  } catch (...) {
    const Error error = current_error();
    const bool useless = error.code() == Code::verification && error.side() == Side::destination;
    if (object.single() || (!upload_is_gone(error) && !useless)) throw;
    if (useless) object.upload->abandon();
    Lock lock(mutex_);
    object.send_all = object.send_all || useless;  // a copy may have come out wrong
    upload_lost(lock, object, nullptr, error);
    return;
  }
  Lock lock(mutex_);
  for (auto& [index, chunk] : object.chunks) pool_.give(std::move(chunk.buffer));
  object.chunks.clear();
  if (object.transform) {
    for (auto& [index, chunk] : object.transform->outputs) outputs_.give(std::move(chunk.buffer));
    object.transform->outputs.clear();
    for (auto& buffer : object.transform->spare) outputs_.give(std::move(buffer));
    object.transform->spare.clear();
  }
  finished(lock, object, std::move(*result));
}

/// The last step of an object: it becomes visible.
ObjectResult Engine::Impl::make(ObjectRun& object) {
  const std::stop_token stop = stop_.get_token();
  const ObjectPlan& plan = *object.plan;
  ObjectResult result{plan.spec.key, plan.spec.size, "", 0, {}, "", true};
  result.sha256 = object.transform ? object.transform->sha.hex() : object.hasher->sha256();
  int failures = 0;
  if (plan.replaces && !object.replaced) {  // once: later it might be this very object
    with_retries(failures, [&] { store_.remove(plan.spec.key, stop); });
    object.replaced = true;
  }
  if (object.single()) {
    auto& chunks = object.transform ? object.transform->outputs : object.chunks;
    const Bytes bytes =
        chunks.empty()
            ? Bytes()
            : Bytes(chunks.at(0).buffer.bytes()).first(static_cast<std::size_t>(plan.spec.size));
    result.part_crc64 = {chunks.empty() ? 0 : chunks.at(0).crc};
    result.etag = with_retries(failures, [&] {
                    return store_.create(plan.spec, bytes, result.sha256, stop);
                  }).etag;
    progress_.stored(plan.spec.size);
  } else {
    std::vector<PutPart> parts;
    for (const auto& part : object.parts) {
      parts.push_back(*part.stored);
      result.part_crc64.push_back(part.stored->crc64);
    }
    result.part_size = object.layout.part_size;
    result.etag = with_retries(failures, [&] {
                    return object.upload->commit(parts, result.sha256, stop);
                  }).etag;
    if (!object.layout.ends.empty()) as_a_whole(result, object.layout);
  }
  result.ranges = object.hasher->ranges();
  result.unit_sha256 = object.hasher->unit_sha256();
  if (object.transform) {
    result.input_sha256 = object.hasher->sha256();
    result.report = plan.transform->report();
  }
  return result;
}

}  // namespace dray
