#include "dray/model/tar_pax.h"

#include <fmt/format.h>

#include "dray/model/plain_text.h"
#include "dray/model/tar_header.h"

namespace dray::tar {

namespace {

constexpr std::string_view kSparse = "GNU.sparse.", kSparseName = "GNU.sparse.name";

class Parser {
 public:
  Parser(Bytes body, std::uint64_t offset, std::string_view what)
      : body_(as_text(body)), offset_(offset), what_(what) {}

  PaxRecords parse() {
    PaxRecords records;
    while (at_ < body_.size()) {
      const auto record = next();
      const auto equals = record.find('=');
      if (equals == std::string_view::npos || equals == 0) fail("a record has no key");
      take(record.substr(0, equals), record.substr(equals + 1), records);
      at_ += record_bytes_;
    }
    return records;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    refuse(what_, offset_ + at_, fmt::format("extended header: {}", why));
  }

  /// "KEY=VALUE" of the record at at_; its whole length goes to record_bytes_.
  std::string_view next() {
    const auto rest = body_.substr(at_);
    const auto space = rest.find(' ');
    const auto length =
        space == std::string_view::npos ? std::nullopt : parse_u64(rest.substr(0, space));
    if (!length) fail("a record does not begin with its length");
    if (*length > rest.size()) fail("a record is longer than what is there");
    if (*length < space + 2 || rest[*length - 1] != '\n')
      fail("a record does not end where its length says");
    record_bytes_ = *length;
    return rest.substr(space + 1, record_bytes_ - space - 2);
  }

  void take(std::string_view key, std::string_view value, PaxRecords& records) const {
    if (key == "path") {
      records.path = name_of(key, value);
    } else if (key == "linkpath") {
      records.link_path = name_of(key, value);
    } else if (key == "size") {
      records.size = size_of(value);
    } else if (key.starts_with(kSparse)) {
      records.sparse = true;
      if (key == kSparseName) records.sparse_name = value;
    }
  }

  std::optional<std::string> name_of(std::string_view key, std::string_view value) const {
    if (value.empty()) return std::nullopt;
    if (value.size() > kLongestName)
      fail(fmt::format("'{}' is longer than {} bytes", key, kLongestName));
    if (value.find('\0') != std::string_view::npos) fail(fmt::format("'{}' holds a NUL", key));
    return std::string(value);
  }

  std::optional<std::uint64_t> size_of(std::string_view value) const {
    if (value.empty()) return std::nullopt;
    const auto size = parse_u64(value);
    if (!size || *size > kLargestSize)
      fail(fmt::format("size '{}' is no number below 2^63", shown_text(value)));
    return size;
  }

  std::string_view body_;
  std::uint64_t offset_;
  std::string_view what_;
  std::size_t at_ = 0, record_bytes_ = 0;
};

}  // namespace

PaxRecords parse_pax(Bytes body, std::uint64_t offset, std::string_view what) {
  return Parser(body, offset, what).parse();
}

}  // namespace dray::tar
