#include "dray/hub/links.h"

#include <iterator>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray::hub {

Links::Turn::~Turn() {
  if (!finding_) return;
  const std::lock_guard lock(links_.mutex_);
  links_.entries_.at(key_).finding = false;  // entries being found are never dropped
  links_.changed_.notify_all();
}

void Links::Turn::found(const http::Url& url) {
  if (!finding_) return;
  const std::lock_guard lock(links_.mutex_);
  Entry& entry = links_.touch(key_);
  entry.url = url;
  entry.finding = finding_ = false;
  links_.changed_.notify_all();
}

void Links::Turn::refused() {
  const std::lock_guard lock(links_.mutex_);
  Entry& entry = links_.touch(key_);
  // After found() this turn's link is the entry's; a reader that was handed one compares.
  if (!url_ || entry.url == url_) entry.url.reset();
}

Links::Turn Links::begin(const std::string& key, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  // The entry cannot go away while it is being found, but may before that: look it up at each
  // check.
  changed_.wait(lock, stop, [&] { return !touch(key).finding; });
  throw_if_stopped(stop);
  Entry& entry = touch(key);
  entry.finding = !entry.url;
  return {*this, key, entry.url};
}

std::string Links::first_etag(const std::string& key, Tag kind, const std::string& etag) {
  const std::lock_guard lock(mutex_);
  Entry& entry = touch(key);
  std::string& first = kind == Tag::linked ? entry.linked_etag : entry.direct_etag;
  if (first.empty()) first = etag;
  return first;
}

Links::Entry& Links::touch(const std::string& key) {
  const auto [it, added] = entries_.try_emplace(key);
  if (added)
    it->second.age = ages_.insert(ages_.end(), key);
  else
    ages_.splice(ages_.end(), ages_, it->second.age);
  for (auto oldest = ages_.begin(); entries_.size() > capacity_ && *oldest != key;) {
    const auto next = std::next(oldest);
    if (!entries_.at(*oldest).finding) {
      entries_.erase(*oldest);
      ages_.erase(oldest);
    }
    oldest = next;
  }
  return it->second;
}

}  // namespace dray::hub
