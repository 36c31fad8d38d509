// One writer per release: the claim that goes with a journal.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/store/state.h"
#include "dray/transfer/journal.h"

namespace dray {

struct ClaimOptions {
  std::chrono::seconds ttl{60};                     // a claim not renewed for so long is dead
  std::chrono::seconds wait{0};                     // how long to wait for a living writer
  std::function<void(const std::string&)> on_wait;  // "waiting for host-7 …", about every 10 s
};

/// A writer's journal as found in a store.
struct FoundJournal {
  std::string key;
  std::optional<Journal> journal;  // nullopt: unreadable or of a newer format
  std::string problem;             // why it is unreadable
  bool alive = true;
  std::chrono::seconds age{0};
};

/// The folder of transfers of a release; the same for every writer of it.
std::string transfer_id(std::string_view name, std::string_view version);

/// A claim is the existence of a writer's own journal object, renewed by rewriting it. It works on
/// stores without conditional writes: a writer puts its object under a unique key, and goes on only
/// if, listing afterwards, it sees no other living writer; two that see each other both step back
/// and try again after a random time. Used by one thread at a time.
class Claim {
 public:
  /// Throws Code::locked, naming the holder, when another writer lives and `wait` is over. What it
  /// throws leaves nothing in the store that others would have to wait for.
  static Claim acquire(StateStore& state, const Journal& mine, const ClaimOptions& options,
                       const std::stop_token& stop);

  /// Journals of dead writers, newest first: their uploads may be taken up.
  const std::vector<Journal>& inherited() const { return inherited_; }
  /// Rewrites the journal and renews the claim. Throws Code::locked when another writer took the
  /// release over meanwhile (this process was held too long).
  void renew(const Journal& journal, const std::stop_token& stop);
  /// As renew(); then the inherited ones are removed, so `journal` must contain what is to be kept
  /// of them.
  void save(const Journal& journal, const std::stop_token& stop);
  /// Before anything was done: removes this writer's journal, as far as that is soon done, and
  /// leaves the inherited ones.
  void step_back() noexcept;
  /// The transfer is over: removes the journal.
  void release(const std::stop_token& stop);

 private:
  std::vector<FoundJournal> put_and_look(const Journal& mine, const std::stop_token& stop);
  void inherit(std::vector<FoundJournal> found);
  void remove_inherited(const std::stop_token& stop);
  Claim(StateStore& state, std::string prefix, std::string key, std::chrono::seconds ttl)
      : state_(&state), prefix_(std::move(prefix)), key_(std::move(key)), ttl_(ttl) {}
  StateStore* state_;
  std::string prefix_, key_;
  std::chrono::seconds ttl_;
  std::vector<Journal> inherited_;
  std::vector<std::string> inherited_keys_;
};

/// All journals below `prefix` (".dray/transfers/" or one transfer's), judged by age and, on the
/// same machine, by pid.
std::vector<FoundJournal> find_journals(StateStore& state, const std::string& prefix,
                                        std::chrono::seconds ttl, const std::stop_token& stop);

}  // namespace dray
