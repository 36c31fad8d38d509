// What a command was told, by flag, environment or configuration file, and by which of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/cli/command.h"
#include "dray/cli/config.h"
#include "dray/cli/parse.h"

namespace dray::cli {

struct Setting {
  std::vector<std::string> values;  // "true"/"false" for switches
  std::string origin;               // "--to", "DRAY_TO", "/etc/dray/config.yaml:3", "default"
  bool from_environment = false;    // `origin` is a variable
};

/// The value of a variable, if set and not empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

class Args {
 public:
  /// Flag before DRAY_ variable before native variable before configuration before the standard
  /// value; variables only where what the option needs is set. Throws Code::usage naming the origin
  /// of a value that cannot be read.
  Args(const Command& command, const Invocation& invocation, const Environment& environment,
       const Config& config);

  /// The option must be one of the command's; asking for another is a bug.
  const Setting* find(std::string_view option) const;
  bool flag(std::string_view option) const;
  int times(std::string_view option) const;         // mentions of a counting switch
  std::string text(std::string_view option) const;  // "" if not set
  std::vector<std::string> list(std::string_view option) const;
  std::optional<std::uint64_t> number(std::string_view option) const;  // also sizes, in bytes
  std::chrono::milliseconds duration(std::string_view option) const;   // 0 if not set
  /// What variables set of it that is worth telling: "--to s3://bucket (DRAY_TO)". Passwords in
  /// addresses are left out.
  std::vector<std::string> told_by_environment() const;
  /// By position; "" if not given.
  std::string positional(std::size_t index) const;
  const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  std::vector<const Option*> options_;
  std::map<std::string, Setting, std::less<>> settings_;
  std::vector<std::string> positionals_;
};

/// The setting of one option from all layers; nullopt if nothing sets it and it has no standard
/// value.
std::optional<Setting> resolve_setting(const Option& option, const Invocation& invocation,
                                       const Environment& environment, const Config& config);

/// "90s", "10m", "2h", "500ms" or whole seconds; nullopt if malformed or above a year.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Variables of options that only the command line sets ("DRAY_YES"), where they are set all the
/// same, each with the flag that is meant.
std::vector<std::pair<std::string, std::string>> ignored_variables(const Command& command,
                                                                   const Environment& environment);

/// Whether DRAY_COMPAT lets the older pipeline's variables count. Throws Code::usage for a value
/// that is not known.
bool modelcar_names(const Environment& environment);

/// DRAY_ variables that look like a slip of a known one, each with what is likely meant.
std::vector<std::pair<std::string, std::string>> misspelt_variables(
    const std::vector<std::string>& names);

}  // namespace dray::cli
