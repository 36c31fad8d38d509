#include "dray/hub/listing.h"

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray::hub {

namespace {

constexpr std::size_t kLongestFact = 1024, kMostFacts = 1000;

[[noreturn]] void malformed(std::string_view what, std::string why) {
  throw Error(Code::malformed, std::move(why)).on("read", std::string(what)).from(Side::source);
}

std::string hex_digits(std::string_view text, std::size_t count) {
  if (text.size() != count) return "";
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return "";
  }
  return out;
}

/// The member, or nullptr where it is absent or null.
const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

/// A fact written by people: a string of sensible length, else "".
std::string fact(const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_string()) return "";
  const auto& text = value->get_ref<const std::string&>();
  return text.size() <= kLongestFact ? text : "";
}

/// A fact that is one string or a list of them.
std::vector<std::string> facts(const Json& object, const char* key) {
  std::vector<std::string> out;
  if (std::string one = fact(object, key); !one.empty()) return {std::move(one)};
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const Json& item : *value) {
    if (out.size() == kMostFacts) break;
    if (item.is_string() && item.get_ref<const std::string&>().size() <= kLongestFact)
      out.push_back(item.get<std::string>());
  }
  return out;
}

std::uint64_t size_in(const Json& entry, std::string_view what) {
  const std::uint64_t size = get_u64(entry, "size", what);
  if (size > kLargestFile) malformed(what, "a file of " + std::to_string(size) + " bytes");
  return size;
}

/// Fills the digests from "lfs" (`sha256_key`: "oid" in a tree, "sha256" in siblings) or else the
/// blob id.
void read_digests(const Json& entry, const char* sha256_key, const char* blob_key,
                  std::string_view what, RepoFile& file) {
  const Json* lfs = member(entry, "lfs");
  if (lfs != nullptr && lfs->is_object()) {
    file.lfs = true;
    file.sha256 = sha256_of(fact(*lfs, sha256_key));
    const std::optional<std::uint64_t> size = find_u64(*lfs, "size", what);
    if (size && file.size && *size != *file.size)
      malformed(what, "two sizes of '" + file.path + "': " + std::to_string(*file.size) + " and " +
                          std::to_string(*size));
    return;
  }
  // With "lfs": the id of the pointer, of no use here.
  file.git_sha1 = git_id_of(fact(entry, blob_key));
}

std::string license_of(const Json& info, const Json& card, const std::vector<std::string>& tags) {
  for (const Json* place : {&card, &info}) {
    const std::vector<std::string> found = facts(*place, "license");
    if (found.empty()) continue;
    const std::string name = fact(*place, "license_name");
    return found[0] == "other" && !name.empty() ? name : found[0];
  }
  constexpr std::string_view prefix = "license:";
  for (const std::string& tag : tags)
    if (tag.starts_with(prefix)) return tag.substr(prefix.size());
  return "";
}

std::string gated_in(const Json& info, std::string_view what) {
  const Json* value = member(info, "gated");
  if (value == nullptr) return "";
  if (value->is_boolean()) return value->get<bool>() ? "auto" : "";
  if (!value->is_string()) malformed(what, "'gated' is neither false nor a word");
  const auto word = value->get<std::string>();
  return word == "false" ? "" : word;
}

std::vector<RepoFile> read_siblings(const Json& info, std::string_view what) {
  std::vector<RepoFile> files;
  const Json* list = member(info, "siblings");
  if (list == nullptr) return files;
  if (!list->is_array()) malformed(what, "'siblings' is not a list");
  if (list->size() > kMostFiles) malformed(what, "more than 200,000 files");
  files.reserve(list->size());
  for (const Json& entry : *list) {
    RepoFile file;
    file.path = get_string(entry, "rfilename", what);
    if (member(entry, "size") != nullptr) file.size = size_in(entry, what);
    read_digests(entry, "sha256", "blobId", what, file);
    // Mirrors copy the entry from either of the Hub's two answers.
    if (file.lfs && file.sha256.empty()) file.sha256 = sha256_of(fact(entry.at("lfs"), "oid"));
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

std::string sha256_of(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return hex_digits(text, 64);
}

std::string git_id_of(std::string_view text) { return hex_digits(text, 40); }

RepoInfo parse_info(std::string_view json, std::string_view what) {
  const Json root = parse_json(json, what);
  if (!root.is_object()) malformed(what, "not a JSON object");
  RepoInfo info;
  info.id = fact(root, "id");
  if (info.id.empty()) info.id = fact(root, "modelId");
  info.commit = git_id_of(fact(root, "sha"));
  info.gated = gated_in(root, what);
  info.is_private = find_bool(root, "private", what).value_or(false);
  info.disabled = find_bool(root, "disabled", what).value_or(false);
  const Json* found = member(root, "cardData");
  const Json card = found != nullptr && found->is_object() ? *found : Json::object();
  info.tags = facts(root, "tags");
  info.license = license_of(root, card, info.tags);
  info.library = fact(root, "library_name");
  if (info.library.empty()) info.library = fact(card, "library_name");
  info.pipeline_tag = fact(root, "pipeline_tag");
  if (info.pipeline_tag.empty()) info.pipeline_tag = fact(card, "pipeline_tag");
  info.base_models = facts(card, "base_model");
  info.languages = facts(card, "language");
  info.siblings = read_siblings(root, what);
  return info;
}

std::vector<RepoFile> parse_tree_page(std::string_view json, std::string_view what) {
  const Json root = parse_json(json, what);
  if (!root.is_array()) malformed(what, "not a JSON list");
  std::vector<RepoFile> files;
  files.reserve(std::min(root.size(), kMostFiles));
  for (const Json& entry : root) {
    const std::string type = get_string(entry, "type", what);
    if (type == "directory") continue;
    if (type != "file") malformed(what, "an entry of unknown type '" + type.substr(0, 40) + "'");
    RepoFile file;
    file.path = get_string(entry, "path", what);
    file.size = size_in(entry, what);
    read_digests(entry, "oid", "oid", what, file);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace dray::hub
