#include "dray/model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

// The limit of the reference implementation.
constexpr std::uint64_t kLongestJson = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";

struct DtypeRow {
  std::string_view name;
  int bits;
};

constexpr DtypeRow kDtypes[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
};

[[noreturn]] void fail(std::string_view what, const std::string& why) {
  throw Error(Code::malformed, fmt::format("{}: {}", what, why))
      .hint("the file is damaged or not a safetensors file; fetch it again from its publisher");
}

std::vector<std::uint64_t> numbers_of(const Json& value, std::string_view key,
                                      const std::string& where) {
  std::vector<std::uint64_t> numbers;
  for (const auto& item : get_array(value, key, where)) {
    if (!item.is_number_unsigned())
      fail(where, fmt::format("'{}' holds something other than non-negative integers", key));
    numbers.push_back(item.get<std::uint64_t>());
  }
  return numbers;
}

TensorInfo read_tensor(const std::string& name, const Json& value, const std::string& where) {
  if (!value.is_object()) fail(where, "is not an object");
  TensorInfo tensor;
  tensor.name = name;
  tensor.dtype = get_string(value, "dtype", where);
  tensor.shape = numbers_of(value, "shape", where);
  const auto offsets = numbers_of(value, "data_offsets", where);
  if (offsets.size() != 2 || offsets[1] < offsets[0])
    fail(where, "'data_offsets' is not a begin and an end");
  tensor.data = {offsets[0], offsets[1] - offsets[0]};

  const int bits = dtype_bits(tensor.dtype);
  if (bits == 0) fail(where, fmt::format("unknown dtype '{}'", shown_text(tensor.dtype)));
  const auto bytes = tensor_bytes(bits, tensor.shape);
  if (!bytes) fail(where, "its shape gives no whole number of bytes below 2^61");
  if (*bytes != tensor.data.length)
    fail(where, fmt::format("dtype and shape need {} bytes, its offsets give {}", *bytes,
                            tensor.data.length));
  return tensor;
}

std::map<std::string, std::string> read_metadata(const Json& value, std::string_view what) {
  if (!value.is_object()) fail(what, "'__metadata__' is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail(what, fmt::format("metadata '{}' is not a text", shown_text(key)));
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

/// The tensors, in data order, must cover the data section exactly.
void check_coverage(const std::vector<TensorInfo>& tensors, std::uint64_t data_bytes,
                    std::string_view what) {
  std::uint64_t reached = 0;
  for (const auto& tensor : tensors) {
    if (tensor.data.offset != reached)
      fail(what, fmt::format("tensor '{}' begins at byte {} of the data, {} {}",
                             shown_text(tensor.name), tensor.data.offset,
                             tensor.data.offset < reached ? "inside the one before, which ends at"
                                                          : "leaving a hole after byte",
                             reached));
    reached = tensor.data.end();
  }
  if (reached != data_bytes)
    fail(what,
         fmt::format("its tensors need {} bytes of data, the file holds {}", reached, data_bytes));
}

}  // namespace

std::optional<std::uint64_t> tensor_bytes(int bits, const std::vector<std::uint64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) return 0;
  auto total = static_cast<std::uint64_t>(bits);
  for (const auto dim : shape)
    if (__builtin_mul_overflow(total, dim, &total)) return std::nullopt;
  if (total % 8 != 0) return std::nullopt;
  return total / 8;
}

int dtype_bits(std::string_view dtype) {
  for (const auto& row : kDtypes)
    if (row.name == dtype) return row.bits;
  return 0;
}

std::uint64_t safetensors_json_length(Bytes first_8_bytes, std::string_view what) {
  if (first_8_bytes.size() < 8) fail(what, "shorter than 8 bytes");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;)
    length = (length << 8) | std::to_integer<std::uint64_t>(first_8_bytes[i]);
  if (length > kLongestJson)
    fail(what,
         fmt::format("states a header of {} bytes; at most {} are allowed", length, kLongestJson));
  return length;
}

SafetensorsHeader parse_safetensors_header(Bytes header, std::uint64_t file_size,
                                           std::string_view what) {
  const std::uint64_t json_length = safetensors_json_length(header, what);
  SafetensorsHeader parsed;
  parsed.header_bytes = 8 + json_length;
  if (parsed.header_bytes > header.size() || parsed.header_bytes > file_size)
    fail(what, fmt::format("its header of {} bytes is not all there", parsed.header_bytes));

  const auto text = as_text(header.subspan(8, static_cast<std::size_t>(json_length)));
  const Json json = parse_json(text, what, {.bytes = kLongestJson, .depth = 4});
  if (!json.is_object()) fail(what, "its header is not a JSON object");
  parsed.tensors.reserve(json.size());
  for (const auto& [name, value] : json.items()) {
    if (name == kMetadata) {
      parsed.metadata = read_metadata(value, what);
    } else {
      parsed.tensors.push_back(
          read_tensor(name, value, fmt::format("{}: tensor '{}'", what, shown_text(name))));
    }
  }
  // Empty tensors share their place with the next one, so the length orders too.
  std::sort(parsed.tensors.begin(), parsed.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              return std::tie(a.data.offset, a.data.length, a.name) <
                     std::tie(b.data.offset, b.data.length, b.name);
            });
  check_coverage(parsed.tensors, file_size - parsed.header_bytes, what);
  return parsed;
}

Buffer safetensors_head(std::string json, std::uint64_t alignment) {
  json.append((alignment - (8 + json.size()) % alignment) % alignment, ' ');
  Buffer out(8 + json.size());
  for (std::size_t i = 0; i < 8; ++i)
    out[i] = static_cast<std::byte>(static_cast<std::uint64_t>(json.size()) >> (8 * i));
  std::memcpy(out.data() + 8, json.data(), json.size());
  return out;
}

std::string safetensors_index(std::vector<TensorPlace> tensors, std::uint64_t total_size) {
  std::ranges::sort(tensors, {}, &TensorPlace::tensor);
  // As text: of a model with 100 000 tensors a JSON value takes several times as much memory.
  std::string out = fmt::format(
      "{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total_size);
  for (std::string_view before = "\n"; const auto& [tensor, file] : tensors) {
    out += fmt::format("{}    {}: {}", before, dump_json(tensor), dump_json(file));
    before = ",\n";
  }
  return out + "\n  }\n}\n";
}

}  // namespace dray
