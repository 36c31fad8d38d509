#include "dray/store/turn.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/store/dir_files.h"
#include "dray/store/races.h"

namespace dray {

namespace {

constexpr std::chrono::seconds kPatience = Turn::kTurnLimit + std::chrono::seconds(5);

Error not_our_turn(const std::string& what) {
  return Error(Code::locked, "another writer is at it")
      .on("append to", what)
      .from(Side::destination)
      .hint("try again in a minute")
      .transient();
}

std::chrono::milliseconds a_while() {
  static thread_local std::mt19937 random{std::random_device{}()};
  return std::chrono::milliseconds(std::uniform_int_distribution<int>(20, 300)(random));
}

}  // namespace

Turn::Turn(Store& store, std::string prefix, const std::string& what, const std::stop_token& stop)
    : store_(store), prefix_(std::move(prefix) + "turn/"), what_(what) {
  if (excludes_races(store_.state(), stop)) return;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    marker_ = prefix_ + dir::random_id();
    since_ = std::chrono::steady_clock::now();
    try {
      store_.state().put(marker_, "{}\n", stop);
      if (alone(stop)) return;
    } catch (...) {
      leave();
      throw;
    }
    leave();
    if (std::chrono::steady_clock::now() > end) throw not_our_turn(what_);
    wait_for(stop, a_while());
    throw_if_stopped(stop);
  }
}

Turn::~Turn() { leave(); }

bool Turn::alone(const std::stop_token& stop) {
  bool others = false;
  for (const auto& item : store_.state().list(prefix_, stop)) {
    if (item.key == marker_) continue;
    if (item.age > kTurnLimit)
      store_.state().remove(item.key, stop);
    else
      others = true;
  }
  return !others;
}

void Turn::check() const {
  // Half of it: the write itself and slow clocks get the other half.
  if (!marker_.empty() && std::chrono::steady_clock::now() - since_ > kTurnLimit / 2)
    throw not_our_turn(what_);
}

void Turn::leave() noexcept {
  if (marker_.empty()) return;
  try {
    store_.state().remove(std::exchange(marker_, {}), {});
  } catch (const std::exception& error) {
    debug("the marker of a turn stays until it is too old: {}", error.what());
  }
}

}  // namespace dray
