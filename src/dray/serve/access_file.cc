#include "dray/serve/access_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"

namespace dray {

namespace {

constexpr std::chrono::seconds kLookEvery{1};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view blank = " \t\r";
  for (std::size_t at = line.find_first_not_of(blank); at != std::string_view::npos;
       at = line.find_first_not_of(blank, at)) {
    const std::size_t end = std::min(line.find_first_of(blank, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

Grant parse_grant(std::string_view word) {
  const std::size_t colon = word.find(':');
  Grant grant{.role = parse_role(word.substr(0, colon))};
  if (colon == std::string_view::npos) return grant;
  grant.names = word.substr(colon + 1);
  if (grant.names.empty()) throw Error(Code::usage, "a pattern must follow the ':'");
  if (grant.role == Role::reader && grant.names != "*")
    throw Error(Code::usage, "readers read everything: lists and searches go across names");
  return grant;
}

AccessEntry parse_line(const std::vector<std::string_view>& words) {
  AccessEntry entry;
  std::size_t next = 1;
  if (words[0] == "token") {
    const auto digest = from_hex(words.size() > 1 ? words[1] : "");
    if (!digest || digest->size() != entry.token.size())
      throw Error(Code::usage, "after 'token' comes the SHA-256 of the token, 64 digits");
    std::copy(digest->begin(), digest->end(), entry.token.begin());
    entry.has_token = true;
    next = 2;
  } else if (words[0] != "user") {
    throw Error(Code::usage, "a line begins with 'token' or 'user'");
  }
  if (words.size() < next + 2) throw Error(Code::usage, "a name and at least one role must follow");
  entry.name = words[next];
  for (std::size_t i = next + 1; i < words.size(); ++i)
    entry.grants.push_back(parse_grant(words[i]));
  return entry;
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::reader:
      return "reader";
    case Role::writer:
      return "writer";
    case Role::promoter:
      break;
  }
  return "promoter";
}

Role parse_role(std::string_view word) {
  for (const Role role : {Role::reader, Role::writer, Role::promoter})
    if (word == role_name(role)) return role;
  throw Error(Code::usage, fmt::format("'{}' is no role", word.substr(0, 100)))
      .hint("reader, writer or promoter");
}

AccessEntries parse_access(std::string_view text, const std::string& what) {
  AccessEntries entries;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const auto words = words_of(line);
    if (words.empty()) continue;
    try {
      entries.push_back(parse_line(words));
    } catch (const Error& error) {
      // Not the line itself: a token may have got into it by mistake.
      throw Error(Code::malformed, error.message())
          .on("read", fmt::format("{}:{}", what, number))
          .hint("token SHA256 NAME ROLE…, or user NAME ROLE…");
    }
  }
  return entries;
}

const AccessEntry* find_token(const AccessEntries& entries, std::string_view token) {
  Sha256 hash;
  hash.update(as_bytes(token));
  const auto digest = hash.digest();
  const AccessEntry* found = nullptr;
  for (const auto& entry : entries) {
    unsigned difference = entry.has_token ? 0 : 1;
    for (std::size_t i = 0; i < digest.size(); ++i)
      difference |= std::to_integer<unsigned>(digest[i] ^ entry.token[i]);
    if (difference == 0) found = &entry;
  }
  return found;
}

std::vector<Grant> grants_of_user(const AccessEntries& entries, std::string_view user) {
  std::vector<Grant> grants;
  for (const auto& entry : entries)
    if (!entry.has_token && entry.name == user)
      grants.insert(grants.end(), entry.grants.begin(), entry.grants.end());
  return grants;
}

AccessFile::AccessFile(std::filesystem::path path)
    : path_(std::move(path)),
      entries_(read()),
      stamp_(look()),
      looked_(std::chrono::steady_clock::now()) {}

std::shared_ptr<const AccessEntries> AccessFile::current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < kLookEvery) return entries_;
  looked_ = now;
  const Stamp stamp = look();
  if (stamp == stamp_) return entries_;
  stamp_ = stamp;
  try {
    entries_ = read();
    info("{} was read again: {} entries", path_.string(), entries_->size());
  } catch (const Error& error) {
    warn("what {} said before stays in force: {}", path_.string(), error.what());
  }
  return entries_;
}

AccessFile::Stamp AccessFile::look() const {
  std::error_code failed;
  Stamp stamp{.changed = std::filesystem::last_write_time(path_, failed)};
  stamp.size = std::filesystem::file_size(path_, failed);
  return stamp;
}

std::shared_ptr<const AccessEntries> AccessFile::read() const {
  const auto text = read_file(path_, 8 << 20);
  if (!text)
    throw Error(Code::not_found, "there is no such file")
        .on("read", path_.string())
        .from(Side::local);
  return std::make_shared<const AccessEntries>(parse_access(*text, path_.string()));
}

}  // namespace dray
