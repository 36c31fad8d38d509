#include "dray/base/run_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/time.h"

extern char** environ;

namespace dray {

namespace {

constexpr std::size_t kMaxInput = 4096;  // what a pipe always holds
constexpr int kPollMs = 100;             // how soon a stop is seen
constexpr std::chrono::milliseconds kWaitForEnd{10};

Error failed(Code code, const std::string& program, std::string why) {
  return Error(code, std::move(why)).on("run", program).from(Side::local);
}

/// A program that runs, killed and waited for when this goes away.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    end(0);
  }
  /// Exit status, -1 if it was ended by a signal; nullopt while it runs.
  std::optional<int> ended() { return end(WNOHANG); }

 private:
  std::optional<int> end(int flags) {
    int status = 0;
    pid_t found = 0;
    do {
      found = ::waitpid(pid_, &status, flags);
    } while (found < 0 && errno == EINTR);
    if (found == 0) return std::nullopt;
    pid_ = -1;
    return found > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  pid_t pid_;
};

struct Pipe {
  Fd reading, writing;
};

Pipe make_pipe(const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("make a pipe for", program);
  return {Fd(ends[0]), Fd(ends[1])};
}

/// A pipe that holds the text and then ends: so nothing is written to a program that is gone.
Fd readable(const std::string& text, const std::string& program) {
  Pipe pipe = make_pipe(program);
  if (::write(pipe.writing.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw_errno("write to", program);
  return std::move(pipe.reading);
}

pid_t start(const std::vector<std::string>& words, int input, int output) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw failed(error == ENOENT ? Code::not_found : Code::storage, words[0],
                 fmt::format("cannot run {}: {}", words[0], std::strerror(error)));
  return pid;
}

/// The limits of one run.
struct Limits {
  const std::string& program;
  const RunOptions& options;
  const std::stop_token& stop;
  const std::chrono::steady_clock::time_point end =
      std::chrono::steady_clock::now() + options.time_limit;

  void check() const {
    throw_if_stopped(stop);
    if (std::chrono::steady_clock::now() > end)
      throw failed(
          Code::network, program,
          fmt::format("the program did not end within {} seconds", options.time_limit.count()));
  }
};

/// All it prints, until it closes its output.
Secret read_output(int fd, const Limits& limits) {
  std::string out;
  out.reserve(limits.options.output_limit);  // never moved, so that no copy stays unwiped
  char block[4096];
  while (true) {
    limits.check();
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kPollMs) <= 0) continue;
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Secret(std::move(out));
    if (out.size() + static_cast<std::size_t>(n) > limits.options.output_limit)
      throw failed(Code::malformed, limits.program, "the program prints too much");
    out.append(block, static_cast<std::size_t>(n));
  }
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& words, const RunOptions& options,
                          const std::stop_token& stop) {
  assert(!words.empty() && options.input.size() <= kMaxInput);
  const Limits limits{words[0], options, stop};
  Fd stdin_of_child = readable(options.input, words[0]);
  Pipe output = make_pipe(words[0]);
  Child child(start(words, stdin_of_child.get(), output.writing.get()));
  stdin_of_child.reset();
  output.writing.reset();
  ProgramResult result;
  result.output = read_output(output.reading.get(), limits);
  // It may go on after it has closed its output.
  for (;; wait_for(stop, kWaitForEnd)) {
    if (const auto status = child.ended()) {
      result.status = *status;
      return result;
    }
    limits.check();
  }
}

std::optional<std::filesystem::path> find_program(std::string_view name, std::string_view path) {
  while (!path.empty()) {
    const std::string_view folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(folder.size() + 1, path.size()));
    if (!folder.starts_with('/')) continue;
    std::filesystem::path file = std::filesystem::path(folder) / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  return std::nullopt;
}

}  // namespace dray
