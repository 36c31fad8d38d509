// Opening objects and chunks: what is worked on next, and where its memory comes from.
#include <algorithm>
#include <iterator>
#include <utility>

#include "dray/base/failpoint.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

namespace {

std::size_t block_count(std::uint64_t bytes, std::uint64_t block) {
  return static_cast<std::size_t>((bytes + block - 1) / block);
}

}  // namespace

/// The next object of this rank to begin, when there is room for another.
ObjectRun* Engine::Impl::to_open(const Lock&) {
  if (waiting_.empty() || active_.size() + opening_ >= kActive) return nullptr;
  ObjectRun* object = waiting_.front();
  waiting_.pop_front();
  return object;
}

void Engine::Impl::open_object(ObjectRun& object) {
  const std::stop_token stop = stop_.get_token();
  const ObjectPlan& plan = *object.plan;
  int failures = 0;
  progress_.file_begin(plan.label, object.shown_size());
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
    present = with_retries(failures, [&] { return upload->present(stop); });
  }
  Lock lock(mutex_);
  --opening_;
  object.upload = std::move(upload);
  object.state = ObjectState::open;
  expect_made(object);
  took_up(lock, object, present);
  activate(lock, object);
  if (object.frontier == object.input_size) {
    object.hashing = true;
    input_complete(lock, object);
    object.hashing = false;
    restart_if_drained(lock, object);
  }
  cv_.notify_all();
}

/// What the store still holds of an unfinished upload counts; hashing goes on from the saved state.
void Engine::Impl::took_up(const Lock& lock, ObjectRun& object,
                           const std::vector<PutPart>& present) {
  for (const PutPart& part : present)
    if (part.index < object.parts.size()) object.parts[part.index].stored = part;
  if (object.layout.in_order) {
    while (object.in_order_next < object.parts.size() && object.parts[object.in_order_next].stored)
      ++object.in_order_next;
    for (auto i = object.in_order_next; i < object.parts.size(); ++i)
      object.parts[i].stored.reset();
  }
  if (!present.empty()) go_on_hashing(lock, object);
  object.saved_id.clear();
  object.saved_parts.clear();
  object.saved_hash.reset();
}

/// Parts before the saved state that the store lost come again, only to be put. Their bytes must be
/// those that were hashed: without a record of all of them the state is of no use.
void Engine::Impl::go_on_hashing(const Lock&, ObjectRun& object) {
  const auto& saved = object.saved_hash;
  if (!saved || object.transform) return;
  if (saved->offset > object.input_size) return;
  const bool all = saved->offset == object.input_size;
  const std::uint64_t parts = all ? object.parts.size() : object.layout.index_of(saved->offset);
  if (!all && object.layout.part(parts).offset != saved->offset) return;
  for (const PutPart& part : object.saved_parts)
    if (part.index < parts) object.parts[part.index].hashed_crc = part.crc64;
  const auto before = object.parts.begin() + static_cast<std::ptrdiff_t>(parts);
  const bool known = std::all_of(object.parts.begin(), before,
                                 [](const Part& part) { return part.hashed_crc.has_value(); });
  if (!known || !object.hasher->restore(*saved)) {
    std::for_each(object.parts.begin(), before, [](Part& part) { part.hashed_crc.reset(); });
    return;
  }
  object.keep_hash_state(*saved);
  object.frontier = saved->offset;
  object.next_chunk = parts;
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < parts; ++i) {
    if (object.parts[i].stored)
      kept += object.layout.part(i).length;
    else
      object.again.insert(i);
  }
  progress_.reused(kept);
  progress_.file_at(object.plan->label, object.frontier);
}

/// Lets the fetch workers open chunks of it, if any are left. Those of an ordered source are opened
/// by who feeds them.
void Engine::Impl::activate(const Lock&, ObjectRun& object) {
  if (object.fed) return;
  if (object.next_chunk == object.chunk_count(options_.block) && object.again.empty()) return;
  if (std::find(active_.begin(), active_.end(), &object) == active_.end())
    active_.push_back(&object);
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
  if (!object.fed) queue_blocks(lock, object, chunk, !for_hash);
  return true;
}

/// `first`: before all others that wait.
void Engine::Impl::queue_blocks(const Lock&, ObjectRun& object, Chunk& chunk, bool first) {
  auto at = first ? blocks_.begin() : blocks_.end();
  for (std::size_t b = 0; b < chunk.fetched.size(); ++b)
    at = std::next(blocks_.insert(at, {&object, &chunk, b}));
}

/// A transform's output buffers are taken before its first input, so that its frontier never waits
/// for others. A second one (to be filled while the first is put) must leave one for each object
/// that may still be opened.
bool Engine::Impl::reserve_output(const Lock&, ObjectRun& object) {
  TransformState& transform = *object.transform;
  if (transform.reserved > 0) return true;
  const std::uint64_t size = std::min(object.layout.part_size, object.layout.object_size);
  for (const bool second : {false, true}) {
    if (second && object.parts.size() < 2) break;
    auto buffer = outputs_.take(size, second ? std::min(unreserved_, kActive - 1) * size : 0);
    if (!buffer) break;
    transform.spare.push_back(std::move(*buffer));
    if (transform.reserved++ == 0) --unreserved_;
  }
  return transform.reserved > 0;
}

/// A part that an in-order store asks for again needs memory while later parts hold theirs waiting
/// for it: the last of those that are hashed gives its memory up and is fetched again later. (Other
/// stores take the later ones meanwhile.)
bool Engine::Impl::steal_for(const Lock&, ObjectRun& object) {
  if (!object.layout.in_order) return false;
  for (auto it = object.chunks.rbegin(); it != object.chunks.rend(); ++it) {
    Chunk& chunk = it->second;
    if (chunk.missing > 0 || !chunk.hashed || !chunk.put_due) continue;
    if (chunk.queued || chunk.putting) continue;
    object.again.insert(chunk.index);
    pool_.give(std::move(chunk.buffer));
    object.chunks.erase(std::next(it).base());
    return true;
  }
  return false;
}

}  // namespace dray
