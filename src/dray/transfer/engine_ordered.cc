// Sources that give their bytes only in order: one thread reads, the put workers store as ever.
#include <fmt/format.h>

#include <algorithm>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

/// Passes over the source until every object is made; what is right already is not asked for again.
void Engine::Impl::feed_in_order() {
  int failures = 0;
  for (;;) {
    {
      Lock lock(mutex_);
      cv_.wait(lock, [&] { return over_ || !unverified_files(lock).empty(); });
      if (over_) return;
    }
    with_retries(failures, [&] {
      Lock lock(mutex_);
      const std::vector<FileEntry> files = unverified_files(lock);
      lock.unlock();
      const auto reader = source_.open_ordered(files, stop_.get_token());
      ordered_pass(*reader);
    });
  }
}

std::vector<FileEntry> Engine::Impl::unverified_files(const Lock&) {
  std::vector<FileEntry> files;
  for (const auto& object : objects_) {
    if (!object->plan->plain())
      throw Error(Code::unsupported,
                  "a source that gives bytes only in order feeds whole files only")
          .on("plan", object->plan->label);
    if (object->state != ObjectState::done && !object->verified)
      files.push_back(plan_->units[std::get<SourceSegment>(object->plan->segments[0]).unit]);
  }
  return files;
}

void Engine::Impl::ordered_pass(OrderedReader& reader) {
  while (const FileEntry* member = reader.next()) {
    ObjectRun* object = nullptr;
    {
      Lock lock(mutex_);
      for (const auto& o : objects_) {
        const FileEntry& unit = plan_->units[std::get<SourceSegment>(o->plan->segments[0]).unit];
        if (unit.path == member->path && unit.size == member->size) object = o.get();
      }
    }
    if (object == nullptr)
      throw Error(Code::verification, "the source gives a file that its listing does not have")
          .on("read", member->path)
          .from(Side::source);
    feed_object(reader, *object);
  }
  // The whole is proved: what waited for that may become visible.
  Lock lock(mutex_);
  for (const auto& object : objects_) {
    if (!object->held) continue;
    object->held = false;
    seal_if_ready(lock, *object);
  }
}

void Engine::Impl::feed_object(OrderedReader& reader, ObjectRun& object) {
  const FileEntry& unit = plan_->units[std::get<SourceSegment>(object.plan->segments[0]).unit];
  {
    Lock lock(mutex_);
    object.held = !unit.digests.any();
  }
  if (object.state == ObjectState::idle) {
    object.saved_hash.reset();  // the bytes come from the beginning anyway
    object.state = ObjectState::opening;
    ++opening_;
    open_object(object);
  }
  if (object.input_size == 0) return;
  Lock lock(mutex_);
  cv_.wait(lock, [&] { return over_ || object.state == ObjectState::open; });
  const int restarts = object.restarts;
  for (std::uint64_t index = 0; index < object.chunk_count(options_.block); ++index) {
    cv_.wait(lock, [&] {
      return over_ || object.restarts != restarts || open_chunk(lock, object, index, true);
    });
    if (over_) throw Error(Code::cancelled, "stopped");
    if (object.restarts != restarts) return;  // it begins anew with the next pass
    blocks_.clear();                          // this thread fills them
    feed_chunk(lock, reader, object, object.chunks.at(index));
  }
}

void Engine::Impl::feed_chunk(Lock& lock, OrderedReader& reader, ObjectRun& object, Chunk& chunk) {
  const std::size_t blocks = chunk.missing;
  for (std::size_t b = 0; b < blocks; ++b) {
    const ByteRange range = block_range(chunk, b);
    const MutableBytes out = chunk.buffer.bytes().subspan(static_cast<std::size_t>(range.offset),
                                                          static_cast<std::size_t>(range.length));
    lock.unlock();
    std::optional<Error> failed;
    try {
      rate_.acquire(out.size(), stop_.get_token());
      reader.read(out);
    } catch (...) {
      failed = current_error();
    }
    const std::uint64_t crc = failed ? 0 : crc64nvme(0, out);
    lock.lock();
    if (failed) {  // the pass is lost, and this object begins anew with the next one
      chunk.missing = 0;
      drain(lock, object);
      throw *failed;
    }
    progress_.fetched(out.size());
    failpoint("block-fetched");
    block_done(lock, {&object, &chunk, b}, crc);
  }
}

}  // namespace dray
