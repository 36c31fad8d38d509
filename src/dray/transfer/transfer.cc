#include "dray/transfer/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/model/reference.h"
#include "dray/transfer/digest_objects.h"
#include "dray/transfer/engine.h"

namespace dray {

struct Transfer::Impl {
  explicit Impl(TransferRequest r)
      : request(std::move(r)),
        engine(*request.source, *request.store, request.options, *request.progress) {}

  void claim_release(const std::stop_token& stop);
  void inherit(const std::stop_token& stop);
  void settle_existing(const std::stop_token& stop);
  std::vector<JournalObject> read_back(const std::vector<Listed>& listed,
                                       const std::stop_token& stop);
  void abandon_orphans(const std::stop_token& stop);
  bool ours(const Listed& object, const std::stop_token& stop);
  void save(std::vector<JournalObject> objects, bool released, const std::stop_token& stop);
  void keep_journal(const std::stop_token& stop, std::stop_source& engine_stop);
  void last_words() noexcept;
  const ObjectPlan* planned(const std::string& key) const;

  TransferRequest request;
  Journal journal;
  std::optional<Claim> claim;
  std::map<std::string, JournalObject> known;  // by key
  std::set<std::string> inherited_keys;        // keys of any earlier transfer of this release
  Engine engine;

  std::mutex mutex;
  std::condition_variable_any changed;
  bool dirty = false;
  std::optional<Error> lost;  // the claim is gone
};

const ObjectPlan* Transfer::Impl::planned(const std::string& key) const {
  for (const auto& object : request.plan.objects)
    if (object.spec.key == key) return &object;
  return nullptr;
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

void Transfer::Impl::settle_existing(const std::stop_token& stop) {
  std::vector<Listed> unsure;
  std::set<std::string> there;
  for (const ObjectResult& right : request.present) {
    known[right.key] = {right.key, {}, std::nullopt, right};
    there.insert(right.key);
  }
  for (const Listed& object : request.store->list(request.prefix, stop)) {
    if (there.contains(object.key)) continue;
    const ObjectPlan* plan = planned(object.key);
    if (plan == nullptr && !request.exclusive_prefix) continue;
    const auto it = known.find(object.key);
    const bool recorded = it != known.end() && it->second.done &&
                          it->second.done->etag == object.etag &&
                          it->second.done->size == object.size;
    if (plan != nullptr && recorded) {
      there.insert(object.key);
    } else if (request.exclusive_prefix && !ours(object, stop)) {
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
    if (object.done && !there.contains(key)) object.done.reset();
  for (JournalObject& object : read_back(unsure, stop)) known[object.key] = std::move(object);
}

/// Objects whose record was lost are hashed where they lie: right ones stay, others go and come
/// again.
std::vector<JournalObject> Transfer::Impl::read_back(const std::vector<Listed>& listed,
                                                     const std::stop_token& stop) {
  if (listed.empty()) return {};
  request.progress->phase("checking what is there");
  std::vector<ObjectToRead> objects;
  for (const Listed& l : listed) {
    const PartLayout layout = request.store->layout(l.size);
    objects.push_back(
        {l.key, l.key, l.etag, l.size, layout.count() > 1 ? layout.part_size : 0, ""});
  }
  Progress unseen;
  std::vector<JournalObject> right;
  std::vector<ObjectResult> found =
      digest_objects(*request.store, objects, request.options, unseen, stop);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const ObjectPlan& plan = *planned(found[i].key);
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
    if (planned(upload.key) == nullptr && !inherited_keys.contains(upload.key)) continue;
    const auto it = known.find(upload.key);
    if (it != known.end() && it->second.upload.id == upload.id) continue;
    request.store->abandon(upload, stop);
  }
}

Transfer::Transfer(TransferRequest request, const std::stop_token& stop)
    : impl_(std::make_unique<Impl>(std::move(request))) {
  impl_->claim_release(stop);
  try {
    impl_->inherit(stop);
    impl_->settle_existing(stop);
    impl_->abandon_orphans(stop);
    // Only now: a journal must not name keys where somebody else's objects may lie.
    for (const auto& object : impl_->request.plan.objects)
      impl_->journal.keys.push_back(object.spec.key);
    std::vector<JournalObject> objects;
    for (const auto& [key, object] : impl_->known) objects.push_back(object);
    impl_->save(std::move(objects), false, stop);
  } catch (...) {
    const Error error = current_error();
    try {
      impl_->claim->withdraw({});
    } catch (const Error& second) {
      debug("the claim stays until it expires: {}", second.what());
    }
    throw error;
  }
}

Transfer::~Transfer() = default;

void Transfer::Impl::save(std::vector<JournalObject> objects, bool released,
                          const std::stop_token& stop) {
  Journal now = journal;
  now.released = released;
  now.objects = std::move(objects);
  claim->save(now, stop);
}

std::vector<ObjectResult> Transfer::run(const std::stop_token& stop) {
  Impl& impl = *impl_;
  std::stop_source engine_stop;
  std::stop_callback on_stop(stop, [&] { engine_stop.request_stop(); });
  std::vector<JournalObject> known;
  for (const auto& [key, object] : impl.known) known.push_back(object);
  try {
    std::jthread keeper([&](const std::stop_token& over) { impl.keep_journal(over, engine_stop); });
    auto results = impl.engine.run(
        impl.request.plan, known,
        [&impl] {
          std::lock_guard lock(impl.mutex);
          impl.dirty = true;
          impl.changed.notify_all();
        },
        engine_stop.get_token());
    keeper.request_stop();
    keeper.join();
    if (impl.lost) throw *impl.lost;
    return results;
  } catch (...) {
    const Error error = current_error();
    if (impl.lost) throw *impl.lost;
    impl.last_words();
    throw error;
  }
}

/// Rewrites the journal every `journal_every`, and within a second after something that matters
/// happened.
void Transfer::Impl::keep_journal(const std::stop_token& stop, std::stop_source& engine_stop) {
  const auto quiet = std::min<std::chrono::milliseconds>(request.options.journal_every,
                                                         request.options.claim_ttl / 4);
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, stop, quiet, [this] { return dirty; });
      dirty = false;
    }
    if (stop.stop_requested()) return;
    try {
      save(engine.state(), false, stop);
    } catch (const Error& error) {
      if (stop.stop_requested()) return;
      if (error.code() == Code::locked) {
        lost = error;
        engine_stop.request_stop();
        return;
      }
      warn("the journal could not be saved, resuming may cost more: {}", error.what());
    }
    wait_for(stop, std::min<std::chrono::milliseconds>(quiet, std::chrono::seconds(1)));
  }
}

/// After a failure or a stop: what is known goes to the journal, marked as released so that nobody
/// waits for this process.
void Transfer::Impl::last_words() noexcept {
  std::stop_source patience;
  std::jthread timer([&](const std::stop_token& over) {
    if (wait_for(over, std::chrono::milliseconds(1500))) patience.request_stop();
  });
  try {
    save(engine.state(), true, patience.get_token());
  } catch (...) {
    warn("the journal could not be saved, resuming may cost more: {}", current_error().what());
  }
}

void Transfer::finish(const std::stop_token& stop) {
  impl_->claim->release(stop);
  failpoint("transfer-finished");
}

}  // namespace dray
