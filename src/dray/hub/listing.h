// What the Hub tells about a repository: its facts and its files. Pure readers of the Hub's JSON;
// all input is untrusted, and mirrors leave much of it out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dray::hub {

/// One file of a repository at a commit. The path is as the Hub wrote it: the caller checks the
/// whole listing.
struct RepoFile {
  std::string path;
  std::optional<std::uint64_t> size;  // of the content, not of an LFS pointer
  std::string sha256;    // of the content: LFS files; "" if not stated or not 64 hex digits
  std::string git_sha1;  // blob id of the content: files kept in git; "" as above
  bool lfs = false;      // kept outside git
  bool operator==(const RepoFile&) const = default;
};

struct RepoInfo {
  std::string id;      // the repository's present name, "" where a mirror states none
  std::string commit;  // 40 hex digits, or "" where a mirror states none
  std::string gated;   // "" (open), "auto" or "manual"
  bool is_private = false;
  bool disabled = false;
  std::string license, library, pipeline_tag;
  std::vector<std::string> base_models, tags, languages;
  std::vector<RepoFile> siblings;  // often paths only
};

inline constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 50;  // more is a broken listing
inline constexpr std::size_t kMostFiles = 200'000;  // the Hub advises against 100,000

/// `GET /api/models/{repo}[/revision/{rev}]`. Facts that are absent or of another type than the
/// Hub's are left empty, except those that decide about access (gated, private, disabled) and the
/// file list, which are Code::malformed. `what` names the document in errors.
RepoInfo parse_info(std::string_view json, std::string_view what);

/// One page of `GET /api/models/{repo}/tree/{rev}?recursive=true`, folders left out.
/// Code::malformed for anything but a list of files and folders: unknown types, sizes that are no
/// whole number up to `kLargestFile`, an LFS size that differs from the file's. Digests in another
/// form are dropped (a file without digest is not trusted).
std::vector<RepoFile> parse_tree_page(std::string_view json, std::string_view what);

/// 64 lower-case hex digits from `text` ("sha256:" before it and upper case are accepted), else "".
std::string sha256_of(std::string_view text);
/// The same for the 40 digits of a git id.
std::string git_id_of(std::string_view text);

}  // namespace dray::hub
