#include "dray/transfer/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>
#include <thread>

#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/transfer/engine_impl.h"

namespace dray {

namespace {

constexpr std::uint64_t kOverhead = 64 * kMiB;  // code, stacks, connections
constexpr int kCopies = 4;                      // at once inside the store, which does the work

std::uint64_t buffer_budget(const TransferOptions& options) {
  return options.memory > 2 * kOverhead ? options.memory - kOverhead : kOverhead;
}

int fetch_slots(const TransferOptions& options) {
  const std::uint64_t fit = std::max<std::uint64_t>(1, buffer_budget(options) / options.block);
  return static_cast<int>(
      std::min<std::uint64_t>(fit, static_cast<std::uint64_t>(std::max(1, options.connections))));
}

}  // namespace

Engine::Engine(Source& source, Store& store, const TransferOptions& options, Progress& progress)
    : impl_(std::make_unique<Impl>(source, store, options, progress)) {}
Engine::~Engine() = default;

std::vector<ObjectResult> Engine::run(const TransferPlan& plan,
                                      const std::vector<JournalObject>& known,
                                      const std::stop_token& stop) {
  return impl_->run(plan, known, stop);
}

void Engine::pause(const std::stop_token& stop) { impl_->pause(stop); }

std::vector<JournalObject> Engine::state() const { return impl_->state(); }

Engine::Impl::Impl(Source& source, Store& store, const TransferOptions& options, Progress& progress)
    : source_(source),
      store_(store),
      options_(options),
      progress_(progress),
      rate_(options.limit_rate),
      pool_(buffer_budget(options)),
      fetch_limit_(fetch_slots(options)),
      fetch_slots_(fetch_slots(options)) {}

std::vector<ObjectResult> Engine::Impl::run(const TransferPlan& plan,
                                            const std::vector<JournalObject>& known,
                                            const std::stop_token& stop) {
  check_plan(plan);
  prepare(plan, known);
  {
    std::stop_callback on_stop(stop, [this] {
      stop_.request_stop();
      Lock lock(mutex_);
      over_ = true;
      cv_.notify_all();
    });
    std::vector<std::jthread> workers;
    // A thread that cannot be had ends the transfer: those that run already must not wait for it.
    guarded([&] { start_workers(workers); });
  }
  drop_useless_uploads();
  if (error_) throw *error_;
  throw_if_stopped(stop);
  let_go_of_memory();
  std::vector<ObjectResult> results;
  for (const auto& object : objects_) results.push_back(*object->result);
  return results;
}

void Engine::Impl::start_workers(std::vector<std::jthread>& workers) {
  const auto start = [&](int count, void (Impl::*work)()) {
    for (int i = 0; i < count; ++i)
      workers.emplace_back([this, work] { guarded([this, work] { (this->*work)(); }); });
  };
  const auto is_fed = [](const auto& object) { return object->fed; };
  if (ordered_) start(1, &Impl::feed_in_order);
  if (!std::all_of(objects_.begin(), objects_.end(), is_fed))
    start(fetch_slots_, &Impl::fetch_worker);
  start(std::max(1, options_.uploads), &Impl::put_worker);
  const auto copies = std::count_if(plan_->objects.begin(), plan_->objects.end(),
                                    [](const ObjectPlan& o) { return o.copy_from || o.same_as; });
  start(static_cast<int>(std::min<std::ptrdiff_t>(kCopies, copies)), &Impl::copy_worker);
}

/// What was sent of an object whose bytes were wrong twice is of no use to a later run.
void Engine::Impl::drop_useless_uploads() {
  for (const auto& object : objects_) {
    std::unique_ptr<Upload> useless;
    {
      Lock lock(mutex_);  // state() may look on meanwhile
      if (!object->wrong) continue;
      useless = std::move(object->upload);
      object->saved_id.clear();
    }
    if (useless) useless->abandon();
  }
}

namespace {

/// What the transforms of the objects that are open at once hold at most.
std::uint64_t held_by_transforms(const TransferPlan& plan, std::size_t open) {
  std::vector<std::uint64_t> each;
  for (const auto& object : plan.objects)
    if (object.transform) each.push_back(object.transform->memory());
  std::sort(each.begin(), each.end(), std::greater<>());
  each.resize(std::min(each.size(), open));
  return std::accumulate(each.begin(), each.end(), std::uint64_t{0});
}

}  // namespace

/// One part is the least that a transfer needs; of a transform, a part and a block. What transforms
/// write has memory of its own, so that each of the objects that are open has room for a part.
void Engine::Impl::share_memory(const TransferPlan& plan) {
  std::uint64_t input = 0, output = 0, largest = 0;
  const ObjectPlan* of_largest = nullptr;
  for (const auto& object : plan.objects) {
    const PartLayout layout = layout_for(object.spec, store_.layout(object.spec.size));
    const std::uint64_t part =
        BufferPool::capacity_for(std::min(layout.part_size, layout.object_size));
    if (object.transform) {
      ++unreserved_;
      output = std::max(output, part);
      input = std::max(input, BufferPool::capacity_for(options_.block));
    } else {
      input = std::max(input, part);
    }
    if (part > largest) of_largest = &object;
    largest = std::max(largest, part);
  }
  const std::uint64_t held = plan.held + held_by_transforms(plan, kActive);
  std::uint64_t left = pool_.budget() - std::min(pool_.budget(), held);
  if (input + output > left) {
    left = input + output;
    warn(
        "{} has {}, which the store takes in parts of {}: that much memory is needed, more than "
        "allowed",
        of_largest->label, human_size(of_largest->spec.size), human_size(left + held));
  }
  // Two for each: one is filled while the other is put; at least a third stays for what is fetched.
  std::uint64_t outputs = 2 * std::min(unreserved_, kActive);
  while (outputs > 1 && left < outputs * output + std::max(input, left / 3)) --outputs;
  outputs_ = BufferPool(outputs * output);
  pool_ = BufferPool(left - outputs * output);
}

namespace {

bool reads_objects(const TransferPlan& plan, const ObjectPlan& object) {
  return std::any_of(object.segments.begin(), object.segments.end(), [&](const Segment& segment) {
    const auto* source = std::get_if<SourceSegment>(&segment);
    return source != nullptr && plan.made.contains(source->unit);
  });
}

}  // namespace

/// What comes after the transfer needs memory, too.
void Engine::Impl::let_go_of_memory() {
  Lock lock(mutex_);  // state() may look on meanwhile
  pool_ = BufferPool(0);
  outputs_ = BufferPool(0);
}

void Engine::Impl::prepare(const TransferPlan& plan, const std::vector<JournalObject>& known) {
  Lock lock(mutex_);
  plan_ = &plan;
  share_memory(plan);
  ordered_ = !source_.random_access();
  objects_.reserve(plan.objects.size());
  for (const auto& object : plan.objects) {
    objects_.push_back(std::make_unique<ObjectRun>(
        plan, object, layout_for(object.spec, store_.layout(object.spec.size))));
    ObjectRun& run = *objects_.back();
    run.from_store = reads_objects(plan, object);
    run.fed = run.by_parts = ordered_ && !run.from_store;
    if (object.transform) run.transform.emplace();
    const auto it = std::lower_bound(
        known.begin(), known.end(), object.spec.key,
        [](const JournalObject& k, const std::string& key) { return k.key < key; });
    run.copy_pending = object.copy_from || object.same_as;
    if (object.same_as) {
      run.original = objects_[*object.same_as].get();
      run.original->twins.push_back(&run);
    }
    if (it != known.end() && it->key == object.spec.key) take_up(run, *it);
    if (run.unfed()) ++unfed_;
    ranks_[object.rank].push_back(&run);
    if (!run.fed) continue;
    if (!object.plain())
      throw Error(Code::unsupported,
                  "a source that gives bytes only in order feeds whole files only")
          .on("plan", object.label)
          .hint("bring it into a folder or a bucket first, and go on from there");
    by_path_[plan.units[std::get<SourceSegment>(object.segments[0]).unit].path] = &run;
  }
  next_rank(lock);
}

void Engine::Impl::take_up(ObjectRun& object, const JournalObject& known) {
  if (known.done) {
    object.state = ObjectState::done;
    object.verified = true;
    object.copy_pending = false;
    object.result = known.done;
    progress_.reused(object.plan->spec.size);
    progress_.file_done(object.plan->label, object.plan->spec.size);
    return;
  }
  if (known.upload.part_size != object.layout.part_size ||
      known.upload.cut != object.layout.cut()) {
    object.useless_id = known.upload.id;
    return;
  }
  object.saved_id = known.upload.id;
  object.saved_parts = known.upload.parts;
  object.saved_hash = known.hash;
}

/// Goes to the lowest rank that has something to do; with none left the transfer is over.
void Engine::Impl::next_rank(const Lock& lock) {
  while (rank_left_ == 0 && !ranks_.empty()) {
    const auto next = ranks_.extract(ranks_.begin());
    rank_ = next.key();
    for (ObjectRun* object : next.mapped()) {
      if (object->state == ObjectState::done) continue;
      ++rank_left_;
      if (object->state == ObjectState::sealed)
        puts_.push_back({object, nullptr});  // waited for its rank
      else if (object->copy_pending)
        copy_if_possible(lock, *object);
      else if (!object->fed)
        waiting_.push_back(object);
    }
  }
  if (rank_left_ == 0) over_ = true;
  cv_.notify_all();
}

/// Notes whether an object is proved, and whether it may yet be copied.
void Engine::Impl::note(const Lock&, ObjectRun& object, bool verified, bool copy_pending) {
  const bool before = object.unfed();
  if (verified && !object.verified) ++proofs_;
  object.verified = verified;
  object.copy_pending = copy_pending;
  if (before && !object.unfed()) --unfed_;
  if (!before && object.unfed()) ++unfed_;
}

void Engine::Impl::finished(const Lock& lock, ObjectRun& object, ObjectResult result) {
  note(lock, object, true, false);
  object.state = ObjectState::done;
  object.result = std::move(result);
  object.upload.reset();
  object.hash_states.clear();
  progress_.file_done(object.plan->label, object.shown_size());
  for (ObjectRun* twin : object.twins)
    if (twin->copy_pending && twin->plan->rank <= rank_) copy_if_possible(lock, *twin);
  --rank_left_;
  next_rank(lock);
}

void Engine::Impl::guarded(const std::function<void()>& work) noexcept {
  try {
    work();
  } catch (...) {
    fail(current_error());
  }
}

void Engine::Impl::fail(const Error& error) {
  Lock lock(mutex_);
  if (!error_) error_ = error;
  over_ = true;
  cv_.notify_all();
  lock.unlock();
  stop_.request_stop();
}

/// Counts a failure against the budget of its part and waits; throws when another try is of no use.
void Engine::Impl::before_retry(const Error& error, int& failures) {
  throw_if_stopped(stop_.get_token());
  if (!error.retryable()) throw error;
  ++failures;
  const http::RetryPolicy& policy = options_.retry;
  if (failures >= policy.tries)
    throw Error(error.code(), fmt::format("gave up after {} tries", failures))
        .on(error.verb(), error.object())
        .from(error.side())
        .hint(error.hint().empty() ? "run the same command again to go on where it stopped"
                                   : error.hint())
        .because(error)
        .transient();
  progress_.retried();
  const double scale = 0.5 + 0.5 * (static_cast<double>(std::random_device{}() % 1000) / 1000);
  const std::chrono::milliseconds exponential = std::min<std::chrono::milliseconds>(
      policy.cap, policy.base * (1LL << std::min(failures - 1, 20)));
  auto wait = std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(exponential.count()) * scale));
  if (error.retry_after())
    wait = std::max(wait, std::min(*error.retry_after(), policy.longest_wait));
  log(LogLevel::debug, "again in {} ms: {}", wait.count(), error.what());
  if (error.code() == Code::throttled && error.side() == Side::source) {
    Lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    // All that were under way are refused at once: that is one request to slow down.
    if (now >= paused_until_) fetch_limit_ = std::max(1, fetch_limit_ / 2);
    throttled_ = true;
    smooth_ = 0;
    paused_until_ = std::max(paused_until_, now + wait);
    progress_.waiting(
        fmt::format("the source asks to slow down, going on in {} s", (wait.count() + 999) / 1000));
  }
  if (policy.on_retry) policy.on_retry(error, wait);
  const bool go_on =
      policy.sleep ? policy.sleep(stop_.get_token(), wait) : wait_for(stop_.get_token(), wait);
  if (!go_on) throw_if_stopped(stop_.get_token());
}

/// No worker runs any more, so that uploads need no lock.
void Engine::Impl::pause(const std::stop_token& stop) {
  std::vector<Upload*> left;
  for (const auto& object : objects_)
    if (object->upload) left.push_back(object->upload.get());
  std::vector<std::jthread> threads;
  for (Upload* upload : left)
    threads.emplace_back([upload, &stop] {
      try {
        upload->pause(stop);
      } catch (...) {
        debug("{}", current_error().what());  // it costs what a cut would
      }
    });
}

std::vector<JournalObject> Engine::Impl::state() const {
  Lock lock(mutex_);
  std::vector<JournalObject> out;
  for (const auto& object : objects_) {
    JournalObject known;
    known.key = object->plan->spec.key;
    if (object->result) {
      known.done = object->result;
    } else {
      known.upload.part_size = object->layout.part_size;
      known.upload.cut = object->layout.cut();
      if (object->upload) {
        known.upload.id = object->upload->id();
        for (const auto& part : object->parts)
          if (part.stored) known.upload.parts.push_back(*part.stored);
        known.hash = object->resume_point();
      } else {
        known.upload.id = object->saved_id;
        known.upload.parts = object->saved_parts;
        known.hash = object->saved_hash;
      }
      if (known.upload.id.empty()) continue;
    }
    out.push_back(std::move(known));
  }
  std::sort(out.begin(), out.end(),
            [](const JournalObject& a, const JournalObject& b) { return a.key < b.key; });
  return out;
}

}  // namespace dray
