#include "dray/transfer/range_hasher.h"

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/model/safetensors.h"

namespace dray {

namespace {
constexpr std::uint64_t kLengthBytes = 8;
constexpr const char* kWhat = "the header of a safetensors file";
}  // namespace

RangeHasher::RangeHasher(std::uint64_t size, bool safetensors) : size_(size) {
  if (safetensors && size > kLengthBytes)
    header_bytes_ = kLengthBytes;
  else
    ends_ = piece_ends(size);
}

void RangeHasher::feed(Bytes bytes) {
  while (header_bytes_ > 0 && !bytes.empty()) bytes = read_header(bytes);
  while (!bytes.empty()) {
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(ends_.at(piece_) - at_, bytes.size()));
    hash(bytes.first(n));
    bytes = bytes.subspan(n);
    if (at_ < ends_[piece_]) continue;
    done_.push_back({{begin_, at_ - begin_}, sha_.digest()});
    sha_ = Sha256();
    begin_ = at_;
    ++piece_;
  }
}

/// Takes what is wanted of the header, and returns the rest.
Bytes RangeHasher::read_header(Bytes bytes) {
  const auto n = static_cast<std::size_t>(
      std::min<std::uint64_t>(header_bytes_ - header_.size(), bytes.size()));
  const Bytes now = bytes.first(n);
  header_.insert(header_.end(), now.begin(), now.end());
  hash(now);
  if (header_.size() == header_bytes_) learn_pieces();
  return bytes.subspan(n);
}

void RangeHasher::learn_pieces() {
  try {
    const std::uint64_t all = kLengthBytes + safetensors_json_length(header_, kWhat);
    if (header_.size() < all && all <= std::min(size_, kLongestPieceHeader)) {
      header_bytes_ = all;
      return;
    }
    if (header_.size() == all)
      ends_ = piece_ends(parse_safetensors_header(header_, size_, kWhat), size_);
  } catch (const Error& e) {
    debug("pieces are cut without regard to tensors: {}", e.what());
  }
  if (ends_.empty()) ends_ = piece_ends(size_);
  // What has passed is the beginning of the first piece.
  std::erase_if(ends_, [this](std::uint64_t end) { return end < at_; });
  header_bytes_ = 0;
  header_ = Buffer();
}

void RangeHasher::hash(Bytes bytes) {
  sha_.update(bytes);
  at_ += bytes.size();
}

}  // namespace dray
