#include "dray/base/error.h"

#include <fmt/format.h>

#include <new>
#include <system_error>
#include <utility>

namespace dray {

namespace {

struct CodeRow {
  Code code;
  std::string_view name;
  int exit;
};

constexpr CodeRow kCodes[] = {
    {Code::internal, "E_INTERNAL", 1},
    {Code::usage, "E_USAGE", 2},
    {Code::partial, "E_PARTIAL", 3},
    {Code::not_found, "E_NOT_FOUND", 4},
    {Code::auth, "E_AUTH", 5},
    {Code::gated, "E_GATED", 5},
    {Code::policy, "E_POLICY", 6},
    {Code::verification, "E_VERIFICATION", 7},
    {Code::malformed, "E_MALFORMED", 1},
    {Code::network, "E_NETWORK", 8},
    {Code::server, "E_SERVER", 8},
    {Code::throttled, "E_THROTTLED", 8},
    {Code::conflict, "E_CONFLICT", 10},
    {Code::precondition, "E_PRECONDITION", 10},
    {Code::locked, "E_LOCKED", 75},
    {Code::storage, "E_STORAGE", 1},
    {Code::unsupported, "E_UNSUPPORTED", 1},
    {Code::cancelled, "E_CANCELLED", 130},
};

const CodeRow& row(Code code) {
  for (const auto& r : kCodes)
    if (r.code == code) return r;
  return kCodes[0];
}

}  // namespace

Error::Error(Code code, std::string message) {
  auto f = std::make_shared<Fields>();
  f->code = code;
  f->message = std::move(message);
  f->text = f->message;
  fields_ = std::move(f);
}

Error::Fields& Error::own() {
  auto copy = std::make_shared<Fields>(*fields_);
  auto& ref = *copy;
  fields_ = std::move(copy);
  return ref;
}

namespace {

std::string compose(std::string_view verb, std::string_view object, std::string_view message,
                    int status, std::string_view server_code, const Error* cause) {
  std::string out;
  if (!verb.empty()) out += fmt::format("{} {}: ", verb, object);
  out += message;
  if (status != 0)
    out += fmt::format(" (HTTP {}{}{})", status, server_code.empty() ? "" : " ", server_code);
  if (cause != nullptr) out += fmt::format(": {}", cause->what());
  return out;
}

}  // namespace

#define DRAY_ERROR_SET(...)                                                                   \
  auto& f = own();                                                                            \
  __VA_ARGS__;                                                                                \
  f.text = compose(f.verb, f.object, f.message, f.http_status, f.server_code, f.cause.get()); \
  return std::move(*this)

Error&& Error::on(std::string verb, std::string object) && {
  DRAY_ERROR_SET(f.verb = std::move(verb), f.object = std::move(object));
}
Error&& Error::from(Side side) && { DRAY_ERROR_SET(f.side = side); }
Error&& Error::hint(std::string hint) && { DRAY_ERROR_SET(f.hint = std::move(hint)); }
Error&& Error::transient() && { DRAY_ERROR_SET(f.retry = Retry::yes); }
Error&& Error::ambiguous() && { DRAY_ERROR_SET(f.retry = Retry::ambiguous); }
Error&& Error::http(int status, std::string server_code, std::string request_id) && {
  DRAY_ERROR_SET(f.http_status = status, f.server_code = std::move(server_code),
                 f.request_id = std::move(request_id));
}
Error&& Error::retry_after(std::chrono::milliseconds wait) && {
  DRAY_ERROR_SET(f.retry_after = wait);
}
Error&& Error::because(const Error& cause) && {
  DRAY_ERROR_SET(f.cause = std::make_shared<const Error>(cause));
}

#undef DRAY_ERROR_SET

const char* Error::what() const noexcept { return fields_->text.c_str(); }

std::string_view code_name(Code code) { return row(code).name; }

int exit_status(Code code) { return row(code).exit; }

std::string_view side_name(Side side) {
  switch (side) {
    case Side::source:
      return "source";
    case Side::destination:
      return "destination";
    case Side::registry:
      return "registry";
    case Side::local:
      return "local";
    case Side::none:
      break;
  }
  return "";
}

Error current_error() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error(Code::storage, "out of memory").from(Side::local);
  } catch (const std::system_error& e) {
    return Error(Code::storage, e.what()).from(Side::local);
  } catch (const std::exception& e) {
    return Error(Code::internal, e.what());
  }
}

}  // namespace dray
