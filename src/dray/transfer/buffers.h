// The memory of a transfer: a fixed budget, taken in the order of the plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dray/base/bytes.h"

namespace dray {

/// One block of memory from a BufferPool; give it back with BufferPool::give.
class PoolBuffer {
 public:
  PoolBuffer() = default;
  MutableBytes bytes() const { return {data_.get(), size_}; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  friend class BufferPool;
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

/// Not thread-safe: the engine guards it with its own lock. Memory given back is kept for the next
/// taker, because fresh pages cost more than hashing them: for one of the same size, or, where
/// fresh memory would have to displace kept memory, for one that is not much smaller; it then
/// counts as the larger. What is handed out and what is kept together never exceed the budget,
/// except that a single buffer larger than the whole budget is allowed when nothing else is out (a
/// transfer must be able to go on).
class BufferPool {
 public:
  explicit BufferPool(std::uint64_t budget) : budget_(budget) {}
  /// nullopt when the budget does not allow it now, with another buffer of `beside` bytes still to
  /// be taken after it. `size` 0 gives an empty buffer.
  std::optional<PoolBuffer> take(std::uint64_t size, std::uint64_t beside = 0);
  void give(PoolBuffer buffer);
  /// What a buffer of `size` takes from the budget, if nothing larger serves it.
  static std::uint64_t capacity_for(std::uint64_t size);
  std::uint64_t out() const { return out_; }
  std::uint64_t budget() const { return budget_; }

 private:
  std::size_t choose_kept(std::uint64_t capacity, std::uint64_t beside) const;
  void make_room(std::uint64_t capacity);

  std::uint64_t budget_, out_ = 0, kept_ = 0;
  std::vector<PoolBuffer> free_;
};

}  // namespace dray
