// The one error type of dray, and the exit codes that follow from it.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dray {

/// What went wrong, in terms a user acts on. Each code has a stable name (`code_name`) that scripts
/// may rely on, and maps to one exit status (`exit_status`).
enum class Code {
  internal,      // E_INTERNAL: a bug or an unforeseen answer
  usage,         // E_USAGE: command line, configuration, reference syntax
  partial,       // E_PARTIAL: some of several things failed
  not_found,     // E_NOT_FOUND: repository, revision, bucket, release
  auth,          // E_AUTH: credentials missing, wrong or expired
  gated,         // E_GATED: access must be asked for first
  policy,        // E_POLICY: refused by a rule that can be allowed by name
  verification,  // E_VERIFICATION: bytes are not what their publisher or manifest states
  malformed,     // E_MALFORMED: outside data that cannot be read as what it claims to be
  network,       // E_NETWORK: no connection, reset, timeout, stall, truncated
  server,        // E_SERVER: the other side failed (5xx)
  throttled,     // E_THROTTLED: the other side asks to slow down
  conflict,      // E_CONFLICT: something else is already there
  precondition,  // E_PRECONDITION: a condition on a write was false
  locked,        // E_LOCKED: another writer holds the release
  storage,       // E_STORAGE: quota, disk full, read-only, I/O error
  unsupported,   // E_UNSUPPORTED: known, and not possible here
  cancelled,     // E_CANCELLED: stopped by the user
};

/// Which party of a transfer an error comes from.
enum class Side { none, source, destination, registry, local };

/// How an operation may go on after the error (never derived from message texts).
enum class Retry {
  no,         // permanent: the same request will fail again
  yes,        // transient: the same request may succeed
  ambiguous,  // it may have been carried out: read back before anything else
};

/// Thrown for every failure. Absence is `std::optional`; bugs are assertions.
/// A value: cheap to copy, safe to carry across threads. Build it with the chained setters:
///   throw Error(Code::network, "connection reset").on("read",
///   "hf://a/b/x.bin").from(Side::source).transient();
class Error : public std::exception {
 public:
  Error(Code code, std::string message);

  Error&& on(std::string verb, std::string object) &&;
  Error&& from(Side side) &&;
  Error&& hint(std::string hint) &&;
  Error&& transient() &&;
  Error&& ambiguous() &&;
  /// HTTP status and the server's own code and request id, "" where there is none.
  Error&& http(int status, std::string server_code, std::string request_id) &&;
  /// How long the server asked to wait before the next try.
  Error&& retry_after(std::chrono::milliseconds wait) &&;
  Error&& because(const Error& cause) &&;

  Code code() const { return fields_->code; }
  const std::string& verb() const { return fields_->verb; }
  const std::string& object() const { return fields_->object; }
  const std::string& message() const { return fields_->message; }
  const std::string& hint() const { return fields_->hint; }
  Side side() const { return fields_->side; }
  Retry retry() const { return fields_->retry; }
  bool retryable() const { return fields_->retry != Retry::no; }
  int http_status() const { return fields_->http_status; }
  const std::string& server_code() const { return fields_->server_code; }
  const std::string& request_id() const { return fields_->request_id; }
  std::optional<std::chrono::milliseconds> retry_after() const { return fields_->retry_after; }
  const Error* cause() const { return fields_->cause.get(); }

  /// One line: "verb object: message (HTTP 503 SlowDown): cause".
  const char* what() const noexcept override;

 private:
  struct Fields {
    Code code;
    std::string message, verb, object, hint, server_code, request_id;
    Side side = Side::none;
    Retry retry = Retry::no;
    int http_status = 0;
    std::optional<std::chrono::milliseconds> retry_after;
    std::shared_ptr<const Error> cause;
    std::string text;
  };
  Fields& own();  // copy on write
  std::shared_ptr<const Fields> fields_;
};

/// "E_NOT_FOUND" for Code::not_found.
std::string_view code_name(Code code);
std::string_view side_name(Side side);

/// The process exit status for an error of this code (table in docs/reference/exit-codes.md).
int exit_status(Code code);

/// The exception now being handled as an Error; foreign exceptions become Code::internal.
/// Call inside a catch block only.
Error current_error();

}  // namespace dray
