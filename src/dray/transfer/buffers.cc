#include "dray/transfer/buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace dray {

namespace {

constexpr std::size_t kPage = 4096, kHugePage = 2 << 20;

std::byte* allocate(std::size_t capacity) {
  const bool huge = capacity >= kHugePage;
  void* p = std::aligned_alloc(huge ? kHugePage : kPage, capacity);
  if (p == nullptr) throw std::bad_alloc();
  if (huge) ::madvise(p, capacity, MADV_HUGEPAGE);  // fewer page faults; refusal is harmless
  return static_cast<std::byte*>(p);
}

/// A kept buffer serves for less than it holds down to this part of it.
constexpr std::uint64_t kMostWaste = 4;

}  // namespace

void PoolBuffer::Free::operator()(std::byte* p) const { std::free(p); }

std::uint64_t BufferPool::capacity_for(std::uint64_t size) {
  const std::uint64_t unit = size >= kHugePage ? kHugePage : kPage;
  return std::max<std::uint64_t>((size + unit - 1) / unit * unit, kPage);
}

/// The kept buffer to use for `capacity`, free_.size() if there is none: the same size, or the
/// smallest that will do where fresh memory does not fit beside what is kept. What it holds beyond
/// `capacity` must not take the room of what is to be taken `beside` it.
std::size_t BufferPool::choose_kept(std::uint64_t capacity, std::uint64_t beside) const {
  const bool displaces = out_ + kept_ + capacity > budget_;
  const std::uint64_t most = displaces && capacity >= kHugePage ? capacity * kMostWaste : capacity;
  std::size_t best = free_.size();
  for (std::size_t i = 0; i < free_.size(); ++i) {
    const std::uint64_t held = free_[i].capacity_;
    if (held < capacity || held > most || out_ + held + beside > budget_) continue;
    if (best == free_.size() || held <= free_[best].capacity_) best = i;  // the last one is warmest
  }
  return best;
}

/// Gives kept memory back to the system until `capacity` fits: the smallest buffer that is enough,
/// so that as few pages as possible are to be cleared again.
void BufferPool::make_room(std::uint64_t capacity) {
  while (!free_.empty() && out_ + kept_ + capacity > budget_) {
    const std::uint64_t missing = out_ + kept_ + capacity - budget_;
    const auto victim =
        std::min_element(free_.begin(), free_.end(), [&](const auto& a, const auto& b) {
          const bool enough_a = a.capacity_ >= missing, enough_b = b.capacity_ >= missing;
          return enough_a != enough_b ? enough_a : a.capacity_ < b.capacity_;
        });
    kept_ -= victim->capacity_;
    free_.erase(victim);
  }
}

std::optional<PoolBuffer> BufferPool::take(std::uint64_t size, std::uint64_t beside) {
  const std::uint64_t capacity = capacity_for(size), then = beside == 0 ? 0 : capacity_for(beside);
  if (out_ + capacity + then > budget_ && out_ + then > 0) return std::nullopt;
  PoolBuffer buffer;
  if (const std::size_t kept = choose_kept(capacity, then); kept < free_.size()) {
    buffer = std::move(free_[kept]);
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(kept));
    kept_ -= buffer.capacity_;
  } else {
    make_room(capacity);
    buffer.data_.reset(allocate(static_cast<std::size_t>(capacity)));
    buffer.capacity_ = static_cast<std::size_t>(capacity);
  }
  buffer.size_ = static_cast<std::size_t>(size);
  out_ += buffer.capacity_;
  return buffer;
}

void BufferPool::give(PoolBuffer buffer) {
  if (!buffer) return;
  out_ -= buffer.capacity_;
  if (buffer.capacity_ < kHugePage) return;  // small ones are cheap to make
  if (out_ + kept_ + buffer.capacity_ > budget_) return;
  kept_ += buffer.capacity_;
  free_.push_back(std::move(buffer));
}

}  // namespace dray
