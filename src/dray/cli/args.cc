#include "dray/cli/args.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/cli/suggest.h"
#include "dray/cli/text.h"

namespace dray::cli {

namespace {

std::optional<bool> parse_switch(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const std::string_view yes : {"1", "true", "yes", "on"})
    if (lower == yes) return true;
  for (const std::string_view no : {"0", "false", "no", "off"})
    if (lower == no) return false;
  return std::nullopt;
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return parts;
}

/// The older pipeline's lists are separated by spaces.
std::vector<std::string> compat_values(const Option& option, std::string value) {
  if (option.compat_env == "S3_BUCKET") return {"s3://" + value};
  if (!option.many) return {std::move(value)};
  std::ranges::replace(value, ' ', ',');
  return split_commas(value);
}

Error bad_value(const Option& option, const Setting& setting, std::string_view wanted) {
  const std::string where = setting.origin.starts_with("--")
                                ? setting.origin
                                : fmt::format("{} ({})", option.name, setting.origin);
  return Error(Code::usage,
               fmt::format("{}: '{}' is not {}", where, fmt::join(setting.values, ","), wanted));
}

void check_value(const Option& option, Setting& setting) {
  for (std::string& value : setting.values) {
    if (option.is_switch()) {
      // CLI11 gives the number of a counting switch as is.
      const auto number = option.many ? parse_u64(value) : std::nullopt;
      const auto on = parse_switch(value);
      if (!on && !number) throw bad_value(option, setting, "true or false").hint("");
      if (!number) value = *on ? "true" : "false";
      continue;
    }
    if (!option.choices.empty() && std::ranges::find(option.choices, value) == option.choices.end())
      throw bad_value(option, setting, fmt::format("one of {}", fmt::join(option.choices, ", ")));
    switch (option.kind) {
      case Kind::text:
        break;
      case Kind::number:
        if (const auto n = parse_u64(value); !n || *n == 0 || *n > 100'000)
          throw bad_value(option, setting, "a number from 1 to 100000");
        break;
      case Kind::size:
        if (!parse_size(value))
          throw bad_value(option, setting, "a size").hint("write it like 256MiB, 1GB or 1048576");
        break;
      case Kind::duration:
        if (!parse_duration(value))
          throw bad_value(option, setting, "a length of time").hint("write it like 30s, 10m or 2h");
        break;
    }
  }
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"", 1'000}};
  for (const auto& [unit, factor] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto count = parse_u64(text.substr(0, text.size() - unit.size()));
    if (!count || *count > 366ULL * 86'400'000 / factor) return std::nullopt;
    return std::chrono::milliseconds(*count * factor);
  }
  return std::nullopt;
}

std::optional<Setting> resolve_setting(const Option& option, const Invocation& invocation,
                                       const Environment& environment, const Config& config) {
  Setting setting;
  const auto from_environment = [&](const std::string& name) {
    const auto value = environment(name);
    if (!value) return false;
    setting.values = option.many && !option.is_switch() ? split_commas(*value)
                                                        : std::vector<std::string>{*value};
    setting.origin = name;
    setting.from_environment = true;
    return true;
  };
  const auto from_older_pipeline = [&] {
    if (option.compat_env.empty() || !modelcar_names(environment)) return false;
    const auto value = environment(option.compat_env);
    if (value) setting = {compat_values(option, *value), option.compat_env, true};
    return value.has_value();
  };
  if (const auto given = invocation.flags.find(option.name); given != invocation.flags.end()) {
    setting = {given->second, "--" + option.name};
  } else if (!option.typed &&
             (from_environment(env_name(option.name)) ||
              (!option.also.empty() && from_environment(env_name(option.also))) ||
              (!option.native_env.empty() && from_environment(option.native_env)) ||
              from_older_pipeline())) {
    // taken
  } else if (const ConfigValue* value = config.find(option); value != nullptr) {
    setting = {value->values, value->origin};
  } else if (!option.standard.empty()) {
    setting = {{option.standard}, "default"};
  } else {
    return std::nullopt;
  }
  check_value(option, setting);
  return setting;
}

Args::Args(const Command& command, const Invocation& invocation, const Environment& environment,
           const Config& config)
    : options_(all_options(command)), positionals_(invocation.positionals) {
  const Environment nothing = [](const std::string&) { return std::nullopt; };
  for (const auto* option : options_) {
    const bool needed =
        option->needs.empty() ||
        resolve_setting(*find_option(command, option->needs), invocation, environment, config);
    auto setting = resolve_setting(*option, invocation, needed ? environment : nothing, config);
    settings_.emplace(option->name, setting ? std::move(*setting) : Setting{});
  }
}

const Setting* Args::find(std::string_view option) const {
  const auto found = settings_.find(option);
  assert(found != settings_.end() && "asked for an option that the command does not have");
  return found->second.origin.empty() ? nullptr : &found->second;
}

bool Args::flag(std::string_view option) const {
  const Setting* setting = find(option);
  return setting != nullptr && !setting->values.empty() && setting->values.back() != "false";
}

int Args::times(std::string_view option) const {
  const Setting* setting = find(option);
  if (setting == nullptr) return 0;
  int count = 0;
  for (const auto& value : setting->values) {
    if (const auto number = parse_u64(value)) {
      count += static_cast<int>(std::min<std::uint64_t>(*number, 9));
    } else if (value == "true") {
      ++count;
    }
  }
  return count;
}

std::string Args::text(std::string_view option) const {
  const Setting* setting = find(option);
  return setting == nullptr || setting->values.empty() ? "" : setting->values.back();
}

std::vector<std::string> Args::list(std::string_view option) const {
  const Setting* setting = find(option);
  return setting == nullptr ? std::vector<std::string>{} : setting->values;
}

std::optional<std::uint64_t> Args::number(std::string_view option) const {
  const std::string value = text(option);
  return value.empty() ? std::nullopt : parse_size(value);
}

std::chrono::milliseconds Args::duration(std::string_view option) const {
  return parse_duration(text(option)).value_or(std::chrono::milliseconds(0));
}

std::vector<std::string> Args::told_by_environment() const {
  std::vector<std::string> told;
  for (const Option* option : options_) {
    const bool global = std::ranges::any_of(global_options(),
                                            [&](const Option& other) { return &other == option; });
    const Setting& setting = settings_.find(option->name)->second;
    if (global || option->tuning || !setting.from_environment) continue;
    std::string value;
    for (const auto& one : setting.values)
      value += fmt::format("{}{}", value.empty() ? "" : ",", shell_word(without_password(one)));
    if (option->is_switch() && value == "false") continue;
    told.push_back(option->is_switch()
                       ? fmt::format("--{} ({})", option->name, setting.origin)
                       : fmt::format("--{} {} ({})", option->name, value, setting.origin));
  }
  return told;
}

std::string Args::positional(std::size_t index) const {
  return index < positionals_.size() ? positionals_[index] : "";
}

std::vector<std::pair<std::string, std::string>> ignored_variables(const Command& command,
                                                                   const Environment& environment) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto* option : all_options(command))
    if (option->typed && environment(env_name(option->name)))
      found.emplace_back(env_name(option->name), "--" + option->name);
  return found;
}

bool modelcar_names(const Environment& environment) {
  const auto wanted = environment("DRAY_COMPAT");
  if (!wanted) return false;
  if (*wanted == "modelcar") return true;
  throw Error(Code::usage, fmt::format("DRAY_COMPAT: '{}' is not known", *wanted))
      .hint("modelcar is the only value");
}

std::vector<std::pair<std::string, std::string>> misspelt_variables(
    const std::vector<std::string>& names) {
  std::set<std::string> known = {"DRAY_FAILPOINT", "DRAY_COMPAT", "DRAY_REGISTRY_TOKEN",
                                 "DRAY_TEST_SEED"};
  for (const auto& command : command_table()) {
    for (const auto* option : all_options(command)) {
      known.insert(env_name(option->name));
      if (!option->also.empty()) known.insert(env_name(option->also));
    }
  }
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& name : names) {
    // Only close slips: Kubernetes sets DRAY_PORT, DRAY_SERVICE_HOST and more for a service called
    // dray.
    if (!name.starts_with("DRAY_") || known.contains(name)) continue;
    for (const auto& candidate : known) {
      if (edit_distance(name, candidate) > (candidate.size() > 12 ? 2u : 1u)) continue;
      found.emplace_back(name, candidate);
      break;
    }
  }
  return found;
}

}  // namespace dray::cli
