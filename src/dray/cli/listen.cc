#include "dray/cli/listen.h"

#include <fmt/format.h>

#include "dray/base/bytes.h"
#include "dray/base/error.h"

namespace dray::cli {

http::ServerOptions parse_listen(const std::string& text) {
  http::ServerOptions options;
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535 || colon == 0)
    throw Error(Code::usage, fmt::format("--listen: '{}' is not HOST:PORT", text))
        .hint("like 127.0.0.1:8080; port 0 takes a free one");
  options.host = text.substr(0, colon);
  if (options.host.starts_with('[') && options.host.ends_with(']'))
    options.host = options.host.substr(1, options.host.size() - 2);
  options.port = static_cast<int>(*port);
  return options;
}

}  // namespace dray::cli
