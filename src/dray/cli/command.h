// The table of commands: one description of each drives parsing, help, completion, configuration
// and the reference pages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dray::cli {

class Context;

/// How the text of an option is checked, wherever it came from.
enum class Kind {
  text,
  number,    // a whole number above 0
  size,      // "256MiB", "1GB", "1048576"
  duration,  // "90s", "10m", "2h", "30"
};

/// One flag. Its environment variable is DRAY_ and the name in capitals, '-' as '_'.
struct Option {
  std::string name;           // "limit-rate", without dashes
  std::string value;          // placeholder of its value, "RATE"; "" = a switch
  std::string help;           // one clause, no full stop
  std::string standard = {};  // value when nothing sets it; "" = none
  Kind kind = Kind::text;
  bool many =
      false;  // may be given again; commas separate values in the environment. A switch counts.
  char letter = 0;                        // 'q' for -q
  std::vector<std::string> choices = {};  // the only values
  std::string also = {};                  // a second long name, with its own environment variable
  std::string native_env =
      {};                  // another program's variable that counts after DRAY_…: "HF_ENDPOINT"
  bool in_config = false;  // may be a key of the configuration file
  /// The older ModelCar pipeline's variable; counts last, and only with DRAY_COMPAT=modelcar.
  std::string compat_env = {};
  /// How the work is done, not what comes out of it: not worth telling when a variable sets it.
  bool tuning = false;
  /// Only the command line sets it, no variable: what confirms that something is removed.
  bool typed = false;
  /// Another option of the command, without which this one means nothing. A variable of this one,
  /// set for other runs, counts only beside that.
  std::string needs = {};
  bool is_switch() const { return value.empty(); }
};

struct Positional {
  std::string name;  // "SOURCE"
  std::string help;
  bool required = true;
  bool many = false;  // may be given again; only the last one
};

struct Example {
  std::string line;  // "dray import hf://openai-community/gpt2"
  std::string what;
};

struct Command {
  std::string name;          // "import", "registry register"
  std::string group;         // heading in the overview
  std::string summary;       // one line, no full stop
  std::string details = {};  // paragraphs of the help page
  std::vector<Positional> positionals = {};
  std::vector<Option> options = {};  // its own; the global ones come on top
  std::vector<Example> examples = {};
  int (*run)(Context&) = nullptr;  // returns the exit status
  bool plain = false;              // needs no configuration file, store or network
  bool hidden = false;             // not in overviews
};

/// All commands, in the order of the overview.
const std::vector<Command>& command_table();
/// Flags that every command takes.
const std::vector<Option>& global_options();
/// nullptr if there is none of that exact name.
const Command* find_command(std::string_view name);
/// The option of `command` or the global one of that name (or second name); nullptr if there is
/// none.
const Option* find_option(const Command& command, std::string_view name);
/// Own options, then the global ones.
std::vector<const Option*> all_options(const Command& command);
/// Every option that may stand in the configuration file, one of each key.
const std::vector<const Option*>& config_options();

/// Whether the command may change something outside this process: it can be run dry, or must be
/// confirmed.
bool changes_things(const Command& command);

/// The option's key in configuration files: the second name where there is one ("store" for --to),
/// else the name.
const std::string& config_key(const Option& option);
/// "DRAY_LIMIT_RATE" for "limit-rate".
std::string env_name(std::string_view option);

}  // namespace dray::cli
