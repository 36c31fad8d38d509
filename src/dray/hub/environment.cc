#include "dray/hub/environment.h"

#include <algorithm>
#include <optional>

#include "dray/base/file.h"

namespace dray::hub {

namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool flag(const char* name) {
  const std::optional<std::string> value = env(name);
  return value && is_true(*value);
}

}  // namespace

bool is_true(std::string_view value) {
  std::string upper(value);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

std::filesystem::path expand_path(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    const bool braced = i + 1 < text.size() && text[i + 1] == '{';
    const std::size_t begin = i + (braced ? 2 : 1);
    std::size_t end = begin;
    while (end < text.size() && is_name(text[end])) ++end;
    const bool closed = !braced || (end < text.size() && text[end] == '}');
    const std::size_t next = closed && braced ? end + 1 : end;
    const std::string name(text.substr(begin, end - begin));
    const std::optional<std::string> value =
        closed && !name.empty() ? env(name.c_str()) : std::nullopt;
    out += value ? *value : std::string(text.substr(i, std::max(next, i + 1) - i));
    i = std::max(next, i + 1);
  }
  return expand_home(out);
}

std::string endpoint() {
  std::string base = env("HF_ENDPOINT").value_or("https://huggingface.co");
  while (base.ends_with('/')) base.pop_back();
  return base;
}

std::filesystem::path home() {
  if (const auto value = env("HF_HOME")) return expand_path(*value);
  if (const auto value = env("XDG_CACHE_HOME")) return expand_path(*value) / "huggingface";
  return home_folder() / ".cache" / "huggingface";
}

std::filesystem::path cache() {
  if (const auto value = env("HF_HUB_CACHE")) return expand_path(*value);
  if (const auto value = env("HUGGINGFACE_HUB_CACHE")) return expand_path(*value);
  return home() / "hub";
}

bool offline() { return flag("HF_HUB_OFFLINE") || flag("TRANSFORMERS_OFFLINE"); }

}  // namespace dray::hub
