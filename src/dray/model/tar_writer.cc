#include "dray/model/tar_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/model/image_path.h"
#include "dray/model/plain_text.h"
#include "dray/model/tar_header.h"

namespace dray::tar {

namespace {

// The name that GNU tar gives the record of a long name, and its mode.
constexpr std::string_view kLongNameRecord = "././@LongLink";

[[noreturn]] void refuse_member(std::string_view path, std::string_view why,
                                Code code = Code::malformed) {
  throw Error(code,
              fmt::format("\"{}\" cannot be a member of an archive: {}", shown_text(path), why));
}

void check_member_path(std::string_view path) {
  if (path.empty()) refuse_member(path, "it has no name");
  if (path.size() > kLongestName) refuse_member(path, "its path is longer than 4096 bytes");
  if (path.find('\0') != std::string_view::npos) refuse_member(path, "its path holds a NUL");
  if (path.front() == '/') refuse_member(path, "its path is absolute");
  for (std::string_view rest = path;;) {
    const auto end = rest.find('/');
    const auto part = rest.substr(0, end);
    if (part.empty()) refuse_member(path, "a part of its path is empty");
    if (part == "." || part == "..")
      refuse_member(path, fmt::format("its path has a \"{}\" part", part));
    if (part.starts_with(kWhiteoutPrefix))
      refuse_member(path, "an image takes names that begin with .wh. for deletions",
                    Code::unsupported);
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
  }
}

void append_long_name(Buffer& out, std::string_view name) {
  append_header(out, {.name = std::string(kLongNameRecord),
                      .mode = kFileMode,
                      .size = name.size() + 1,
                      .type = flag::kLongName});
  const auto bytes = as_bytes(name);
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + 1 + padding(name.size() + 1));
}

/// `header` with the record of its name where that is too long for it.
Buffer with_long_name(const Header& header) {
  Buffer out;
  if (header.name.size() > kShortName) append_long_name(out, header.name);
  append_header(out, header);
  return out;
}

std::int64_t time_of(std::string_view path, std::uint64_t mtime) {
  if (mtime > INT64_MAX) refuse_member(path, "its time is not below 2^63 seconds");
  return static_cast<std::int64_t>(mtime);
}

std::string_view without_slash(std::string_view folder) {
  if (folder.ends_with('/')) folder.remove_suffix(1);
  return folder;
}

/// Calls `use` with "a", "a/b" for "a/b/c".
template <typename Use>
void for_each_parent(std::string_view path, Use&& use) {
  for (auto slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1))
    use(path.substr(0, slash));
}

/// Collects pieces; literal bytes that follow each other become one.
class Layout {
 public:
  explicit Layout(std::size_t members) { plan_.data_offsets.resize(members); }

  void literal(const Buffer& bytes) { literal_.insert(literal_.end(), bytes.begin(), bytes.end()); }

  void data(std::size_t index, const Member& member) {
    // The headers' size is that of memory, so only the data can overflow.
    plan_.data_offsets[index] = plan_.size + literal_.size();
    if (member.size == 0) return;
    end_literal();
    plan_.pieces.push_back({.offset = plan_.size, .literal = {}, .member = index});
    grow(member.size, member.path);
    literal_.resize(padding(member.size));
  }

  LayerPlan finish() && {
    literal(archive_end());
    end_literal();
    return std::move(plan_);
  }

 private:
  void end_literal() {
    if (literal_.empty()) return;
    const std::uint64_t offset = plan_.size;
    grow(literal_.size(), "the end");
    plan_.pieces.push_back(
        {.offset = offset, .literal = std::exchange(literal_, {}), .member = std::nullopt});
  }

  void grow(std::uint64_t bytes, std::string_view path) {
    if (bytes > kLargestSize - plan_.size)
      refuse_member(path, "its layer would have 2^63 bytes or more");
    plan_.size += bytes;
  }

  LayerPlan plan_;
  Buffer literal_;
};

/// Indices in bytewise order of the paths.
std::vector<std::size_t> sorted_order(std::span<const Member> members) {
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::string_view(members[i].path); });
  return order;
}

/// Neither a path twice nor a file where a folder is; a folder must be above a member.
void check_layer(std::span<const Member> members, const std::vector<std::size_t>& order,
                 const std::set<std::string_view>& folders) {
  std::set<std::string_view> parents;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string& path = members[order[i]].path;
    if (i > 0 && path == members[order[i - 1]].path) refuse_member(path, "it is there twice");
    for_each_parent(path, [&](std::string_view parent) { parents.insert(parent); });
  }
  for (const auto& member : members)
    if (parents.contains(member.path)) refuse_member(member.path, "it is also a folder");
  for (const auto folder : folders)
    if (!parents.contains(folder)) refuse_member(folder, "no file is below this folder");
}

}  // namespace

Buffer file_header(std::string_view path, std::uint64_t size, std::uint32_t mode,
                   std::uint64_t mtime) {
  check_member_path(path);
  if (size > kLargestSize) refuse_member(path, "its size is not below 2^63 bytes");
  return with_long_name(
      {.name = std::string(path), .mode = mode, .size = size, .mtime = time_of(path, mtime)});
}

Buffer folder_header(std::string_view path, std::uint32_t mode, std::uint64_t mtime) {
  path = without_slash(path);
  check_member_path(path);
  return with_long_name({.name = fmt::format("{}/", path),
                         .mode = mode,
                         .mtime = time_of(path, mtime),
                         .type = flag::kFolder});
}

Buffer archive_end() { return Buffer(2 * kBlock); }

std::vector<std::string> parent_folders(std::span<const Member> members) {
  std::set<std::string> folders;
  for (const auto& member : members)
    for_each_parent(member.path, [&](std::string_view parent) { folders.emplace(parent); });
  return {folders.begin(), folders.end()};
}

LayerPlan plan_layer(std::span<const Member> members, std::span<const std::string> folders,
                     const LayerAttributes& attributes) {
  std::set<std::string_view> waiting;
  for (const auto& folder : folders) waiting.insert(without_slash(folder));
  const auto order = sorted_order(members);
  check_layer(members, order, waiting);

  Layout layout(members.size());
  for (const std::size_t index : order) {
    const Member& member = members[index];
    for_each_parent(member.path, [&](std::string_view parent) {
      if (waiting.erase(parent) > 0)
        layout.literal(folder_header(parent, attributes.folder_mode, attributes.mtime));
    });
    layout.literal(file_header(member.path, member.size, attributes.file_mode, attributes.mtime));
    layout.data(index, member);
  }
  return std::move(layout).finish();
}

}  // namespace dray::tar
