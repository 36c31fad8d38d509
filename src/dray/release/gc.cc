// Leftovers of dead transfers: only what their journals name.
#include <fmt/format.h>

#include <set>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/release/verify.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/transfer/claim.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

/// An object at a journal's key is that transfer's when the journal recorded it, or it carries the
/// transfer's id, or lies in a folder where objects carry nothing and where the transfer found none
/// before it began.
bool made_by(Store& store, const Journal& journal, const StoredObject& object) {
  const JournalObject* known = journal.find(object.key);
  if (known != nullptr && known->done && known->done->etag == object.etag &&
      known->done->size == object.size)
    return true;
  if (object.meta(kTransferMetadata) == transfer_id(journal.name, journal.version)) return true;
  return store.properties().local_disk;
}

std::vector<UnfinishedUpload> uploads_of(Store& store, const std::set<std::string>& keys,
                                         const std::stop_token& stop) {
  if (keys.empty()) return {};
  std::string common = *keys.begin();
  for (const auto& key : keys)
    while (!key.starts_with(common)) common.pop_back();
  std::vector<UnfinishedUpload> found = store.unfinished(common, stop);
  if (found.empty() && keys.size() > 1) {
    // MinIO tells the uploads of one whole key only.
    for (const auto& key : keys)
      for (auto& upload : store.unfinished(key, stop)) found.push_back(std::move(upload));
  }
  std::erase_if(found, [&](const UnfinishedUpload& upload) { return !keys.contains(upload.key); });
  return found;
}

void collect(Store& store, const FoundJournal& found, bool yes, std::vector<Leftover>& out,
             const std::stop_token& stop) {
  const Journal& journal = *found.journal;
  const std::string id = transfer_id(journal.name, journal.version);
  const std::set<std::string> keys(journal.keys.begin(), journal.keys.end());
  const bool published = find_manifest(store, journal.name, journal.version, stop).has_value();
  for (const UnfinishedUpload& upload : uploads_of(store, keys, stop)) {
    out.push_back({id, "unfinished upload of " + upload.key, 0});
    if (yes) store.abandon(upload, stop);
  }
  for (const auto& key : journal.keys) {
    if (published) break;  // what lies there is the release
    const auto object = store.stat(key, stop);
    if (!object || !made_by(store, journal, *object)) continue;
    out.push_back({id, "object " + key + " of a release that was never published", object->size});
    if (yes) store.remove(key, stop);
  }
  out.push_back(
      {id,
       fmt::format("journal of {}:{} by {}", journal.name, journal.version, journal.writer.host),
       0});
  if (yes) store.state().remove(found.key, stop);
}

}  // namespace

std::vector<Leftover> collect_garbage(Store& store, bool yes, std::chrono::seconds claim_ttl,
                                      const std::stop_token& stop) {
  std::vector<Leftover> out;
  std::set<std::string>
      busy;  // releases that a living writer works on: it takes their leftovers up itself
  const auto journals =
      find_journals(store.state(), std::string(kStateRoot) + "transfers/", claim_ttl, stop);
  for (const auto& found : journals)
    if (found.alive) busy.insert(found.key.substr(0, found.key.rfind('/')));
  for (const auto& found : journals) {
    if (busy.contains(found.key.substr(0, found.key.rfind('/')))) continue;
    if (!found.journal) {
      warn("{} is left alone: {}", found.key, found.problem);
      continue;
    }
    collect(store, found, yes, out, stop);
  }
  return out;
}

}  // namespace dray
