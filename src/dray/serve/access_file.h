// The file that says who may do what. One line each:
//   token SHA256 NAME GRANT…     SHA256: of the bearer token, in hexadecimal
//   user NAME GRANT…             a name that a trusted proxy states
// GRANT: reader, writer, promoter, or writer:GLOB, promoter:GLOB for names of models and
// experiments. A writer may also read, a promoter also write. '#' begins a comment.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace dray {

/// Each may do what those before it may.
enum class Role { reader, writer, promoter };
std::string_view role_name(Role role);
/// Throws Code::usage for another word.
Role parse_role(std::string_view word);

struct Grant {
  Role role = Role::reader;
  std::string names = "*";  // a pattern; readers read everything
};

struct AccessEntry {
  std::array<std::byte, 32> token{};  // SHA-256
  bool has_token = false;             // false: a user of the proxy
  std::string name;
  std::vector<Grant> grants;
};
using AccessEntries = std::vector<AccessEntry>;

/// Throws Code::malformed naming the line. `what` names the text.
AccessEntries parse_access(std::string_view text, const std::string& what);

/// Takes the same time whichever entry it is, and whether there is one.
const AccessEntry* find_token(const AccessEntries& entries, std::string_view token);
/// Of all lines for that user.
std::vector<Grant> grants_of_user(const AccessEntries& entries, std::string_view user);

/// Thread-safe. Read again, at most once a second, when the file has changed; a file that cannot be
/// read then leaves the last entries in force, with a warning.
class AccessFile {
 public:
  /// Throws Code::not_found, storage or malformed.
  explicit AccessFile(std::filesystem::path path);
  std::shared_ptr<const AccessEntries> current();

 private:
  struct Stamp {
    std::filesystem::file_time_type changed{};
    std::uintmax_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp look() const;
  std::shared_ptr<const AccessEntries> read() const;

  const std::filesystem::path path_;
  std::mutex mutex_;
  std::shared_ptr<const AccessEntries> entries_;
  Stamp stamp_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace dray
