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

std::size_t rounded(std::uint64_t size) {
  const std::size_t unit = size >= kHugePage ? kHugePage : kPage;
  return (static_cast<std::size_t>(size) + unit - 1) / unit * unit;
}

}  // namespace

void PoolBuffer::Free::operator()(std::byte* p) const { std::free(p); }

std::optional<PoolBuffer> BufferPool::take(std::uint64_t size) {
  PoolBuffer buffer;
  buffer.capacity_ = std::max(rounded(size), kPage);
  buffer.size_ = static_cast<std::size_t>(size);
  buffer.reserved_ = buffer.capacity_;
  if (out_ + buffer.capacity_ > budget_ && out_ > 0) return std::nullopt;
  const auto kept = std::find_if(free_.rbegin(), free_.rend(), [&](const PoolBuffer& b) {
    return b.capacity_ == buffer.capacity_;
  });
  if (kept != free_.rend()) {
    buffer.data_ = std::move(kept->data_);
    kept_ -= buffer.capacity_;
    free_.erase(std::next(kept).base());
  } else {
    while (!free_.empty() && out_ + kept_ + buffer.capacity_ > budget_) {
      kept_ -= free_.front().capacity_;
      free_.erase(free_.begin());
    }
    buffer.data_.reset(allocate(buffer.capacity_));
  }
  out_ += buffer.capacity_;
  return buffer;
}

void BufferPool::give(PoolBuffer buffer) {
  if (buffer.reserved_ == 0) return;
  out_ -= buffer.reserved_;
  if (buffer.capacity_ < kHugePage) return;  // small ones are cheap to make
  kept_ += buffer.capacity_;
  free_.push_back(std::move(buffer));
}

}  // namespace dray
