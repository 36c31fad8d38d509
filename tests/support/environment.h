// Environment variables for the time of one test.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace dray::test {

/// Sets variables and puts back at its end what was there before. For tests whose other threads do
/// not read the environment meanwhile.
class Environment {
 public:
  Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    for (const auto& [name, value] : before_) apply(name, value);
  }

  /// nullopt removes the variable.
  void set(const std::string& name, const std::optional<std::string>& value) {
    const char* now = std::getenv(name.c_str());
    before_.try_emplace(name, now == nullptr ? std::nullopt : std::optional<std::string>(now));
    apply(name, value);
  }

 private:
  static void apply(const std::string& name, const std::optional<std::string>& value) {
    if (value)
      ::setenv(name.c_str(), value->c_str(), 1);
    else
      ::unsetenv(name.c_str());
  }

  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace dray::test
