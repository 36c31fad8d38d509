#include "tests/support/raw_input.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace dray::test {

namespace {

constexpr std::size_t kBlock = 256 << 10;
constexpr std::size_t kMaxHead = 256 << 10;
constexpr std::size_t kMaxLine = 4096;
constexpr std::uint64_t kMaxBody = std::uint64_t{2} << 30;

/// The size at the start of a chunk, extensions behind ';' left out; nullopt if there is none.
std::optional<std::uint64_t> chunk_size(const std::string& line) {
  const std::size_t end = std::min(line.find(';'), line.size());
  std::uint64_t size = 0;
  const auto [last, error] = std::from_chars(line.data(), line.data() + end, size, 16);
  if (error != std::errc{} || last == line.data()) return std::nullopt;
  return size;
}

}  // namespace

std::string_view RawInput::receive() {
  if (block_.empty()) block_.resize(kBlock);
  for (;;) {
    const ssize_t n = ::recv(fd_, block_.data(), block_.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    return std::string_view(block_).substr(0, n > 0 ? static_cast<std::size_t>(n) : 0);
  }
}

bool RawInput::more() {
  const std::string_view bytes = receive();
  pending_ += bytes;
  return !bytes.empty();
}

std::optional<std::string> RawInput::head() {
  std::size_t end = 0;
  while ((end = pending_.find("\r\n\r\n")) == std::string::npos)
    if (pending_.size() > kMaxHead || !more()) return std::nullopt;
  std::string text = pending_.substr(0, end);
  pending_.erase(0, end + 4);
  return text;
}

bool RawInput::take(std::string& out, std::uint64_t count) {
  const std::size_t waiting = std::min<std::uint64_t>(count, pending_.size());
  out.append(pending_, 0, waiting);
  pending_.erase(0, waiting);
  count -= waiting;
  while (count > 0) {
    const std::string_view bytes = receive();
    if (bytes.empty()) return false;
    const std::size_t n = std::min<std::uint64_t>(count, bytes.size());
    out += bytes.substr(0, n);
    pending_ += bytes.substr(n);
    count -= n;
  }
  return true;
}

std::optional<std::string> RawInput::line() {
  std::size_t end = 0;
  while ((end = pending_.find("\r\n")) == std::string::npos)
    if (pending_.size() > kMaxLine || !more()) return std::nullopt;
  std::string text = pending_.substr(0, end);
  pending_.erase(0, end + 2);
  return text;
}

RawInput::End RawInput::sized_body(std::string& out, std::uint64_t length, std::uint64_t limit) {
  if (length > kMaxBody) return End::malformed;
  const std::uint64_t wanted = std::min(length, limit);
  out.reserve(wanted);
  if (!take(out, wanted)) return End::gone;
  return wanted == limit ? End::limit : End::whole;
}

RawInput::End RawInput::chunked_body(std::string& out, std::uint64_t limit) {
  while (out.size() < limit) {
    const auto text = line();
    if (!text) return End::gone;
    const auto size = chunk_size(*text);
    if (!size || *size > kMaxBody - out.size()) return End::malformed;
    if (*size == 0) {
      for (auto trailer = line(); trailer; trailer = line())
        if (trailer->empty()) return End::whole;
      return End::gone;
    }
    if (!take(out, std::min(*size, limit - out.size()))) return End::gone;
    if (out.size() == limit) return End::limit;
    const auto end = line();
    if (!end) return End::gone;
    if (!end->empty()) return End::malformed;
  }
  return End::limit;
}

}  // namespace dray::test
