// The hash frontier of an object: bytes in order, units proved, a second fetch where they are
// wrong, transforms fed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

namespace {

constexpr std::uint64_t kHashStep = 64 * kMiB;
// What is hashed and then transformed should still lie in the core's cache.
constexpr std::size_t kSlice = 256 * kKiB;

}  // namespace

/// What a transform writes goes straight into the memory of the part that will be put. Used by the
/// thread at the frontier.
class OutputWriter final : public TransformOutput {
 public:
  OutputWriter(Engine::Impl& engine, ObjectRun& object) : engine_(engine), object_(object) {}
  MutableBytes space() override { return engine_.output_space(object_); }
  void filled(std::uint64_t bytes) override { engine_.output_filled(object_, bytes); }

 private:
  Engine::Impl& engine_;
  ObjectRun& object_;
};

/// Hashes the next bytes of the input, and transforms them.
void Engine::Impl::digest(ObjectRun& object, Bytes bytes) {
  if (!object.transform) return object.hasher->feed(bytes);
  OutputWriter output(*this, object);
  while (!bytes.empty()) {
    const Bytes slice = bytes.first(std::min(bytes.size(), kSlice));
    object.hasher->feed(slice);
    object.plan->transform->feed(slice, output);
    bytes = bytes.subspan(slice.size());
  }
}

/// Hashes on from the frontier as far as bytes are there. One thread at a time does so for an
/// object; the others leave their block for it. Called, and returns, with the lock held.
void Engine::Impl::advance(Lock& lock, ObjectRun& object) {
  if (object.hashing || object.state != ObjectState::open) return;
  object.hashing = true;
  while (!over_ && object.state == ObjectState::open) {
    Chunk* chunk = nullptr;
    const Bytes bytes = at_frontier(object, chunk);
    if (bytes.empty()) break;
    chunk->hashing = true;
    lock.unlock();
    std::optional<Error> wrong;
    try {
      digest(object, bytes);
    } catch (...) {
      wrong = current_error();
    }
    lock.lock();
    chunk->hashing = false;
    if (over_) break;
    if (object.state == ObjectState::draining) {  // begun anew by somebody else meanwhile
      release_if_done(lock, object, *chunk);
      break;
    }
    if (wrong) {
      fetch_again(lock, object, *wrong);
      break;
    }
    hashed(lock, object, *chunk, bytes.size());
    if (object.frontier == object.input_size) input_complete(lock, object);
  }
  object.hashing = false;
  restart_if_drained(lock, object);
}

/// The bytes that can be hashed now: fetched blocks that follow each other from the frontier on,
/// within one chunk.
Bytes Engine::Impl::at_frontier(const ObjectRun& object, Chunk*& chunk) const {
  if (object.frontier == object.input_size) return {};
  const auto it = object.chunks.find(object.chunk_of(object.frontier, options_.block));
  if (it == object.chunks.end()) return {};
  chunk = const_cast<Chunk*>(&it->second);
  const std::uint64_t from = object.frontier - chunk->range.offset;
  std::size_t block = static_cast<std::size_t>(from / options_.block);
  std::uint64_t to = from;
  // Not too much at once, so that a stop is soon noticed.
  while (block < chunk->fetched.size() && chunk->fetched[block] && to - from < kHashStep)
    to = block_range(*chunk, block++).end();
  return chunk->buffer.bytes().subspan(static_cast<std::size_t>(from),
                                       static_cast<std::size_t>(to - from));
}

void Engine::Impl::hashed(const Lock& lock, ObjectRun& object, Chunk& chunk, std::size_t bytes) {
  object.frontier += bytes;
  progress_.file_at(object.plan->label, object.shown_at());
  if (object.frontier < chunk.range.end()) return;
  if (!object.transform) {
    object.parts[chunk.index].hashed_crc = chunk.crc;
    if (auto saved = object.hasher->save()) object.keep_hash_state(std::move(*saved));
  }
  chunk.hashed = true;
  release_if_done(lock, object, chunk);
}

void Engine::Impl::input_complete(Lock& lock, ObjectRun& object) {
  if (object.transform) {
    // An empty input never opened a chunk, so nothing is reserved for its output yet.
    cv_.wait(lock, [&] { return over_ || reserve_output(lock, object); });
    if (over_) return;
    lock.unlock();
    std::optional<Error> failed;
    try {
      OutputWriter output(*this, object);
      object.plan->transform->finish(output);
    } catch (...) {
      failed = current_error();
    }
    lock.lock();
    if (over_ || object.state != ObjectState::open)
      return;  // begun anew by somebody else meanwhile
    if (failed) throw *failed;
    if (object.transform->written != object.plan->spec.size)
      throw Error(Code::internal, fmt::format("the transform made {} bytes, {} were planned",
                                              object.transform->written, object.plan->spec.size))
          .on("transform", object.plan->label);
  }
  note(lock, object, true, false);
  failpoint("verified");
  seal_if_ready(lock, object);
}

/// A digest did not fit: once more from the first byte; parts whose CRC64 is then another are put
/// again.
void Engine::Impl::fetch_again(const Lock& lock, ObjectRun& object, const Error& why) {
  object.wrong = why.code() == Code::verification && object.pass == 2;
  if (why.code() != Code::verification || object.pass == 2) throw why;
  warn("{}: fetching it once more", why.what());
  progress_.retried();
  object.pass = 2;
  if (object.layout.in_order && object.upload) {
    // What was sent there cannot be replaced, and some of it may be wrong: another upload.
    object.useless_id = object.upload->id();
    object.reopen = true;
  }
  drain(lock, object);
}

/// Lets go of what is in memory of the object; what is being fetched or put leaves when that is
/// done.
void Engine::Impl::drain(const Lock& lock, ObjectRun& object) {
  object.state = ObjectState::draining;
  note(lock, object, false, false);
  ++object.restarts;
  object.again.clear();
  std::erase(active_, &object);
  std::erase_if(puts_, [&](const PutTask& task) {
    if (task.object == &object && task.chunk != nullptr) task.chunk->queued = false;
    return task.object == &object;
  });
  object.in_order_busy = false;
  std::vector<std::uint64_t> here;
  for (const auto& [index, chunk] : object.chunks) here.push_back(index);
  for (const std::uint64_t index : here) {
    Chunk& chunk = object.chunks.at(index);
    chunk.hashed = true;  // its turn comes again
    if (chunk.putting) continue;
    chunk.put_due = false;
    release_if_done(lock, object, chunk);
  }
  if (object.transform) {
    // The one being filled is in the hands of the thread at the frontier, if there is one.
    if (!object.hashing) object.transform->current = nullptr;
    for (auto it = object.transform->outputs.begin(); it != object.transform->outputs.end();) {
      const auto chunk = it++;
      if (!chunk->second.putting && &chunk->second != object.transform->current)
        forget(lock, object, chunk->second);
    }
  }
  restart_if_drained(lock, object);
}

/// Begins the next pass over an object when nothing of the last one is in memory or under way any
/// more.
void Engine::Impl::restart_if_drained(const Lock& lock, ObjectRun& object) {
  if (object.state != ObjectState::draining || object.hashing || !object.chunks.empty()) return;
  if (object.transform) {
    if (Chunk* filling = std::exchange(object.transform->current, nullptr)) {
      forget(lock, object, *filling);  // comes back here
      return;
    }
    if (!object.transform->outputs.empty()) return;
    object.plan->transform->restart();
    object.transform->sha = Sha256();
    object.transform->written = 0;
  }
  object.hasher = std::make_unique<InputHasher>(*plan_, *object.plan);
  expect_made(object);
  object.frontier = 0;
  object.next_chunk = 0;
  object.hash_states.clear();
  for (Part& part : object.parts) part.hashed_crc.reset();
  progress_.file_at(object.plan->label, 0);
  if (std::exchange(object.reopen, false)) {
    object.upload.reset();
    for (Part& part : object.parts) part.stored.reset();
    object.acknowledged = object.in_order_next = 0;
    object.state = ObjectState::idle;
    if (!object.fed) waiting_.push_front(&object);
  } else {
    object.state = ObjectState::open;
    activate(lock, object);
  }
  cv_.notify_all();
}

MutableBytes Engine::Impl::output_space(ObjectRun& object) {
  Lock lock(mutex_);
  TransformState& out = *object.transform;
  if (out.written == object.plan->spec.size)
    throw Error(Code::internal, "the transform makes more bytes than it planned")
        .on("transform", object.plan->label);
  if (out.current == nullptr) {
    cv_.wait(lock,
             [&] { return over_ || object.state == ObjectState::draining || !out.spare.empty(); });
    if (over_ || object.state == ObjectState::draining) throw Error(Code::cancelled, "stopped");
    const std::uint64_t index = out.written / object.layout.part_size;
    Chunk& chunk = out.outputs[index];
    chunk.index = index;
    chunk.range = object.layout.part(index);
    chunk.buffer = std::move(out.spare.back());
    chunk.hashed = true;
    out.spare.pop_back();
    out.current = &chunk;
    out.current_filled = 0;
  }
  return out.current->buffer.bytes().subspan(
      static_cast<std::size_t>(out.current_filled),
      static_cast<std::size_t>(out.current->range.length - out.current_filled));
}

void Engine::Impl::output_filled(ObjectRun& object, std::uint64_t bytes) {
  TransformState& out = *object.transform;
  const Bytes fresh = out.current->buffer.bytes().subspan(
      static_cast<std::size_t>(out.current_filled), static_cast<std::size_t>(bytes));
  out.sha.update(fresh);
  out.current->crc = crc64nvme(out.current->crc, fresh);
  Lock lock(mutex_);
  out.current_filled += bytes;
  out.written += bytes;
  if (out.current_filled == out.current->range.length) output_part_full(lock, object);
}

void Engine::Impl::output_part_full(const Lock& lock, ObjectRun& object) {
  Chunk& chunk = *std::exchange(object.transform->current, nullptr);
  if (object.state == ObjectState::draining) {
    forget(lock, object, chunk);  // begun anew by somebody else while this one was being filled
    return;
  }
  if (object.single()) return;  // kept until everything is verified
  auto& stored = object.parts[chunk.index].stored;
  if (stored && stored->crc64 == chunk.crc) {
    progress_.reused(chunk.range.length);
    forget(lock, object, chunk);
  } else {
    stored.reset();
    object.unacknowledge(chunk.index);
    put_due(lock, object, chunk);
  }
}

}  // namespace dray
