#include "dray/model/range_digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "dray/base/error.h"
#include "dray/base/path.h"

namespace dray {

namespace {

constexpr std::string_view kFirstLine = "dray-ranges 1";
constexpr std::string_view kFormat = "dray-ranges ";
constexpr std::size_t kMostText = 64 << 20;
constexpr std::size_t kSha256Digits = 2 * Sha256::kSize;

[[noreturn]] void fail(std::string_view what, std::string why) {
  throw Error(Code::malformed, std::move(why)).on("read", std::string(what));
}

/// Takes what comes before the next `separator` off the text, and the separator.
std::string_view next(std::string_view& text, char separator, std::string_view what) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) fail(what, "a line ends too early");
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(at + 1);
  return out;
}

std::uint64_t number(std::string_view text, std::string_view what) {
  const auto out = parse_u64(text);
  if (!out) fail(what, fmt::format("'{}' is no number", text));
  return *out;
}

Buffer digest(std::string_view text, std::string_view what) {
  auto out = text.size() == kSha256Digits ? from_hex(text) : std::nullopt;
  if (!out) fail(what, "a SHA-256 is not 64 hexadecimal digits");
  return std::move(*out);
}

FileRanges read_file_line(std::string_view line, std::string_view what) {
  FileRanges out;
  out.size = number(next(line, ' ', what), what);
  out.sha256 = to_hex(digest(next(line, ' ', what), what));
  out.path = std::string(line);
  check_relative_path(out.path, what);
  return out;
}

RangeDigest read_range_line(std::string_view line, const FileRanges& file, std::string_view what) {
  RangeDigest out;
  out.range.offset = number(next(line, ' ', what), what);
  out.range.length = number(next(line, ' ', what), what);
  std::ranges::copy(digest(line, what), out.sha256.begin());
  const std::uint64_t least = file.ranges.empty() ? 0 : file.ranges.back().range.end();
  if (out.range.length == 0 || out.range.offset < least || out.range.offset > file.size ||
      out.range.length > file.size - out.range.offset)
    fail(what, fmt::format("the ranges of {} overlap or leave it", file.path));
  return out;
}

/// Ends at multiples of kPieceSize from `from` on, and at `to`.
void cut(std::uint64_t from, std::uint64_t to, std::vector<std::uint64_t>& out) {
  for (std::uint64_t left = to - from; left > kPieceSize; left -= kPieceSize)
    out.push_back(to - left + kPieceSize);
  if (to > from) out.push_back(to);
}

}  // namespace

const FileRanges* RangeRecord::find(std::string_view path) const {
  const auto it = std::ranges::find(files, path, &FileRanges::path);
  return it == files.end() ? nullptr : &*it;
}

std::string range_record_text(const RangeRecord& record) {
  std::string out = fmt::format("{}\n{} {}\n", kFirstLine, record.name, record.version);
  for (const FileRanges& file : record.files) {
    fmt::format_to(std::back_inserter(out), "file {} {} {}\n", file.size, file.sha256, file.path);
    for (const RangeDigest& piece : file.ranges)
      fmt::format_to(std::back_inserter(out), "{} {} {}\n", piece.range.offset, piece.range.length,
                     to_hex(piece.sha256));
  }
  return out;
}

RangeRecord parse_range_record(std::string_view text, std::string_view what) {
  if (text.size() > kMostText) fail(what, "is too large");
  const std::string_view first = next(text, '\n', what);
  if (!first.starts_with(kFormat)) fail(what, "is no record of ranges");
  if (number(first.substr(kFormat.size()), what) > 1)
    throw Error(Code::unsupported, fmt::format("{} was written by a later dray", what));
  RangeRecord out;
  std::string_view release = next(text, '\n', what);
  out.name = std::string(next(release, ' ', what));
  out.version = std::string(release);
  while (!text.empty()) {
    std::string_view line = next(text, '\n', what);
    if (line.starts_with("file ")) {
      line.remove_prefix(5);
      out.files.push_back(read_file_line(line, what));
    } else if (out.files.empty()) {
      fail(what, "a range belongs to no file");
    } else {
      out.files.back().ranges.push_back(read_range_line(line, out.files.back(), what));
    }
  }
  return out;
}

std::vector<std::uint64_t> piece_ends(std::uint64_t size) {
  std::vector<std::uint64_t> out;
  cut(0, size, out);
  return out;
}

std::vector<std::uint64_t> piece_ends(const SafetensorsHeader& header, std::uint64_t size) {
  std::vector<std::uint64_t> out;
  cut(0, header.header_bytes, out);
  for (const TensorInfo& tensor : header.tensors)
    cut(header.header_bytes + tensor.data.offset, header.header_bytes + tensor.data.end(), out);
  cut(out.empty() ? 0 : out.back(), size, out);
  return out;
}

}  // namespace dray
