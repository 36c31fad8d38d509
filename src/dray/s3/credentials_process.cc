// Credentials that a program prints (credential_process).
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/s3/credentials_parts.h"

extern char** environ;

namespace dray::s3 {

namespace {

constexpr std::size_t kMaxOutput = 64 << 10;
constexpr std::chrono::seconds kLongest{60};
constexpr int kPollMs = 100;  // how soon a stop is seen

/// A program that runs, killed and waited for when this goes away.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  /// Exit status; -1 if it was ended by a signal.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_;
};

/// Starts the program with its output in a pipe; its standard error is ours, for what it has to say
/// to people.
pid_t start(const std::vector<std::string>& words, int output, const std::string& origin) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  pid_t pid = -1;
  const int failed =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw credentials_error(origin,
                            fmt::format("cannot run {}: {}", words[0], std::strerror(failed)));
  return pid;
}

/// All it prints, until it closes its output.
std::string read_output(int fd, const std::string& origin, const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  std::string out;
  char block[4096];
  while (true) {
    throw_if_stopped(stop);
    if (std::chrono::steady_clock::now() > deadline)
      throw credentials_error(origin, "the program did not end within a minute");
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kPollMs) <= 0) continue;
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(block, static_cast<std::size_t>(n));
    if (out.size() > kMaxOutput) throw credentials_error(origin, "the program prints too much");
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
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("make a pipe for", words[0]);
  Fd reading(ends[0]), writing(ends[1]);
  Child child(start(words, writing.get(), origin));
  writing.reset();
  const Secret output(read_output(reading.get(), origin, stop));
  if (const int status = child.wait(); status != 0)
    throw credentials_error(origin, fmt::format("{} ended with status {}", words[0], status))
        .hint("run it by hand to see why");
  Credentials out = parse_credentials_json(output.reveal(), "SessionToken", origin);
  const Json json = parse_json(output.reveal(), origin);
  if (find_u64(json, "Version", origin).value_or(0) != 1)
    throw credentials_error(origin, "the program does not print Version 1 credentials");
  return out;
}

}  // namespace dray::s3
