// Following the bytes of a safetensors shard from tensor to tensor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/model/safetensors.h"
#include "dray/quantize/shard_input.h"

namespace dray::quantize {

/// Used by one thread.
class ShardWalk {
 public:
  explicit ShardWalk(std::shared_ptr<const ShardInput> shard) : shard_(std::move(shard)) {}

  const ShardInput& shard() const { return *shard_; }
  const std::vector<TensorInfo>& tensors() const { return shard_->header.tensors; }
  /// False once the file was seen to begin otherwise.
  bool same_header() const { return same_header_; }

  void restart() {
    at_ = 0;
    tensor_ = 0;
    head_ = Sha256();
    same_header_ = true;
  }
  /// The next bytes of the file, cut where tensors end: part(index, bytes), none of them empty, and
  /// end(index) after the last of each.
  template <typename Part, typename End>
  void feed(Bytes input, Part part, End end) {
    if (const std::uint64_t data = shard_->header.header_bytes; at_ < data) {
      head_.update(advance(input, data));
      if (at_ == data) same_header_ = head_.digest() == shard_->head.digest();
    }
    while (!input.empty() && tensor_ < tensors().size()) {
      const std::uint64_t last = end_of(tensor_);
      if (const Bytes bytes = advance(input, last); !bytes.empty()) part(tensor_, bytes);
      if (at_ == last) end(tensor_++);
    }
  }
  /// Nothing comes any more: ends tensors without any bytes that lie last.
  template <typename End>
  void finish(End end) {
    while (tensor_ < tensors().size() && at_ == end_of(tensor_)) end(tensor_++);
  }

 private:
  std::uint64_t end_of(std::size_t tensor) const {
    return shard_->header.header_bytes + tensors()[tensor].data.end();
  }
  /// Takes what lies before `to` off the front of `input`.
  Bytes advance(Bytes& input, std::uint64_t to) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), to - at_));
    const Bytes out = input.first(taken);
    input = input.subspan(taken);
    at_ += taken;
    return out;
  }

  std::shared_ptr<const ShardInput> shard_;
  std::uint64_t at_ = 0;    // bytes of the file so far
  std::size_t tensor_ = 0;  // being read
  Sha256 head_;             // so far
  bool same_header_ = true;
};

}  // namespace dray::quantize
