// User metadata of objects as HTTP headers can carry it.
#pragma once

#include <string>
#include <string_view>

namespace dray::s3 {

/// The value itself where it is printable ASCII without spaces at the ends or two in a row;
/// anything else as one RFC 2047 word, "=?UTF-8?B?…?=". Code::usage if it is not UTF-8.
std::string encode_metadata(std::string_view value);
/// What `encode_metadata` was given; text that it did not make is returned as it is.
std::string decode_metadata(std::string_view header);
/// Throws Code::usage unless the name is made of a–z, 0–9, '-', '_' and '.'.
void check_metadata_name(std::string_view name);

}  // namespace dray::s3
