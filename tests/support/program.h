// Runs the built program as a user would: own process, own environment, own home.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dray::test {

struct ProgramResult {
  int status = -1;  // exit status, or 128 + signal
  std::string out, err;
};

/// A started program; killed and waited for when it goes away.
class RunningProgram {
 public:
  RunningProgram(RunningProgram&& other) noexcept;
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
  ~RunningProgram();

  void signal(int number) const;
  /// Reads stderr until it holds `text`; false if the program ends or 30 s pass before.
  bool wait_for_error_text(const std::string& text);
  /// Reads stdout until it holds `text`, in the same way.
  bool wait_for_text(const std::string& text);
  /// Of stdout, as far as it was read.
  const std::string& text() const { return result_.out; }
  /// Waits for the end, at most a minute.
  ProgramResult finish();

 private:
  friend class Program;
  RunningProgram(pid_t pid, int out, int err) : pid_(pid), out_(out), err_(err) {}
  bool read_some(int timeout_ms);
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  ProgramResult result_;
};

/// The dray program with a home below `folder`: nothing of the machine's configuration counts.
class Program {
 public:
  explicit Program(std::filesystem::path folder);
  /// Variables of every run; the value "" removes one.
  std::map<std::string, std::string> environment;
  /// Working folder of every run.
  std::filesystem::path folder;

  ProgramResult operator()(const std::vector<std::string>& words) const {
    return start(words).finish();
  }
  RunningProgram start(const std::vector<std::string>& words) const;
};

}  // namespace dray::test
