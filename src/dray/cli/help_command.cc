#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/help.h"
#include "dray/cli/suggest.h"

namespace dray::cli {

namespace {

std::string page_of(const std::string& topic, std::size_t width) {
  if (topic.empty()) return overview(width);
  if (const Command* command = find_command(topic)) return command_help(*command, width);
  if (std::string text = topic_help(topic, width); !text.empty()) return text;
  std::vector<std::string> known = topic_names();
  for (const auto& command : command_table()) {
    if (command.name.starts_with(topic + " ")) return group_help(topic, width);
    if (!command.hidden) known.push_back(command.name);
  }
  const std::string likely = closest(topic, known);
  throw Error(Code::usage, fmt::format("there is no help on '{}'", topic))
      .hint(likely.empty() ? "`dray help` lists commands and topics"
                           : fmt::format("did you mean `dray help {}`?", likely));
}

std::string markdown_of(const std::string& topic) {
  if (topic.empty()) return commands_markdown();
  std::string page = topic_markdown(topic);
  if (page.empty())
    throw Error(Code::usage, fmt::format("there is no page on '{}'", topic))
        .hint(fmt::format("pages: {}", fmt::join(topic_names(), ", ")));
  return page;
}

int run(Context& context) {
  const Args& args = context.args();
  std::string topic = args.positional(0);
  if (!args.positional(1).empty()) topic += " " + args.positional(1);
  const std::size_t terminal = terminal_width(stdout);
  std::string page =
      args.flag("markdown")
          ? markdown_of(topic)
          : page_of(topic, terminal == 0 ? 100 : std::min<std::size_t>(terminal, 110));
  page.pop_back();
  context.out().line(page);
  context.out().json({{"help", page}});
  return 0;
}

}  // namespace

Command help_command() {
  return {
      .name = "help",
      .group = "Set up",
      .summary = "tell about a command or a topic",
      .details = fmt::format("Topics: {}.", fmt::join(topic_names(), ", ")),
      .positionals = {{"TOPIC", "a command or a topic", false},
                      {"COMMAND", "second word of a command", false}},
      .options = {{.name = "markdown",
                   .value = "",
                   .help =
                       "print the reference page of all commands, or of the topic, as Markdown"}},
      .examples = {{"dray help import", "the page of one command"},
                   {"dray help environment", "all variables"},
                   {"dray help exit-codes", "what scripts may rely on"}},
      .run = run,
      .plain = true};
}

}  // namespace dray::cli
