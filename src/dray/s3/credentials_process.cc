// Credentials that a program prints (credential_process).
#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/run_program.h"
#include "dray/s3/credentials_parts.h"

namespace dray::s3 {

namespace {

ProgramResult run(const std::vector<std::string>& words, const std::string& origin,
                  const std::stop_token& stop) {
  try {
    return run_program(words, {}, stop);
  } catch (const Error& e) {
    if (e.code() == Code::cancelled) throw;
    throw credentials_error(origin, e.message());
  }
}

}  // namespace

std::vector<std::string> split_command(std::string_view command) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    const bool has_next = i + 1 < command.size();
    if (quote == '\'') {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\\' && has_next &&
               (quote == 0 || command[i + 1] == '"' || command[i + 1] == '\\')) {
      word += command[++i];
      in_word = true;
    } else if (quote == '"') {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) out.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0)
    throw Error(Code::usage, "a quote without its end").on("read", "credential_process");
  if (in_word) out.push_back(std::move(word));
  return out;
}

Credentials run_credential_process(const std::string& command, const std::string& origin,
                                   const std::stop_token& stop) {
  const auto words = split_command(command);
  if (words.empty()) throw credentials_error(origin, "the command is empty");
  const auto [status, output] = run(words, origin, stop);
  if (status != 0)
    throw credentials_error(origin, fmt::format("{} ended with status {}", words[0], status))
        .hint("run it by hand to see why");
  Credentials out = parse_credentials_json(output.reveal(), "SessionToken", origin);
  const Json json = parse_json(output.reveal(), origin);
  if (find_u64(json, "Version", origin).value_or(0) != 1)
    throw credentials_error(origin, "the program does not print Version 1 credentials");
  return out;
}

}  // namespace dray::s3
