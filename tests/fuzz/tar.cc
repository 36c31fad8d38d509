// Tar archives and the layers of an image: refused, or entries that lie inside the archive, are the
// same however the bytes come, and merge into files whose paths are safe.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/model/layer_tree.h"
#include "dray/model/tar_header.h"
#include "dray/model/tar_reader.h"

namespace {

using dray::Buffer;
using dray::Bytes;
using dray::tar::Entry;

constexpr dray::tar::ReaderLimits kLimits{.entries = 500, .name_bytes = 20'000};

void require(bool holds) {
  if (!holds) std::abort();
}

/// Makes the checksum of every block right that looks like a header, so that the fuzzer gets past
/// it.
void seal(Buffer& archive) {
  for (std::size_t at = 0; at + 512 <= archive.size(); at += 512) {
    const auto block = std::span(archive).subspan(at, 512);
    if (dray::as_text(block).substr(257, 5) != "ustar") continue;
    std::fill_n(block.begin() + 148, 8, std::byte{' '});
    unsigned sum = 0;
    for (const auto byte : block) sum += std::to_integer<unsigned>(byte);
    for (std::size_t digit = 6; digit-- > 0; sum >>= 3)
      block[148 + digit] = static_cast<std::byte>('0' + sum % 8);
  }
}

/// By random access; nullopt where the archive is refused.
std::optional<std::vector<Entry>> scanned(Bytes archive, std::uint64_t read_ahead) {
  const auto read = [&](dray::ByteRange range) {
    require(range.end() <= archive.size());
    const auto bytes = archive.subspan(range.offset, range.length);
    return Buffer(bytes.begin(), bytes.end());
  };
  try {
    return dray::tar::scan(archive.size(), read, "fuzz", read_ahead, kLimits);
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::malformed || error.code() == dray::Code::unsupported);
    return std::nullopt;
  }
}

std::optional<std::vector<Entry>> streamed(Bytes archive, std::size_t piece) {
  dray::tar::StreamReader reader("fuzz", kLimits);
  std::vector<Entry> entries;
  std::uint64_t data = 0;
  try {
    while (!archive.empty()) {
      Bytes input = archive.first(std::min(piece, archive.size()));
      archive = archive.subspan(input.size());
      while (const auto event = reader.next(input)) {
        using Kind = dray::tar::StreamReader::Event::Kind;
        if (event->kind == Kind::data) data += event->data.size();
        if (event->kind == Kind::entry) entries.push_back(*event->entry);
      }
    }
    reader.finish();
  } catch (const dray::Error&) {
    return std::nullopt;
  }
  for (const auto& entry : entries) data -= entry.size;
  require(data == 0);
  return entries;
}

void check_places(const std::vector<Entry>& entries, std::uint64_t archive_size) {
  std::uint64_t reached = 0;
  for (const auto& entry : entries) {
    require(entry.data_offset >= reached + 512 && entry.data_offset % 512 == 0);
    require(entry.size <= archive_size && entry.data_offset + entry.size <= archive_size);
    require(!entry.path.empty() && entry.path.size() <= dray::tar::kLongestName);
    reached = entry.data_offset + entry.size;
  }
}

void check_tree(const dray::LayerTree& layers, std::string_view root, std::size_t count) {
  const auto tree = layers.files_below(root);
  for (const auto& skipped : tree.skipped) dray::check_relative_path(skipped.path, "fuzz");
  for (std::size_t i = 0; i < tree.files.size(); ++i) {
    dray::check_relative_path(tree.files[i].path, "fuzz");
    require(tree.files[i].layer < count);
    require(i == 0 || tree.files[i - 1].path < tree.files[i].path);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // Two bytes: where the second layer begins, and how the archive is cut.
  const std::size_t split = data[0] * std::size_t{512};
  const std::size_t piece = data[1] * std::size_t{7} + 1;
  const auto bytes = std::as_bytes(std::span(data + 2, size - 2));
  Buffer archive(bytes.begin(), bytes.end());
  seal(archive);

  dray::LayerTree tree({.entries = 500, .name_bytes = 40'000});
  std::size_t layers = 0;
  const auto second = std::min(split, archive.size());
  try {
    for (const Bytes layer : {Bytes(archive).first(second), Bytes(archive).subspan(second)}) {
      const auto entries = scanned(layer, piece);
      require(scanned(layer, 0) == entries && streamed(layer, piece) == entries);
      if (!entries) continue;
      check_places(*entries, layer.size());
      tree.add_layer(*entries);
      ++layers;
    }
    check_tree(tree, "models", layers);
    check_tree(tree, "", layers);
  } catch (const dray::Error& error) {
    require(error.code() == dray::Code::malformed);
  }
  return 0;
}
