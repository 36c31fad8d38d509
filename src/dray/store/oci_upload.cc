#include "dray/store/oci_upload.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/base/time.h"

namespace dray {

namespace {

constexpr std::uint64_t kFirstChunk = 64 * kMiB, kLeastChunk = 4 * kMiB;
constexpr std::chrono::milliseconds kLongestWait{60'000};
constexpr int kCutsBeforeChunks = 3;
constexpr int kMostLogins = 3;  // in a row without a byte sent

/// Nothing but another account, other limits or other bytes would help.
bool is_final(const Error& error) {
  switch (error.code()) {
    case Code::auth:
      return error.http_status() != 401;
    case Code::cancelled:
    case Code::internal:
    case Code::storage:
    case Code::usage:
    case Code::verification:
      return true;
    default:
      return false;
  }
}

}  // namespace

OciUpload::OciUpload(std::shared_ptr<oci::Client> client, std::shared_ptr<OciUploadTraits> traits,
                     ObjectSpec spec, PartLayout layout, oci::UploadSession session,
                     std::vector<PutPart> saved, bool taken_up)
    : client_(std::move(client)),
      traits_(std::move(traits)),
      spec_(std::move(spec)),
      layout_(std::move(layout)),
      saved_(std::move(saved)),
      taken_up_(taken_up),
      session_(std::move(session)) {}

OciUpload::~OciUpload() = default;  // a PATCH that is open is cut off with its thread

oci::UploadSession OciUpload::session() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

void OciUpload::go_on_with(oci::UploadSession session) {
  const std::lock_guard lock(mutex_);
  session_ = std::move(session);
}

std::string OciUpload::id() const { return session().location.text(); }

std::vector<PutPart> OciUpload::present(const std::stop_token& stop) {
  if (!taken_up_) return {};
  held_ = size_held(stop).value_or(0);
  std::vector<PutPart> out;
  for (const PutPart& part : saved_) {
    if (part.index != out.size() || layout_.part(part.index).end() > held_) break;
    out.push_back(part);
  }
  if (held_ == 0) go_on_with(client_->begin_upload(stop));
  return out;
}

std::optional<std::uint64_t> OciUpload::size_held(const std::stop_token& stop) {
  oci::UploadSession now = session();
  const auto size = client_->upload_size(now, stop);
  go_on_with(std::move(now));
  return size;
}

PutPart OciUpload::put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                       const std::stop_token& stop) {
  const ByteRange range = layout_.part(index);
  if (range.offset > held_) throw Rewind(held_);
  try {
    // What was held beyond the last whole part is not sent again.
    if (held_ < range.end())
      send(bytes.subspan(static_cast<std::size_t>(held_ - range.offset)), stop);
    if (range.end() == layout_.object_size) end_stream(stop);
  } catch (const Error& error) {
    if (error.code() == Code::cancelled) throw;  // what is open stays so, for pause()
    recover(error, bytes.size(), stop);
    if (held_ < range.end()) throw Rewind(held_);
  }
  return {index, bytes.size(), crc64, ""};
}

void OciUpload::send(Bytes bytes, const std::stop_token& stop) {
  if (chunk() > 0 && !sender_.joinable())
    send_chunks(bytes, std::max(chunk(), session().chunk_min), stop);
  else
    send_streamed(bytes, stop);
  refused_logins_ = 0;
}

void OciUpload::send_chunks(Bytes bytes, std::uint64_t most, const std::stop_token& stop) {
  while (!bytes.empty()) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(most, bytes.size()));
    oci::UploadSession now = session();
    client_->patch_chunk(now, held_, bytes.first(size), stop);
    go_on_with(std::move(now));
    held_ += size;
    bytes = bytes.subspan(size);
  }
}

void OciUpload::send_streamed(Bytes bytes, const std::stop_token& stop) {
  if (!sender_.joinable()) begin_stream();
  std::unique_lock lock(mutex_);
  const std::size_t size = bytes.size();
  current_ = bytes;
  cv_.notify_all();
  // The bytes are borrowed: whatever happens, the sender has let go of them before we return.
  cv_.wait(lock, stop, [&] { return current_.empty() || answered_; });
  const bool sent = current_.empty();
  current_ = {};
  if (answered_) {
    lock.unlock();
    sender_.join();
    throw Error(
        failed_.value_or(Error(Code::server, "the registry answered before it had everything")
                             .on("upload to", client_->name())
                             .from(Side::destination)
                             .transient()));
  }
  if (!sent) throw Error(Code::cancelled, "stopped");
  held_ += size;
}

void OciUpload::begin_stream() {
  answered_ = body_over_ = false;
  failed_.reset();
  sender_ = std::jthread([this](const std::stop_token& stop) {
    oci::UploadSession now = session();
    std::optional<Error> failed;
    try {
      const http::BodyStream body{
          [&](MutableBytes out) {
            std::unique_lock lock(mutex_);
            if (!cv_.wait(lock, stop, [&] { return !current_.empty() || body_over_; }))
              throw Error(Code::cancelled, "stopped");
            return give(out);
          },
          std::nullopt};
      client_->patch_stream(now, body, stop);
    } catch (...) {
      failed = current_error();
    }
    const std::lock_guard lock(mutex_);
    session_ = std::move(now);
    failed_ = std::move(failed);
    answered_ = true;
    cv_.notify_all();
  });
}

/// With the lock held.
std::size_t OciUpload::give(MutableBytes out) {
  const std::size_t size = std::min(out.size(), current_.size());
  if (size > 0) std::memcpy(out.data(), current_.data(), size);
  current_ = current_.subspan(size);
  if (current_.empty()) cv_.notify_all();
  return size;
}

/// The body is complete: waits for what the registry says to it.
void OciUpload::end_stream(const std::stop_token& stop) {
  if (!sender_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    body_over_ = true;
    cv_.notify_all();
    if (!cv_.wait(lock, stop, [&] { return answered_; })) throw Error(Code::cancelled, "stopped");
  }
  sender_.join();
  if (failed_) throw Error(*failed_);
}

void OciUpload::cut_stream() {
  if (!sender_.joinable()) return;
  sender_.request_stop();
  sender_.join();
}

void OciUpload::pause(const std::stop_token& stop) {
  try {
    end_stream(stop);
  } catch (const Error& error) {
    debug("{}: not ended in order: {}", spec_.key, error.what());
  }
  cut_stream();
}

/// Most bytes of one request, 0 = no limit.
std::uint64_t OciUpload::chunk() const {
  const std::uint64_t all = traits_->chunk;
  return all == 0 || own_chunk_ == 0 ? std::max(all, own_chunk_) : std::min(all, own_chunk_);
}

/// After a request was too long; false if shorter ones cannot help. `attempted`: bytes of the part
/// that was being sent.
bool OciUpload::lower_chunk(std::uint64_t attempted) {
  const std::uint64_t used = chunk();
  if (used > 0 && std::min(used, attempted) <= kLeastChunk) return false;
  own_chunk_ = used == 0 ? kFirstChunk : std::max(kLeastChunk, std::min(used, attempted) / 2);
  return true;
}

/// Finds out what the registry holds: `held_`, from where on to send again. Throws where that would
/// not help.
void OciUpload::recover(const Error& error, std::size_t attempted, const std::stop_token& stop) {
  cut_stream();
  const bool too_long = error.http_status() == 413 && lower_chunk(attempted);
  if (too_long && traits_->chunk.exchange(own_chunk_) != own_chunk_)
    info("{} refuses long requests: sending chunks of {}", client_->name(), human_size(own_chunk_));
  // Who refuses a long request may cut the connection before its answer can be read.
  if (error.code() == Code::network && ++cuts_ >= kCutsBeforeChunks) lower_chunk(attempted);
  if (error.http_status() == 401 && ++refused_logins_ >= kMostLogins) throw Error(error);
  if (is_final(error) && !too_long) throw Error(error);
  debug("{}", error.what());
  if (error.retry_after())
    if (!wait_for(stop, std::min<std::chrono::milliseconds>(*error.retry_after(), kLongestWait)))
      throw Error(Code::cancelled, "stopped");
  const auto held = size_held(stop);
  if (!held || *held > layout_.object_size) {
    go_on_with(client_->begin_upload(stop));
    held_ = 0;
  } else {
    held_ = *held;
  }
}

StoredObject OciUpload::commit(const std::vector<PutPart>&, const std::string& sha256,
                               const std::stop_token& stop) {
  const std::string digest = "sha256:" + sha256;
  oci::UploadSession now = session();
  client_->finish_upload(now, digest, layout_.object_size, {}, stop);
  return {spec_.key, layout_.object_size, digest, std::nullopt, {}};
}

void OciUpload::abandon() noexcept {
  cut_stream();
  try {
    client_->cancel_upload(session(), {});
  } catch (...) {
    debug("{}", current_error().what());
  }
}

}  // namespace dray
