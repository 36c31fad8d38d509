// From the words of a command line to the command and what was given to it. Pure: no environment,
// no files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dray/cli/command.h"

namespace dray::cli {

struct Invocation {
  const Command* command = nullptr;  // nullptr: no command was named
  std::string group;                 // "registry" when only the first word of two was given
  /// Option name → values in the order given; "true" or "false" for each mention of a switch.
  std::map<std::string, std::vector<std::string>> flags;
  std::vector<std::string> positionals;
  bool help = false;
  bool version = false;
};

/// `words` come without the program's name. Throws Code::usage with a close name as hint for
/// unknown commands and options, for missing or superfluous arguments and values outside an
/// option's choices. Values of unknown options are never repeated in errors: they may be secrets.
Invocation parse_command_line(const std::vector<std::string>& words);

/// Whether the words ask for JSON, for errors found before they could be parsed.
bool asks_for_json(const std::vector<std::string>& words);

}  // namespace dray::cli
