#include "tests/support/tar_archives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "dray/base/file.h"
#include "dray/model/tar_header.h"
#include "tests/support/paths.h"

namespace dray::test {

namespace {

constexpr std::size_t kChecksum = 148, kChecksumEnd = 156;

/// "{N}", "{N*C}" and "{xHH}" are described in make.py.
std::string expanded(std::string_view token) {
  if (token.front() == 'x') return std::string(as_text(from_hex(token.substr(1)).value()));
  const auto star = token.find('*');
  const auto count = parse_u64(token.substr(0, star)).value();
  return std::string(count, star == std::string_view::npos ? '\0' : token.at(star + 1));
}

Buffer decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') continue;
    if (text[i] != '{') {
      out += text[i];
      continue;
    }
    const auto end = text.find('}', i);
    out += expanded(text.substr(i + 1, end - i - 1));
    i = end;
  }
  const auto bytes = as_bytes(out);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Buffer golden_archive(std::string_view name) {
  static const std::string all = read_file(source_dir() + "/tests/golden/tar/archives.txt").value();
  const std::string title = fmt::format("== {}\n", name);
  const auto start = all.find(title);
  if (start == std::string::npos) throw std::runtime_error(fmt::format("no archive {}", name));
  const auto body = std::string_view(all).substr(start + title.size());
  return decoded(body.substr(0, body.find("== ")));
}

std::string header(std::string_view name, char type, std::uint64_t size,
                   const std::vector<Patch>& patches) {
  Buffer bytes;
  tar::append_header(bytes, {.name = std::string(name),
                             .link_name = type == '1' || type == '2' ? "target" : "",
                             .mode = 0644,
                             .size = size,
                             .type = type});
  std::string block(as_text(bytes));
  bool sealed = true;
  for (const auto& [offset, text] : patches) {
    block.replace(offset, text.size(), text);
    if (offset < kChecksumEnd && offset + text.size() > kChecksum) sealed = false;
  }
  if (!sealed) return block;
  std::fill(block.begin() + kChecksum, block.begin() + kChecksumEnd, ' ');
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  return block.replace(kChecksum, 7, fmt::format("{:06o}{}", sum, '\0'));
}

std::string padded(std::string_view data) {
  return std::string(data) + std::string(tar::padding(data.size()), '\0');
}

std::string record(char type, std::string_view body, std::string_view name) {
  return header(name, type, body.size()) + padded(body);
}

std::string pax(std::string_view key, std::string_view value) {
  const std::string rest = fmt::format(" {}={}\n", key, value);
  std::size_t length = rest.size() + 1;
  while (fmt::format("{}", length).size() + rest.size() != length) ++length;
  return fmt::format("{}{}", length, rest);
}

std::string end_of_archive() { return std::string(2 * tar::kBlock, '\0'); }

std::vector<tar::Entry> entries_of(std::string_view archive, tar::ReaderLimits limits) {
  const auto read = [&](ByteRange range) {
    const auto bytes = as_bytes(archive.substr(range.offset, range.length));
    return Buffer(bytes.begin(), bytes.end());
  };
  return tar::scan(archive.size(), read, "archive", 0, limits);
}

}  // namespace dray::test
