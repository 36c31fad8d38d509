// Settings of configuration files, and chat templates.
#include <fmt/format.h>

#include <map>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/text_diff.h"
#include "dray/model/file_kind.h"
#include "dray/release/diff_parts.h"

namespace dray {

namespace {

constexpr std::uint64_t kLargestText = 16 * kMiB;
constexpr std::string_view kTemplateKey = "chat_template";

/// Small files of settings that change how a model is loaded or answers.
constexpr std::string_view kSettingFiles[] = {
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "preprocessor_config.json",
    "processor_config.json",
    "adapter_config.json",
    "quantize_config.json",
    "hf_quant_config.json",
};

using Settings = std::map<std::string, std::string>;

/// Objects are taken apart, lists are one value.
void flatten(const Json& value, const std::string& key, Settings& out) {
  if (!value.is_object() || (value.empty() && !key.empty())) {
    out[key] = dump_json(value);
    return;
  }
  for (const auto& [name, item] : value.items()) {
    // Compared as a text of its own.
    if (key.empty() && name == kTemplateKey) continue;
    flatten(item, key.empty() ? name : key + "." + name, out);
  }
}

/// nullopt, with a note, for a file that is no JSON.
std::optional<Json> read_json(DiffReader& reader, std::string_view path, ReleaseDifference& out,
                              const std::stop_token& stop) {
  try {
    const auto text = reader.text(path, kLargestText, stop);
    if (!text) return std::nullopt;
    return parse_json(*text, path);
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    out.notes.push_back(
        fmt::format("{}:{}: {}", reader.manifest().name, reader.manifest().version, error.what()));
    return std::nullopt;
  }
}

void diff_file(const std::string& file, const Json& before, const Json& after,
               ReleaseDifference& out) {
  Settings old, now;
  flatten(before, "", old);
  flatten(after, "", now);
  for (const auto& [key, value] : old) {
    const auto other = now.find(key);
    if (other == now.end())
      out.settings.push_back({file, key, value, ""});
    else if (other->second != value)
      out.settings.push_back({file, key, value, other->second});
  }
  for (const auto& [key, value] : now)
    if (!old.contains(key)) out.settings.push_back({file, key, "", value});
}

/// Of a JSON file: a text, or a list of {"name", "template"}.
void add_templates(const Json& json, std::map<std::string, std::string>& out) {
  if (!json.is_object()) return;
  const auto found = json.find(kTemplateKey);
  if (found == json.end()) return;
  if (found->is_string()) out.emplace("default", found->get<std::string>());
  if (!found->is_array()) return;
  for (const Json& item : *found) {
    if (!item.is_object()) continue;
    const auto name = find_string(item, "name", "chat template");
    const auto text = find_string(item, "template", "chat template");
    if (name && text) out.emplace(*name, *text);
  }
}

/// By name, from where the libraries that serve look first.
std::map<std::string, std::string> templates_of(DiffReader& reader, ReleaseDifference& out,
                                                const std::stop_token& stop) {
  std::map<std::string, std::string> found;
  for (const ManifestFile& file : reader.manifest().files) {
    if (!file.path.ends_with(".jinja") || file.size > kLargestText) continue;
    const std::string stem(name_of(file.path).substr(0, name_of(file.path).size() - 6));
    found.emplace(stem == kTemplateKey ? "default" : stem,
                  reader.text(file.path, kLargestText, stop).value_or(""));
  }
  for (const std::string_view path : {"chat_template.json", "tokenizer_config.json"}) {
    try {
      if (const auto json = read_json(reader, path, out, stop)) add_templates(*json, found);
    } catch (const Error& error) {
      if (error.code() != Code::malformed) throw;
      out.notes.push_back(error.what());
    }
  }
  return found;
}

}  // namespace

void diff_settings(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                   const std::stop_token& stop) {
  for (const std::string_view file : kSettingFiles) {
    if (!differs(before.manifest(), after.manifest(), file)) continue;
    const auto old = read_json(before, file, out, stop), now = read_json(after, file, out, stop);
    if (old && now) diff_file(std::string(file), *old, *now, out);
  }
}

void diff_templates(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                    const std::stop_token& stop) {
  if (out.same_content) return;
  const auto old = templates_of(before, out, stop), now = templates_of(after, out, stop);
  const auto name = [](const DiffReader& reader, const std::string& which) {
    return fmt::format("{}:{} {}", reader.manifest().name, reader.manifest().version, which);
  };
  const auto add = [&](const std::string& which, const std::string& a, const std::string& b) {
    TextDiffOptions options{.before_name = name(before, which), .after_name = name(after, which)};
    if (a != b) out.templates.push_back({which, unified_diff(a, b, options)});
  };
  for (const auto& [which, text] : old) {
    const auto other = now.find(which);
    add(which, text, other == now.end() ? "" : other->second);
  }
  for (const auto& [which, text] : now)
    if (!old.contains(which)) add(which, "", text);
}

}  // namespace dray
