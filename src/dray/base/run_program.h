// Programs of others that print what they are asked for (credential helpers), run without a shell.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/secret.h"

namespace dray {

struct RunOptions {
  std::string input;  // what it reads from its standard input, at most 4 KiB
  std::size_t output_limit = 64 << 10;
  std::chrono::seconds time_limit{60};
};

struct ProgramResult {
  int status = 0;  // exit status; -1 if it was ended by a signal
  Secret output;   // all that it printed
};

/// Runs `words`, the first of which is looked for in $PATH unless it holds a '/', and waits for its
/// end. Its standard error is ours, for what it has to say to people; so is its environment. It is
/// killed when `stop` is requested (Code::cancelled) or a limit is passed. Throws Code::not_found
/// where there is no such program, Code::storage where it cannot be run, Code::malformed when it
/// prints too much, Code::network when it takes too long. What it prints is never in an error.
ProgramResult run_program(const std::vector<std::string>& words, const RunOptions& options,
                          const std::stop_token& stop);

/// The first file called `name` that may be run in the folders of `path`, which has the form of
/// $PATH; relative folders are left out, since what lies there depends on where one stands.
std::optional<std::filesystem::path> find_program(std::string_view name, std::string_view path);

}  // namespace dray
