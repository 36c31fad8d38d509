#include "dray/s3/profile.h"

#include <fmt/format.h>

#include <filesystem>

#include "dray/base/error.h"
#include "dray/base/file.h"

namespace dray::s3 {

namespace {

constexpr std::uint64_t kMaxFile = 1 << 20;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == text.back() && (text[0] == '"' || text[0] == '\''))
    return text.substr(1, text.size() - 2);
  return text;
}

/// What follows `word` and white space in a section's title; nullopt if it begins otherwise.
std::optional<std::string> named(std::string_view title, std::string_view word) {
  if (!title.starts_with(word)) return std::nullopt;
  const std::string_view rest = title.substr(word.size());
  if (rest.empty() || (rest[0] != ' ' && rest[0] != '\t')) return std::nullopt;
  return std::string(unquoted(trim(rest)));
}

/// Reads one file line by line. Error messages never quote a line: it may hold a key.
class Reader {
 public:
  Reader(bool credentials_file, std::string_view what, Profiles& into)
      : credentials_file_(credentials_file), what_(what), into_(into) {}

  void line(std::string_view raw) {
    ++number_;
    const std::string_view text = trim(raw);
    if (text.empty() || text[0] == '#' || text[0] == ';') return;
    const bool indented = raw[0] == ' ' || raw[0] == '\t';
    if (text[0] == '[' && !indented)
      open(text);
    else if (indented && !key_.empty())
      nested(text);
    else
      setting(text);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(Code::usage, fmt::format("line {}: {}", number_, why))
        .on("read", std::string(what_))
        .from(Side::local)
        .hint("see `man aws` or the AWS documentation of the shared configuration files");
  }

  void open(std::string_view text) {
    if (text.back() != ']') fail("a section title without ']'");
    const std::string_view title = trim(text.substr(1, text.size() - 2));
    key_.clear();
    section_ = &ignored_;
    if (credentials_file_) {
      section_ = &into_.profiles[std::string(unquoted(title))];
    } else if (title == "default") {
      section_ = &into_.profiles["default"];
    } else if (const auto name = named(title, "profile")) {
      section_ = &into_.profiles[*name];
    } else if (const auto services = named(title, "services")) {
      section_ = &into_.services[*services];
    } else if (const auto session = named(title, "sso-session")) {
      section_ = &into_.sso_sessions[*session];
    }
  }

  void setting(std::string_view text) {
    if (section_ == nullptr) fail("a setting before the first section");
    const std::size_t at = text.find_first_of("=:");
    if (at == std::string_view::npos || trim(text.substr(0, at)).empty())
      fail("neither a section nor \"name = value\"");
    key_ = lower(trim(text.substr(0, at)));
    (*section_)[key_] = trim(text.substr(at + 1));
  }

  /// An indented line: part of a nested block where the line above has no value, else it continues
  /// that value.
  void nested(std::string_view text) {
    std::string& above = (*section_)[key_];
    const std::size_t at = text.find('=');
    if (!above.empty()) {
      above += "\n" + std::string(text);
    } else if (at == std::string_view::npos) {
      fail("an indented line that is not \"name = value\"");
    } else {
      (*section_)[key_ + "." + lower(trim(text.substr(0, at)))] = trim(text.substr(at + 1));
    }
  }

  const bool credentials_file_;
  const std::string_view what_;
  Profiles& into_;
  Section ignored_;
  Section* section_ = nullptr;
  std::string key_;
  int number_ = 0;
};

void load(const Environment& env, const char* variable, const char* name, bool credentials_file,
          Profiles& into) {
  std::string path = env(variable).value_or("~/.aws/" + std::string(name));
  if (const auto home = env("HOME"); home && path.starts_with("~/")) path = *home + path.substr(1);
  const auto text = read_file(expand_home(path), kMaxFile);
  if (text) parse_profiles(*text, credentials_file, path, into);
}

}  // namespace

std::optional<std::string> Profiles::get(const std::string& profile, const std::string& key) const {
  const auto section = profiles.find(profile);
  if (section == profiles.end()) return std::nullopt;
  const auto value = section->second.find(key);
  if (value == section->second.end() || value->second.empty()) return std::nullopt;
  return value->second;
}

void parse_profiles(std::string_view text, bool credentials_file, std::string_view what,
                    Profiles& into) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // written by Windows editors
  Reader reader(credentials_file, what, into);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    reader.line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

Profiles load_profiles(const Environment& env) {
  Profiles out;
  load(env, "AWS_CONFIG_FILE", "config", false, out);
  load(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials", true, out);
  return out;
}

std::string profile_name(const std::string& wanted, const Environment& env) {
  if (!wanted.empty()) return wanted;
  if (const auto name = env("AWS_PROFILE")) return *name;
  return env("AWS_DEFAULT_PROFILE").value_or("default");
}

}  // namespace dray::s3
