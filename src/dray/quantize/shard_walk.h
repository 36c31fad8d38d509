// Following the bytes of a safetensors shard from tensor to tensor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/model/safetensors.h"

namespace dray::quantize {

/// Used by one thread.
class ShardWalk {
 public:
  /// `header`: the file's first bytes, length and JSON; `size`: of the file. Throws what
  /// parse_safetensors_header() throws, naming the file `what`.
  ShardWalk(Buffer header, std::uint64_t size, std::string_view what)
      : bytes_(std::move(header)), header_(parse_safetensors_header(bytes_, size, what)) {}

  const Buffer& header_bytes() const { return bytes_; }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  const SafetensorsHeader& header() const { return header_; }
  /// False once the file was seen to begin otherwise.
  bool same_header() const { return same_header_; }

  void restart() {
    at_ = 0;
    tensor_ = 0;
    same_header_ = true;
  }
  /// The next bytes of the file, cut where tensors end: part(index, bytes), none of them empty, and
  /// end(index) after the last of each.
  template <typename Part, typename End>
  void feed(Bytes input, Part part, End end) {
    if (at_ < bytes_.size()) {
      const Bytes head = advance(input, bytes_.size());
      same_header_ = same_header_ &&
                     std::memcmp(head.data(), bytes_.data() + at_ - head.size(), head.size()) == 0;
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
    return header_.header_bytes + tensors()[tensor].data.end();
  }
  /// Takes what lies before `to` off the front of `input`.
  Bytes advance(Bytes& input, std::uint64_t to) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), to - at_));
    const Bytes out = input.first(taken);
    input = input.subspan(taken);
    at_ += taken;
    return out;
  }

  Buffer bytes_;
  SafetensorsHeader header_;
  std::uint64_t at_ = 0;    // bytes of the file so far
  std::size_t tensor_ = 0;  // being read
  bool same_header_ = true;
};

}  // namespace dray::quantize
