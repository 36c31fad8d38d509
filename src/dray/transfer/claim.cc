#include "dray/transfer/claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/model/reference.h"
#include "dray/store/layout.h"
#include "dray/transfer/briefly.h"

namespace dray {

namespace {

constexpr std::chrono::milliseconds kFirstPause{500}, kLongestPause{5'000};

std::string holder(const FoundJournal& found) {
  if (!found.journal)
    return fmt::format("a writer whose journal cannot be read ({})", found.problem);
  return fmt::format("process {} on {}", found.journal->writer.pid, found.journal->writer.host);
}

/// Of writers that claimed at the same moment all step back; who of them comes next is left to
/// chance, with longer times the more often that happened.
std::chrono::milliseconds random_pause(int meetings) {
  std::random_device random;
  return std::chrono::milliseconds(100 + random() % (400U << std::min(meetings, 4)));
}
constexpr int kMostMeetings = 8;

/// The first living writer other than `mine`; dead ones are collected.
const FoundJournal* living(const std::vector<FoundJournal>& found, const std::string& mine) {
  for (const auto& f : found)
    if (f.key != mine && f.alive) return &f;
  return nullptr;
}

}  // namespace

std::string transfer_id(std::string_view name, std::string_view version) {
  std::string text(name);
  text += '\0';
  text += version;
  return Sha256::hex_of(as_bytes(text)).substr(0, 16);
}

std::vector<FoundJournal> find_journals(StateStore& state, const std::string& prefix,
                                        std::chrono::seconds ttl, const std::stop_token& stop) {
  std::vector<FoundJournal> found;
  for (const StateItem& item : state.list(prefix, stop)) {
    if (!item.key.ends_with(".json")) continue;
    const auto text = state.get(item.key, stop);
    if (!text) continue;  // released between the listing and the read
    FoundJournal f;
    f.key = item.key;
    f.age = item.age;
    f.alive = item.age < ttl;
    try {
      f.journal = parse_journal(*text, item.key);
      if (f.journal->released || surely_dead(f.journal->writer)) f.alive = false;
    } catch (const Error& error) {
      f.problem = error.message();
    }
    found.push_back(std::move(f));
  }
  return found;
}

Claim Claim::acquire(StateStore& state, const Journal& mine, const ClaimOptions& options,
                     const std::stop_token& stop) {
  const std::string id = transfer_id(mine.name, mine.version);
  Claim claim(state, transfer_prefix(id), journal_key(id, mine.writer.id), options.ttl);
  const auto until = std::chrono::steady_clock::now() + options.wait;
  auto tell = std::chrono::steady_clock::now();
  std::chrono::milliseconds pause = kFirstPause;
  int meetings = 0;
  for (;;) {
    throw_if_stopped(stop);
    auto found = find_journals(state, claim.prefix_, options.ttl, stop);
    const FoundJournal* other = living(found, claim.key_);
    if (other == nullptr) {
      found = claim.put_and_look(mine, stop);
      other = living(found, claim.key_);
      if (other == nullptr) {
        claim.inherit(std::move(found));
        return claim;
      }
      claim.step_back();
      // Nobody may have it now: only who finds another without a claim of its own gives way.
      const bool again = ++meetings <= kMostMeetings;
      if (!wait_for(stop, random_pause(meetings))) throw_if_stopped(stop);
      if (again) continue;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) {
      throw Error(Code::locked,
                  fmt::format("{} is being written by {}",
                              Reference{mine.name, mine.version, ""}.text(), holder(*other)))
          .hint(fmt::format("wait for it (--wait 10m), or, if it is dead, try again in {} s",
                            std::max<std::int64_t>(1, (options.ttl - other->age).count())));
    }
    if (options.on_wait && now >= tell) {
      options.on_wait("waiting for " + holder(*other));
      tell = now + std::chrono::seconds(10);
    }
    wait_for(stop, std::min(pause, std::chrono::ceil<std::chrono::milliseconds>(until - now)));
    pause = std::min(kLongestPause, pause * 3 / 2);
  }
}

/// Puts the claim and looks who else is there; steps back when it cannot.
std::vector<FoundJournal> Claim::put_and_look(const Journal& mine, const std::stop_token& stop) {
  try {
    state_->put(key_, to_json_text(mine), stop);
    failpoint("claim-put");
    return find_journals(*state_, prefix_, ttl_, stop);
  } catch (...) {
    const Error error = current_error();
    step_back();
    throw error;
  }
}

void Claim::step_back() noexcept {
  briefly("take back the claim",
          [this](const std::stop_token& stop) { state_->remove(key_, stop); });
}

/// Takes over what dead writers left.
void Claim::inherit(std::vector<FoundJournal> found) {
  for (auto& f : found) {
    if (f.key == key_ || !f.journal) continue;
    inherited_keys_.push_back(f.key);
    inherited_.push_back(std::move(*f.journal));
  }
  std::sort(inherited_.begin(), inherited_.end(),
            [](const Journal& a, const Journal& b) { return a.created > b.created; });
}

void Claim::renew(const Journal& journal, const std::stop_token& stop) {
  // A process that was held (suspended, swapped out) for longer than the claim lives may have been
  // replaced.
  const auto items = state_->list(prefix_, stop);
  const bool still_mine = std::any_of(items.begin(), items.end(),
                                      [this](const StateItem& item) { return item.key == key_; });
  if (!still_mine)
    throw Error(Code::locked, "another writer took this release over while this process was held")
        .on("renew the claim of", Reference{journal.name, journal.version, ""}.text())
        .hint("run the same command again to see where it stands");
  state_->put(key_, to_json_text(journal), stop);
  failpoint("journal-saved");
}

void Claim::save(const Journal& journal, const std::stop_token& stop) {
  renew(journal, stop);
  remove_inherited(stop);
}

/// They are of no more use; what cannot be removed now may be with the next call.
void Claim::remove_inherited(const std::stop_token& stop) {
  std::erase_if(inherited_keys_, [&](const std::string& key) {
    try {
      state_->remove(key, stop);
      return true;
    } catch (const Error& error) {
      debug("{} stays for now: {}", key, error.what());
      return false;
    }
  });
}

void Claim::release(const std::stop_token& stop) {
  remove_inherited(stop);
  state_->remove(key_, stop);
}

}  // namespace dray
