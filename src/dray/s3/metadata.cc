#include "dray/s3/metadata.h"

#include <algorithm>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/path.h"

namespace dray::s3 {

namespace {

constexpr std::string_view kOpen = "=?UTF-8?B?", kClose = "?=";

/// Servers and proxies trim and fold spaces, and have no rule for other bytes.
bool survives(std::string_view value) {
  if (value.empty()) return true;
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }) &&
         value.front() != ' ' && value.back() != ' ' &&
         value.find("  ") == std::string_view::npos && !value.starts_with("=?");
}

}  // namespace

std::string encode_metadata(std::string_view value) {
  if (survives(value)) return std::string(value);
  if (!valid_utf8(value)) throw Error(Code::usage, "metadata must be UTF-8 text").from(Side::local);
  return std::string(kOpen) + to_base64(as_bytes(value)) + std::string(kClose);
}

std::string decode_metadata(std::string_view header) {
  if (header.size() >= kOpen.size() + kClose.size() && header.starts_with(kOpen) &&
      header.ends_with(kClose)) {
    std::string_view inner = header.substr(kOpen.size());
    inner.remove_suffix(kClose.size());
    const auto bytes = from_base64(inner);
    if (bytes && valid_utf8(as_text(*bytes))) return std::string(as_text(*bytes));
  }
  return std::string(header);
}

void check_metadata_name(std::string_view name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!good)
    throw Error(Code::usage, "metadata names are made of a-z, 0-9, '-', '_' and '.'")
        .from(Side::local);
}

}  // namespace dray::s3
