#include "dray/serve/access_log.h"

#include <fmt/format.h>

#include "dray/base/json.h"
#include "dray/base/time.h"

namespace dray {

namespace {

/// Without what could end a line or a quotation, or reach a terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 2000)) {
    if (c > ' ' && c < 0x7F && c != '"' && c != '\\')
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out.empty() ? "-" : out;
}

}  // namespace

std::string access_line(const http::ServerRequest& request, const http::Answered& answered,
                        bool json) {
  const auto time = rfc3339(unix_now());
  const auto method = printable(request.head_only ? "HEAD" : request.method);
  const auto target =
      printable(request.query.empty() ? request.path : request.path + "?" + request.query);
  const auto user = printable(answered.user);
  const double ms = static_cast<double>(answered.took.count()) / 1000;
  if (json)
    return dump_json({{"type", "access"},
                      {"time", time},
                      {"client", request.client},
                      {"user", user},
                      {"method", method},
                      {"target", target},
                      {"status", answered.status},
                      {"bytes", answered.bytes},
                      {"ms", ms},
                      {"whole", answered.whole}});
  return fmt::format("{} {} {} \"{} {}\" {} {} {:.2f}ms{}", time, printable(request.client), user,
                     method, target, answered.status, answered.bytes, ms,
                     answered.whole ? "" : " broken off");
}

}  // namespace dray
