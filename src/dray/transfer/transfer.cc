#include "dray/transfer/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/model/reference.h"
#include "dray/store/catalog.h"
#include "dray/transfer/briefly.h"
#include "dray/transfer/digest_objects.h"
#include "dray/transfer/engine.h"

namespace dray {

struct Transfer::Impl {
  explicit Impl(TransferRequest r)
      : request(std::move(r)),
        engine(*request.source, *request.store, request.options, *request.progress) {
    for (const auto& object : request.plan.objects) planned.emplace(object.spec.key, &object);
  }

  void claim_release(const std::stop_token& stop);
  void settle(const std::stop_token& stop);
  void inherit(const std::stop_token& stop);
  void settle_existing(const std::stop_token& stop);
  std::vector<JournalObject> read_back(const std::vector<Listed>& listed,
                                       const std::stop_token& stop);
  void abandon_orphans(const std::stop_token& stop);
  bool ours(const Listed& object, const std::stop_token& stop);
  bool held_as_blob(const ObjectResult& done, const std::stop_token& stop);

  void keep_claim(const std::stop_token& over);
  void save(bool released, const std::stop_token& stop);
  void stop_keeping();
  void check_claim();
  void give_up() noexcept;
  std::vector<JournalObject> known_objects() const;
  const ObjectPlan* find_planned(const std::string& key) const;

  TransferRequest request;
  std::map<std::string_view, const ObjectPlan*> planned;  // by key
  Journal journal;
  std::optional<Manifest> published;
  std::optional<Claim> claim;                  // while the keeper runs guarded by `mutex`
  std::map<std::string, JournalObject> known;  // by key
  std::set<std::string> inherited_keys;        // keys of any earlier transfer of this release
  Engine engine;

  enum class Stage {
    settling,  // what is there is looked at; the journal names nothing yet
    moving,    // the journal holds what the engine knows
    over,      // nothing more is to be said
  };
  std::mutex mutex;
  Stage stage = Stage::settling;
  std::optional<Error> lost;  // the claim is gone
  std::stop_source halt;      // ends what is under way
  std::jthread keeper;        // last: it uses the others
};

const ObjectPlan* Transfer::Impl::find_planned(const std::string& key) const {
  const auto found = planned.find(key);
  return found == planned.end() ? nullptr : found->second;
}

void Transfer::Impl::claim_release(const std::stop_token& stop) {
  const std::string id = transfer_id(request.name, request.version);
  journal.writer = this_writer();
  journal.name = request.name;
  journal.version = request.version;
  journal.source = request.source_text;
  journal.plan = plan_digest(request.plan);
  journal.created = unix_now();
  for (auto& object : request.plan.objects) {
    object.spec.metadata.emplace_back(kTransferMetadata, id);
  }
  const ClaimOptions options{request.options.claim_ttl, request.options.lock_wait,
                             [this](const std::string& why) { request.progress->waiting(why); }};
  claim.emplace(Claim::acquire(request.store->state(), journal, options, stop));
  request.progress->waiting("");
  failpoint("claimed");
  keeper = std::jthread([this](const std::stop_token& over) { keep_claim(over); });
}

/// What dead writers left: of the same plan it is taken up, of another it is removed (no manifest
/// names it).
void Transfer::Impl::inherit(const std::stop_token& stop) {
  for (const Journal& left : claim->inherited()) {
    inherited_keys.insert(left.keys.begin(), left.keys.end());
    if (left.plan == journal.plan) {
      for (const auto& object : left.objects) known.emplace(object.key, object);
      continue;
    }
    for (const auto& object : left.objects) {
      if (!object.upload.id.empty()) request.store->abandon({object.key, object.upload.id}, stop);
      if (object.done) request.store->remove(object.key, stop);
    }
  }
  if (!claim->inherited().empty())
    info("going on with a transfer that stopped {} ago",
         fmt::format("{} s",
                     std::max<UnixTime>(0, unix_now() - claim->inherited().front().created)));
}

/// True when an object below the prefix was made by a transfer of this release.
bool Transfer::Impl::ours(const Listed& object, const std::stop_token& stop) {
  if (inherited_keys.contains(object.key)) return true;
  const auto stat = request.store->stat(object.key, stop);
  return stat && stat->meta(kTransferMetadata) == transfer_id(request.name, request.version);
}

/// Blobs are listed nowhere before they are published.
bool Transfer::Impl::held_as_blob(const ObjectResult& done, const std::stop_token& stop) {
  if (!request.store->properties().blobs) return false;
  const auto stat = request.store->stat(done.etag, stop);
  return stat && stat->size == done.size;
}

void Transfer::Impl::settle_existing(const std::stop_token& stop) {
  std::vector<Listed> unsure;
  std::set<std::string> there;
  for (const ObjectResult& right : request.present) {
    known[right.key] = {right.key, {}, std::nullopt, right};
    there.insert(right.key);
  }
  for (const Listed& object : request.store->list(request.prefix, stop)) {
    if (there.contains(object.key)) continue;
    const ObjectPlan* plan = find_planned(object.key);
    const auto it = known.find(object.key);
    const bool recorded = it != known.end() && it->second.done &&
                          it->second.done->etag == object.etag &&
                          it->second.done->size == object.size;
    if (plan != nullptr && recorded) {
      there.insert(object.key);
    } else if (!request.exclusive_prefix) {
      continue;  // a stranger's, or replaced when its time has come
    } else if (!ours(object, stop)) {
      throw Error(Code::conflict, fmt::format("{} exists and no manifest names it", object.key))
          .on("write to", request.store->properties().uri + "/" + request.prefix)
          .from(Side::destination)
          .hint("`dray adopt` records what is there; or choose another --name or --version");
    } else if (plan != nullptr && object.size == plan->spec.size) {
      unsure.push_back(object);
    } else {
      request.store->remove(object.key, stop);  // an earlier transfer's, of other content
    }
  }
  for (auto& [key, object] : known)
    if (object.done && !there.contains(key) && !held_as_blob(*object.done, stop))
      object.done.reset();
  for (JournalObject& object : read_back(unsure, stop)) known[object.key] = std::move(object);
}

/// Objects whose record was lost are hashed where they lie: right ones stay, others go and come
/// again.
std::vector<JournalObject> Transfer::Impl::read_back(const std::vector<Listed>& listed,
                                                     const std::stop_token& stop) {
  if (listed.empty()) return {};
  std::vector<ObjectToRead> objects;
  std::uint64_t bytes = 0;
  for (const Listed& l : listed) {
    bytes += l.size;
    const PartLayout layout = request.store->layout(l.size);
    objects.push_back(
        {l.key, l.key, l.etag, l.size, layout.count() > 1 ? layout.part_size : 0, ""});
  }
  request.progress->begin("checking what is there", bytes, objects.size());
  std::vector<JournalObject> right;
  std::vector<ObjectResult> found =
      digest_objects(*request.store, objects, request.options, *request.progress, stop);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const ObjectPlan& plan = *find_planned(found[i].key);
    const std::string stated =
        plan.plain()
            ? request.plan.units[std::get<SourceSegment>(plan.segments[0]).unit].digests.sha256
            : "";
    if (!stated.empty() && stated == found[i].sha256) {
      right.push_back({found[i].key, {}, std::nullopt, found[i]});
    } else {
      request.store->remove(found[i].key, stop);
    }
  }
  return right;
}

/// Uploads of our keys that no journal knows: begun just before a writer died.
void Transfer::Impl::abandon_orphans(const std::stop_token& stop) {
  std::vector<UnfinishedUpload> left = request.store->unfinished(request.prefix, stop);
  if (left.empty() && !claim->inherited().empty()) {
    // MinIO tells the uploads of one whole key only.
    for (const auto& object : request.plan.objects) {
      if (request.store->layout(object.spec.size).count() < 2) continue;
      for (auto& upload : request.store->unfinished(object.spec.key, stop))
        left.push_back(std::move(upload));
    }
  }
  for (const UnfinishedUpload& upload : left) {
    if (find_planned(upload.key) == nullptr && !inherited_keys.contains(upload.key)) continue;
    const auto it = known.find(upload.key);
    if (it != known.end() && it->second.upload.id == upload.id) continue;
    request.store->abandon(upload, stop);
  }
}

Transfer::Transfer(TransferRequest request, const std::stop_token& stop)
    : impl_(std::make_unique<Impl>(std::move(request))) {
  Impl& impl = *impl_;
  const std::stop_callback on_stop(stop, [&] { impl.halt.request_stop(); });
  try {
    impl.claim_release(impl.halt.get_token());
    if (impl.request.exclusive_prefix)
      impl.published = find_manifest(*impl.request.store, impl.request.name, impl.request.version,
                                     impl.halt.get_token());
    if (!impl.published) impl.settle(impl.halt.get_token());
  } catch (...) {
    const Error error = current_error();
    impl.stop_keeping();
    impl.check_claim();
    if (impl.claim) impl.claim->step_back();
    throw error;
  }
}

const std::optional<Manifest>& Transfer::published() const { return impl_->published; }

Transfer::~Transfer() {
  if (impl_->stage != Impl::Stage::over) impl_->give_up();
}

void Transfer::Impl::settle(const std::stop_token& stop) {
  inherit(stop);
  settle_existing(stop);
  abandon_orphans(stop);
  // Only now: a journal must not name keys where somebody else's objects may lie.
  const std::lock_guard lock(mutex);
  for (const auto& object : request.plan.objects) journal.keys.push_back(object.spec.key);
  journal.objects = known_objects();
  stage = Stage::moving;
  claim->save(journal, stop);
}

std::vector<JournalObject> Transfer::Impl::known_objects() const {
  std::vector<JournalObject> objects;
  for (const auto& [key, object] : known) objects.push_back(object);
  return objects;
}

std::vector<ObjectResult> Transfer::run(const std::stop_token& stop) {
  Impl& impl = *impl_;
  const std::stop_callback on_stop(stop, [&] { impl.halt.request_stop(); });
  try {
    auto results = impl.engine.run(impl.request.plan, impl.known_objects(), impl.halt.get_token());
    // Once more before anything is published: it is still ours, and what is done is on record.
    impl.save(false, impl.halt.get_token());
    return results;
  } catch (...) {
    const Error error = current_error();
    impl.give_up();
    impl.check_claim();
    throw error;
  }
}

/// Rewrites the journal, which renews the claim, at a steady pace until the transfer is over: also
/// while much is read back before it, and while the release is published after it.
void Transfer::Impl::keep_claim(const std::stop_token& over) {
  std::stop_source either;
  const std::stop_callback on_over(over, [&] { either.request_stop(); });
  const std::stop_callback on_halt(halt.get_token(), [&] { either.request_stop(); });
  const std::stop_token stop = either.get_token();
  const std::chrono::milliseconds ttl = request.options.claim_ttl;
  const auto pace = std::min(request.options.journal_every, ttl / 4);
  while (wait_for(stop, pace)) {
    try {
      save(false, stop);
    } catch (...) {
      const Error error = current_error();
      if (stop.stop_requested()) return;
      if (error.code() == Code::locked) {
        {
          const std::lock_guard lock(mutex);
          lost = error;
        }
        halt.request_stop();
        return;
      }
      warn("the journal could not be saved, resuming may cost more: {}", error.what());
    }
  }
}

/// Puts on record what is known now.
void Transfer::Impl::save(bool released, const std::stop_token& stop) {
  const std::lock_guard lock(mutex);
  if (stage == Stage::settling) {
    claim->renew(journal, stop);
    return;
  }
  if (auto moved = engine.state(); !moved.empty()) journal.objects = std::move(moved);
  journal.released = released;
  claim->save(journal, stop);
}

void Transfer::Impl::stop_keeping() {
  keeper.request_stop();
  if (keeper.joinable()) keeper.join();
}

void Transfer::Impl::check_claim() {
  const std::lock_guard lock(mutex);
  if (lost) throw Error(*lost);
}

/// The transfer ends before its time: what is known goes to the journal, marked as released so that
/// nobody waits for this process.
void Transfer::Impl::give_up() noexcept {
  stop_keeping();
  stage = Stage::over;
  if (lost) return;
  // Both share what a stop may take, and the journal is what counts more.
  const auto began = std::chrono::steady_clock::now();
  briefly(
      "end what is being sent", [this](const std::stop_token& stop) { engine.pause(stop); },
      kPatience * 3 / 5);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began);
  const bool saved = briefly(
      "save the journal", [this](const std::stop_token& stop) { save(true, stop); },
      kPatience - std::min(took, kPatience));
  if (!saved) warn("the journal could not be saved, resuming may cost more");
}

void Transfer::finish(const std::stop_token& stop) {
  impl_->stop_keeping();
  impl_->claim->release(stop);
  impl_->stage = Impl::Stage::over;
  failpoint("transfer-finished");
}

}  // namespace dray
