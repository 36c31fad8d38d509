#include "tests/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "tests/support/paths.h"

namespace dray::test {

namespace {

void close_end(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

RunningProgram::RunningProgram(RunningProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      result_(std::move(other.result_)) {}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close_end(out_);
  close_end(err_);
}

void RunningProgram::signal(int number) const { kill(pid_, number); }

/// False when both ends are closed.
bool RunningProgram::read_some(int timeout_ms) {
  pollfd ends[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  if (poll(ends, 2, timeout_ms) <= 0) return true;
  char buffer[65536];
  for (auto& [fd, events, found] : ends) {
    if (fd < 0 || found == 0) continue;
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    const bool is_out = fd == out_;
    if (n <= 0) {
      close_end(is_out ? out_ : err_);
    } else {
      (is_out ? result_.out : result_.err).append(buffer, static_cast<std::size_t>(n));
    }
  }
  return true;
}

bool RunningProgram::wait_for_error_text(const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (result_.err.find(text) == std::string::npos)
    if (std::chrono::steady_clock::now() > end || !read_some(200)) return false;
  return true;
}

bool RunningProgram::wait_for_text(const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (result_.out.find(text) == std::string::npos)
    if (std::chrono::steady_clock::now() > end || !read_some(200)) return false;
  return true;
}

ProgramResult RunningProgram::finish() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (read_some(200)) {
    if (std::chrono::steady_clock::now() > end) kill(pid_, SIGKILL);
  }
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return std::move(result_);
}

Program::Program(std::filesystem::path where) : folder(std::move(where)) {
  const std::string home = folder.string();
  environment = {{"HOME", home},
                 {"PATH", "/usr/bin:/bin"},
                 {"XDG_DATA_HOME", home + "/data"},
                 {"XDG_CONFIG_HOME", home + "/config"},
                 {"XDG_CACHE_HOME", home + "/cache"},
                 {"TMPDIR", home},
                 {"LC_ALL", "C.UTF-8"}};
}

RunningProgram Program::start(const std::vector<std::string>& words) const {
  // All memory is made ready before the fork: the test program has threads.
  std::vector<std::string> arguments = {dray_binary()}, variables;
  arguments.insert(arguments.end(), words.begin(), words.end());
  for (const auto& [name, value] : environment)
    if (!value.empty()) variables.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (auto& argument : arguments) argv.push_back(argument.data());
  for (auto& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) {
    const int null = open("/dev/null", O_RDONLY);
    const bool ready = null >= 0 && dup2(null, 0) == 0 && dup2(out[1], 1) == 1 &&
                       dup2(err[1], 2) == 2 && chdir(folder.c_str()) == 0;
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);  // the tests may run with it ignored
    if (ready) execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  return RunningProgram(pid, out[0], err[0]);
}

}  // namespace dray::test
