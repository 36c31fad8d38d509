// Sources that give their bytes only in order: one thread reads, the put workers store as ever.
#include <algorithm>

#include "dray/base/crc.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

/// Passes over the source until every object is made; what is right already is not asked for again.
/// The budget of tries is a file's: it begins anew with every file that is complete.
void Engine::Impl::feed_in_order() {
  int failures = 0;
  for (;;) {
    std::vector<FileEntry> files;
    std::uint64_t before = 0;
    {
      Lock lock(mutex_);
      cv_.wait(lock, [&] { return over_ || unfed_ > 0; });
      if (over_) return;
      files = unfed_files(lock);
      before = proofs_;
    }
    try {
      const auto reader = source_.open_ordered(files, stop_.get_token());
      ordered_pass(*reader, files.size());
    } catch (...) {
      const Error error = current_error();
      if (error.side() != Side::source) throw;
      {
        Lock lock(mutex_);
        if (proofs_ > before) failures = 0;
      }
      before_retry(error, failures);
    }
  }
}

std::vector<FileEntry> Engine::Impl::unfed_files(const Lock&) {
  std::vector<FileEntry> files;
  for (const auto& object : objects_)
    if (object->unfed())
      files.push_back(plan_->units[std::get<SourceSegment>(object->plan->segments[0]).unit]);
  return files;
}

ObjectRun& Engine::Impl::object_of(const FileEntry& member) {
  const auto found = by_path_.find(member.path);
  if (found == by_path_.end() || found->second->input_size != member.size)
    throw Error(Code::verification, "the source gives a file that its listing does not have")
        .on("read", member.path)
        .from(Side::source);
  return *found->second;
}

void Engine::Impl::ordered_pass(OrderedReader& reader, std::size_t asked) {
  std::size_t given = 0;
  for (; const FileEntry* member = reader.next(); ++given) feed_object(reader, object_of(*member));
  if (given < asked)  // another pass would not give more
    throw Error(Code::verification, "the source gives fewer files than its listing has")
        .on("read", source_.name())
        .from(Side::source);
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
  Lock lock(mutex_);
  object.held = !unit.digests.any();
  // One that begins anew may still be leaving memory.
  cv_.wait(lock, [&] {
    return over_ || object.state == ObjectState::idle || object.state == ObjectState::open;
  });
  if (over_) throw Error(Code::cancelled, "stopped");
  if (object.state == ObjectState::idle) {
    object.saved_hash.reset();  // the bytes come from the beginning anyway
    object.state = ObjectState::opening;
    ++opening_;
    lock.unlock();
    open_object(object);
    lock.lock();
  }
  if (object.input_size == 0) return;
  const int restarts = object.restarts;
  for (std::uint64_t index = 0; index < object.chunk_count(options_.block); ++index) {
    cv_.wait(lock, [&] {
      return over_ || object.restarts != restarts || open_chunk(lock, object, index, true);
    });
    if (over_) throw Error(Code::cancelled, "stopped");
    if (object.restarts != restarts) return;  // it begins anew with the next pass
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
      if (!over_ && failed->retryable())
        warn(
            "{}: broken off after {} of {}; this source gives files only from their beginning, so "
            "this one begins anew",
            object.plan->label, human_size(chunk.range.offset + range.offset),
            human_size(object.input_size));
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
