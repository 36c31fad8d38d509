#include "dray/base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace dray {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr int kNoDigit = -1;

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return kNoDigit;
}

constexpr std::array<signed char, 256> make_base64_digits() {
  std::array<signed char, 256> digits{};
  for (auto& d : digits) d = kNoDigit;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<signed char>(i);
  return digits;
}
constexpr auto kBase64Digits = make_base64_digits();

/// Multiplies and adds unless the result would not fit.
bool scale_add(std::uint64_t& value, std::uint64_t factor, std::uint64_t add) {
  constexpr auto max = std::numeric_limits<std::uint64_t>::max();
  if (factor != 0 && value > (max - add) / factor) return false;
  value = value * factor + add;
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The factor of a suffix ("", "B", "k", "KiB", "GB" …); 0 if it is none.
std::uint64_t unit_of(std::string_view suffix) {
  if (suffix.empty() || suffix == "B" || suffix == "b") return 1;
  constexpr std::string_view prefixes = "KMGTPE";
  const char first = suffix[0] >= 'a' ? static_cast<char>(suffix[0] - 'a' + 'A') : suffix[0];
  const auto power = prefixes.find(first);
  if (power == std::string_view::npos) return 0;
  const auto rest = suffix.substr(1);
  std::uint64_t base = 0;
  if (rest.empty() || rest == "i" || rest == "iB" || rest == "ib")
    base = 1024;
  else if (rest == "B" || rest == "b")
    base = 1000;
  else
    return 0;
  std::uint64_t unit = 1;
  for (std::size_t i = 0; i <= power; ++i) unit *= base;
  return unit;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    const auto value = std::to_integer<unsigned>(b);
    out += digits[value >> 4];
    out += digits[value & 15];
  }
  return out;
}

std::optional<Buffer> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Buffer out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high == kNoDigit || low == kNoDigit) return std::nullopt;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return out;
}

std::string to_base64(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < count ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<Buffer> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Buffer out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t missing = i + 4 == text.size() ? padding : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int digit =
          k < 4 - missing ? kBase64Digits[static_cast<unsigned char>(text[i + k])] : 0;
      if (digit == kNoDigit) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    // Bits that no byte holds must be zero, so that a value has one text only.
    if ((group & ((1U << (8 * missing)) - 1)) != 0) return std::nullopt;
    for (std::size_t k = 0; k < 3 - missing; ++k)
      out.push_back(static_cast<std::byte>(group >> (16 - 8 * k) & 255));
  }
  return out;
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < kKiB) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 6> names = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::uint64_t unit = kKiB;
  for (std::size_t i = 0;; ++i, unit *= 1024) {
    const std::uint64_t rest = bytes % unit;
    const std::uint64_t tenths = bytes / unit * 10 + (rest * 10 + unit / 2) / unit;
    if (tenths >= 10240 && i + 1 < names.size()) continue;
    if (tenths % 10 == 0) return fmt::format("{} {}", tenths / 10, names[i]);
    return fmt::format("{}.{} {}", tenths / 10, tenths % 10, names[i]);
  }
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c) || !scale_add(value, 10, static_cast<std::uint64_t>(c - '0')))
      return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  auto whole = parse_u64(text.substr(0, i));
  if (!whole) return std::nullopt;

  std::uint64_t fraction = 0, divisor = 1;
  const bool has_fraction = i < text.size() && text[i] == '.';
  if (has_fraction) {
    const std::size_t start = ++i;
    while (i < text.size() && is_digit(text[i])) ++i;
    // Nine digits are exact enough, and keep the arithmetic below inside 64 bits.
    if (i == start || i - start > 9) return std::nullopt;
    fraction = *parse_u64(text.substr(start, i - start));
    for (std::size_t k = start; k < i; ++k) divisor *= 10;
  }
  std::string_view suffix = text.substr(i);
  if (suffix.size() > 1 && suffix[0] == ' ') suffix.remove_prefix(1);
  const std::uint64_t unit = unit_of(suffix);
  if (unit == 0 || (has_fraction && unit == 1)) return std::nullopt;
  const std::uint64_t part = unit / divisor * fraction + unit % divisor * fraction / divisor;
  if (!scale_add(*whole, unit, part)) return std::nullopt;
  return whole;
}

}  // namespace dray
