#include "dray/quantize/tensor_coder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dray/base/error.h"

namespace dray::quantize {

namespace {

std::uint64_t unit_of(const Scheme& scheme, const TensorInfo& weight) {
  switch (scheme.sharing) {
    case Sharing::group:
    case Sharing::tensor_group:
      return scheme.group;
    case Sharing::channel:
      return weight.shape[1];
    case Sharing::block:
      break;
  }
  return std::min(kBlock, weight.shape[0]) * weight.shape[1];
}

std::uint64_t scales_of(const Scheme& scheme, const TensorInfo& weight) {
  const std::uint64_t rows = weight.shape[0], columns = weight.shape[1];
  if (scheme.sharing == Sharing::block)
    return (rows + kBlock - 1) / kBlock * ((columns + kBlock - 1) / kBlock);
  return rows * columns / unit_of(scheme, weight);
}

template <typename T>
Buffer bytes_of_value(const T& value) {
  Buffer out(sizeof(value));
  std::memcpy(out.data(), &value, sizeof(value));
  return out;
}

}  // namespace

TensorCoder::TensorCoder(const Scheme& scheme, const TensorInfo& weight, float global)
    : sharing_(scheme.sharing),
      rule_(rule_of(scheme, weight_format(weight.dtype))),
      rows_(weight.shape[0]),
      columns_(weight.shape[1]),
      unit_(unit_of(scheme, weight)),
      scales_(static_cast<std::size_t>(scales_of(scheme, weight)) * scale_bytes(rule_)) {
  rule_.global = global;
  if (!rule_.symmetric) zero_points_.resize(static_cast<std::size_t>(scales_of(scheme, weight)));
}

std::uint64_t TensorCoder::memory(const Scheme& scheme, const TensorInfo& weight) {
  const CodeRule rule = rule_of(scheme, weight_format(weight.dtype));
  const std::uint64_t unit = unit_of(scheme, weight), scales = scales_of(scheme, weight);
  const std::uint64_t zero_points = rule.symmetric ? 0 : scales + 4 * (scales / 8 + 1);
  return unit * bytes_of(rule.weights) + code_bytes(rule, static_cast<std::size_t>(unit)) +
         scales * scale_bytes(rule) + zero_points;
}

void TensorCoder::feed(Bytes input, TransformOutput& codes) {
  const std::uint64_t size = bytes_of(rule_.weights);
  while (!input.empty()) {
    // The last rows may be fewer than a block.
    const std::uint64_t unit = std::min(unit_, rows_ * columns_ - done_) * size;
    if (carry_.empty() && input.size() >= unit) {
      const std::uint64_t units = sharing_ == Sharing::block ? 1 : input.size() / unit;
      code_units(input.data(), units, codes);
      input = input.subspan(static_cast<std::size_t>(units * unit));
      continue;
    }
    const auto more = input.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), unit - carry_.size())));
    carry_.insert(carry_.end(), more.begin(), more.end());
    input = input.subspan(more.size());
    if (carry_.size() < unit) continue;
    code_units(carry_.data(), 1, codes);
    carry_.clear();
  }
}

/// Into the memory of the output, where whole units fit.
void TensorCoder::code_units(const std::byte* from, std::uint64_t units, TransformOutput& codes) {
  while (units > 0) {
    const std::uint64_t elements = std::min(unit_, rows_ * columns_ - done_);
    const std::size_t bytes = code_bytes(rule_, static_cast<std::size_t>(elements));
    const MutableBytes room = codes.space();
    std::uint64_t now = std::min<std::uint64_t>(units, room.size() / bytes);
    if (now > 0) {
      code(from, now, room.data());
      codes.filled(now * bytes);
    } else {
      now = 1;
      bounce_.resize(bytes);
      code(from, 1, bounce_.data());
      codes.write(bounce_);
    }
    from += now * elements * bytes_of(rule_.weights);
    units -= now;
  }
}

void TensorCoder::code(const std::byte* from, std::uint64_t units, std::byte* codes) {
  if (sharing_ == Sharing::block) return code_block(from, codes);
  quantize_groups(rule_, from, static_cast<std::size_t>(units), static_cast<std::size_t>(unit_),
                  codes, scales_.data() + scaled_ * scale_bytes(rule_),
                  rule_.symmetric ? nullptr : zero_points_.data() + scaled_, seen_);
  scaled_ += units;
  done_ += units * unit_;
}

/// 128 rows, or what is left of them.
void TensorCoder::code_block(const std::byte* from, std::byte* codes) {
  const std::uint64_t rows = std::min(kBlock, rows_ - done_ / columns_),
                      size = bytes_of(rule_.weights);
  for (std::uint64_t column = 0; column < columns_; column += kBlock, ++scaled_) {
    const auto count = static_cast<std::size_t>(std::min(kBlock, columns_ - column));
    MinMax shared;
    for (std::uint64_t row = 0; row < rows; ++row) {
      const MinMax here = bounds_of(rule_.weights, from + (row * columns_ + column) * size, count);
      // Of two, the one that is not a number stays.
      if (!(here.min >= shared.min)) shared.min = here.min;
      if (!(here.max <= shared.max)) shared.max = here.max;
    }
    for (std::uint64_t row = 0; row < rows; ++row)
      encode_run(rule_, from + (row * columns_ + column) * size, count, shared,
                 codes + row * columns_ + column, scales_.data() + scaled_ * scale_bytes(rule_),
                 seen_);
  }
  done_ += rows * columns_;
}

Buffer TensorCoder::take(std::string_view suffix) {
  if (suffix == "_scale") return std::move(scales_);
  if (suffix == "_global_scale") return bytes_of_value(rule_.global);
  if (suffix == "_zero_point") return packed_zero_points();
  throw Error(Code::internal, "no such tensor").on("compress", std::string(suffix));
}

/// Packed down the rows: the codes of one column of groups follow each other.
Buffer TensorCoder::packed_zero_points() const {
  const std::size_t columns = zero_points_.size() / static_cast<std::size_t>(rows_);
  const auto rows = static_cast<std::size_t>(rows_);
  const std::size_t words = (rows * static_cast<std::size_t>(rule_.bits) + 31) / 32;
  Buffer out(words * columns * 4);
  std::vector<int> codes(rows);
  std::vector<std::uint32_t> packed(words);
  for (std::size_t column = 0; column < columns; ++column) {
    for (std::size_t row = 0; row < rows; ++row) codes[row] = zero_points_[row * columns + column];
    pack_codes(codes, rule_.bits, packed);
    for (std::size_t word = 0; word < words; ++word)
      std::memcpy(out.data() + (word * columns + column) * 4, &packed[word], 4);
  }
  return out;
}

}  // namespace dray::quantize
