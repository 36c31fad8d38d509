// What the store holds already is copied inside it, on threads that do nothing else.
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

/// Queues an object whose rank has come, unless it waits for one of the same content.
void Engine::Impl::copy_if_possible(const Lock&, ObjectRun& object) {
  if (object.original != nullptr && !object.original->result) return;  // later, by finished()
  copies_.push_back(&object);
  cv_.notify_all();
}

void Engine::Impl::copy_worker() {
  Lock lock(mutex_);
  for (;;) {
    cv_.wait(lock, [this] { return over_ || !copies_.empty(); });
    if (over_) return;
    ObjectRun& object = *copies_.front();
    copies_.pop_front();
    object.state = ObjectState::opening;
    lock.unlock();
    copy_object(object);
    lock.lock();
  }
}

/// A copy saves moving the bytes, nothing more: if it fails they come from the source. The store
/// retries inside.
void Engine::Impl::copy_object(ObjectRun& object) {
  const ObjectPlan& plan = *object.plan;
  ObjectResult result{plan.spec.key,
                      plan.spec.size,
                      plan.spec.sha256,
                      plan.copy_part_size,
                      plan.copy_part_crc64,
                      "",
                      false};
  if (!plan.of_one_unit())  // the content is known, so that of its units is
    for (const Segment& segment : plan.segments)
      if (const auto* source = std::get_if<SourceSegment>(&segment);
          source != nullptr && source->range.offset == 0)
        result.unit_sha256.push_back(plan_->units[source->unit].digests.sha256);
  StoredObject from;
  if (object.original != nullptr) {
    const ObjectResult& made = *object.original->result;  // constant once it is there
    result.sha256 = made.sha256;
    result.part_size = made.part_size;
    result.part_crc64 = made.part_crc64;
    from = {made.key, made.size, made.etag, std::nullopt, {}};
  } else {
    from = *plan.copy_from;
  }
  std::optional<StoredObject> copied;
  progress_.file_begin(plan.label, plan.spec.size);
  progress_.copying(+1);
  try {
    copied = store_.copy(from, plan.spec, stop_.get_token());
  } catch (...) {
    const Error error = current_error();
    if (error.code() == Code::cancelled || error.code() == Code::conflict) throw;
    warn("{} cannot be copied inside the store and is fetched: {}", plan.label, error.what());
  }
  progress_.copying(-1);
  if (copied) {
    failpoint("copied");
    progress_.reused(plan.spec.size);
  }
  Lock lock(mutex_);
  if (copied) {
    result.etag = copied->etag;
    if (result.sha256.empty() && store_.properties().blobs)  // which are named by it
      result.sha256 = copied->etag.substr(copied->etag.find(':') + 1);
    finished(lock, object, std::move(result));
    return;
  }
  note(lock, object, false, false);
  object.state = ObjectState::idle;
  if (!object.fed) waiting_.push_back(&object);
  cv_.notify_all();
}

}  // namespace dray
