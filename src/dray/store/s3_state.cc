#include "dray/store/s3_state.h"

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/time.h"

namespace dray {

namespace {

constexpr std::uint64_t kMaxState = 64 * kMiB;

}  // namespace

s3::PutOptions S3State::options(const S3Capabilities& can, std::string_view content) const {
  auto out = place_->put_options(can, as_bytes(content));
  out.content_type = "application/json";
  return out;
}

std::optional<std::string> S3State::get(const std::string& key, const std::stop_token& stop) {
  auto body = place_->client().get_object(place_->full(key), kMaxState, stop);
  if (!body) return std::nullopt;
  return std::move(body->content);
}

bool S3State::create_if_absent(const std::string& key, std::string_view content,
                               const std::stop_token& stop) {
  throw_if_stopped(stop);
  const S3Capabilities can = place_->capabilities(stop);
  auto with = options(can, content);
  if (can.put_if_absent) return create_guarded(key, content, std::move(with), stop);
  // Look before, read back after: a race is noticed by whoever's content did not stay.
  if (place_->client().head_object(place_->full(key), stop)) return false;
  with_retry(place_->retry(), stop, [&] {
    place_->client().put_object(place_->full(key), as_bytes(content), with, stop);
  });
  return get(key, stop) == content;
}

bool S3State::create_guarded(const std::string& key, std::string_view content, s3::PutOptions with,
                             const std::stop_token& stop) {
  with.if_none_match = true;
  bool maybe_ours = false;  // an answer was lost, so that what is there may be from our own try
  return with_retry(place_->retry(), stop, [&] {
    try {
      place_->client().put_object(place_->full(key), as_bytes(content), with, stop);
      return true;
    } catch (const Error& e) {
      if (e.code() == Code::precondition) return maybe_ours && get(key, stop) == content;
      if (e.retryable() && e.code() != Code::throttled && e.code() != Code::conflict)
        maybe_ours = true;
      throw;
    }
  });
}

void S3State::put(const std::string& key, std::string_view content, const std::stop_token& stop) {
  throw_if_stopped(stop);
  const auto with = options(place_->capabilities(stop), content);
  with_retry(place_->retry(), stop, [&] {
    place_->client().put_object(place_->full(key), as_bytes(content), with, stop);
  });
}

std::vector<StateItem> S3State::list(const std::string& prefix, const std::stop_token& stop) {
  s3::ListQuery query;
  query.prefix = place_->full(prefix);
  const auto result = place_->client().list(query, stop);
  const UnixTime now = result.server_time.value_or(unix_now());
  std::vector<StateItem> out;
  for (const auto& object : result.objects)
    out.push_back(
        {place_->stripped(object.key), object.size,
         std::chrono::seconds(std::max<UnixTime>(0, now - object.last_modified.value_or(now)))});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

void S3State::remove(const std::string& key, const std::stop_token& stop) {
  place_->client().delete_object(place_->full(key), stop);
}

}  // namespace dray
