#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/listen.h"
#include "dray/http/url.h"
#include "dray/registry/records.h"
#include "dray/serve/access.h"
#include "dray/serve/access_log.h"
#include "dray/serve/registry_api.h"

namespace dray::cli {

namespace {

// What a whole model card with its logo takes, and not much more.
constexpr std::uint64_t kMostBody = 4 << 20;
// So that the process ends within two seconds of the signal.
constexpr std::chrono::milliseconds kDrain{1'500};

std::filesystem::path registry_file(const Context& context) {
  const std::string text = context.registry_text();
  constexpr std::string_view scheme = "sqlite:";
  if (!text.starts_with(scheme))
    throw Error(Code::usage, fmt::format("'{}' cannot be served", text))
        .hint("--registry sqlite:PATH names the registry's file");
  return expand_home(std::string_view(text).substr(scheme.size()));
}

std::string read_pem(const Args& args, const char* option) {
  const std::string path = args.text(option);
  if (path.empty()) return "";
  auto text = read_file(expand_home(path), 1 << 20);
  if (!text)
    throw Error(Code::not_found, "there is no such file").on("read", path).from(Side::local);
  return *std::move(text);
}

http::ServerOptions server_options(const Args& args) {
  auto options = parse_listen(args.text("listen"));
  options.certificate = read_pem(args, "tls-cert");
  options.key = Secret(read_pem(args, "tls-key"));
  if (options.certificate.empty() != options.key.empty())
    throw Error(Code::usage, "TLS needs both --tls-cert and --tls-key");
  options.max_body = kMostBody;
  options.max_connections = static_cast<int>(args.number("max-connections").value());
  options.drain_timeout = kDrain;
  options.refusal = &RegistryApi::refusal;
  return options;
}

AccessOptions access_options(const Args& args, const std::string& host) {
  AccessOptions options;
  const http::Url url{.scheme = "http", .host = host == "::1" ? "[::1]" : host};
  options.loopback = http::is_loopback(url);
  options.file = args.text("access").empty() ? "" : expand_home(args.text("access")).string();
  options.user_header = args.text("user-header");
  for (const auto& text : args.list("trusted-proxy")) options.trusted.emplace_back(text);
  if (options.user_header.empty() != options.trusted.empty())
    throw Error(Code::usage, "--user-header and --trusted-proxy go together");
  if (!options.user_header.empty() && options.file.empty())
    throw Error(Code::usage, "--user-header needs --access, which says what each user may do");
  const std::string anonymous = args.text("anonymous");
  if (anonymous.empty()) {
    // On loopback, who can connect is on this machine.
    if (options.loopback && options.file.empty()) options.anonymous = Role::promoter;
  } else if (anonymous != "none") {
    options.anonymous = parse_role(anonymous);
  }
  if (options.file.empty() && !options.anonymous)
    throw Error(Code::usage, "nobody would be let in")
        .hint("--access FILE says who may do what; --anonymous reader lets everybody read");
  return options;
}

void write_access_line(const http::ServerRequest& request, const http::Answered& answered,
                       bool json) {
  // One write: lines of several threads do not mix.
  const std::string line = access_line(request, answered, json) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int run(Context& context) {
  const Args& args = context.args();
  auto options = server_options(args);
  const Access access(access_options(args, options.host));
  const auto path = registry_file(context);
  Records records(path);
  const RegistryApi api(records, access);
  Output& out = context.out();
  if (args.flag("access-log"))
    options.on_answered = [json = out.is_json()](const auto& request, const auto& answered) {
      write_access_line(request, answered, json);
    };
  {
    const http::Server server(std::move(options), [&](const http::ServerRequest& request) {
      return api.handle(request);
    });
    out.json({{"url", server.url()}, {"registry", "sqlite:" + path.string()}});
    out.flush();
    info("listening at {} for sqlite:{}", server.url(), path.string());
    while (wait_for(context.stop(), std::chrono::hours(1))) {
    }
  }
  info("stopped");
  return 0;
}

}  // namespace

Command serve_command() {
  return {
      .name = "serve",
      .group = "Serve",
      .summary = "serve the embedded registry to clients of Kubeflow's Model Registry",
      .details =
          "The REST API of Kubeflow Model Registry, v1alpha3 and v1, on one port: its Python "
          "client, "
          "dray itself and others take it for the real one.\n\n"
          "On loopback everybody on the machine may do everything. Elsewhere --access must say who "
          "may do what: a file with a line for each token, `token SHA256 NAME ROLE…`, or, for "
          "names "
          "that a proxy states, `user NAME ROLE…`. Roles are reader, writer and promoter, the last "
          "two also for some names only: `writer:llama-*`. The file is read again when it "
          "changes.\n\n"
          "SIGTERM and SIGINT let running requests end, and then end the server, within two "
          "seconds.",
      .options = {{.name = "listen",
                   .value = "HOST:PORT",
                   .help = "where to listen; port 0 takes a free one",
                   .standard = "127.0.0.1:8080"},
                  {.name = "registry",
                   .value = "sqlite:PATH",
                   .help = "the registry's file, made if absent; by default dray/registry.db below "
                           "$XDG_DATA_HOME"},
                  {.name = "tls-cert",
                   .value = "FILE",
                   .help = "serve over TLS with this certificate and those that lead to its "
                           "authority (PEM)"},
                  {.name = "tls-key", .value = "FILE", .help = "the certificate's key (PEM)"},
                  {.name = "access", .value = "FILE", .help = "who may do what"},
                  {.name = "user-header",
                   .value = "NAME",
                   .help = "header in which a trusted proxy states the user"},
                  {.name = "trusted-proxy",
                   .value = "NETWORK",
                   .help = "addresses of such proxies, like 10.0.0.0/8",
                   .many = true},
                  {.name = "anonymous",
                   .value = "ROLE",
                   .help = "what requests without token or user may do; by default everything on "
                           "loopback without --access, else nothing",
                   .choices = {"none", "reader", "writer", "promoter"}},
                  {.name = "max-connections",
                   .value = "N",
                   .help = "most connections at once; beyond, the one idle for longest is closed",
                   .standard = "512",
                   .kind = Kind::number},
                  {.name = "access-log",
                   .value = "",
                   .help = "a line for each request, on stderr"}},
      .examples =
          {{"dray serve", "the default registry, for this machine"},
           {"dray serve --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --access "
            "access.txt",
            "for a network, with tokens"},
           {"dray serve --registry sqlite:team.db --access-log",
            "another file, and a line for each request"}},
      .run = run};
}

}  // namespace dray::cli
