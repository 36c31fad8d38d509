// Help texts and reference pages, made from the table of commands.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dray/cli/command.h"

namespace dray::cli {

/// What `dray` without arguments prints: examples, then all commands by group.
std::string overview(std::size_t width);
/// The commands that begin with the word: "registry".
std::string group_help(const std::string& group, std::size_t width);
/// Examples first, then usage, arguments, options with their variables.
std::string command_help(const Command& command, std::size_t width);

/// "environment", "exit-codes".
const std::vector<std::string>& topic_names();
/// Text of a topic; "" if there is none of that name.
std::string topic_help(std::string_view topic, std::size_t width);

/// docs/reference/commands.md.
std::string commands_markdown();
/// docs/reference/environment.md and exit-codes.md; "" if there is no such topic.
std::string topic_markdown(std::string_view topic);

}  // namespace dray::cli
