#include "dray/cli/doctor_checks.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/http/client.h"
#include "dray/http/headers.h"
#include "dray/http/retry.h"
#include "dray/hub/environment.h"
#include "dray/hub/identity.h"
#include "dray/hub/token.h"
#include "dray/store/oci_store.h"

namespace dray::cli {

Check failed_check(std::string name, const Error& error) {
  const Error* hinted = &error;
  while (hinted->hint().empty() && hinted->cause() != nullptr) hinted = hinted->cause();
  return {std::move(name), Check::State::fail, error.what(), hinted->hint(), error.code()};
}

Check guarded(const std::string& name, const std::function<Check()>& body) {
  try {
    return body();
  } catch (...) {
    const Error error = current_error();
    if (error.code() == Code::cancelled) throw error;
    return failed_check(name, error);
  }
}

Check clock_check(std::chrono::seconds ours_minus_theirs, const std::string& server) {
  const auto off = std::chrono::abs(ours_minus_theirs);
  if (off <= std::chrono::minutes(1))
    return {"clock", Check::State::ok, "agrees with " + server, "", {}};
  const bool refused = off >= std::chrono::minutes(15);
  return {"clock", refused ? Check::State::fail : Check::State::warn,
          fmt::format("{} {} that of {}", human_duration(off),
                      ours_minus_theirs.count() > 0 ? "ahead of" : "behind", server),
          "set the clock (NTP): S3 refuses requests that are 15 minutes off",
          refused ? std::optional(Code::auth) : std::nullopt};
}

Check proxy_check(const Environment& environment) {
  std::string proxy, from;
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const auto value = environment(name);
    if (!value) continue;
    proxy = *value;
    from = name;
    break;
  }
  if (proxy.empty()) return {"proxy", Check::State::ok, "none", "", {}};
  if (proxy.find("://") == std::string::npos) proxy.insert(0, "http://");
  proxy = without_password(proxy);
  std::string past;
  for (const char* name : {"no_proxy", "NO_PROXY"})
    if (past.empty()) past = environment(name).value_or("");
  return {"proxy",
          Check::State::ok,
          fmt::format("{} ({}); past it: {}", proxy, from, past.empty() ? "nothing" : past),
          "",
          {}};
}

Check memory_check(std::optional<std::uint64_t> limit, std::uint64_t wanted) {
  if (!limit) return {"memory", Check::State::ok, "limit not known", "", {}};
  if (*limit >= wanted + 32 * kMiB)
    return {"memory",
            Check::State::ok,
            fmt::format("{} for the process, {} wanted", human_size(*limit), human_size(wanted)),
            "",
            {}};
  return {"memory",
          Check::State::warn,
          fmt::format("only {} for the process, {} wanted", human_size(*limit), human_size(wanted)),
          "lower --memory or raise the container's limit, or the process may be killed",
          {}};
}

std::optional<std::uint64_t> memory_limit() {
  std::optional<std::uint64_t> limit;
  const auto lower = [&](std::optional<std::uint64_t> bytes) {
    if (bytes && (!limit || *bytes < *limit)) limit = bytes;
  };
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    auto text = read_file(file, 4096);
    if (!text) continue;
    while (text->ends_with('\n')) text->pop_back();
    lower(parse_u64(*text));  // "max" is no number
  }
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0)
    lower(static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page));
  return limit;
}

namespace {

http::ClientOptions quick() {
  http::ClientOptions options;
  options.stall_timeout = std::chrono::milliseconds(10'000);
  return options;
}

http::Request hub_request(const std::string& url) {
  http::Request request;
  request.url = http::parse_url(url);
  request.side = Side::source;
  request.verb = "reach";
  request.object = request.url.shown();
  request.deadline = std::chrono::milliseconds(20'000);
  return request;
}

/// Who the token belongs to; mirrors have no such endpoint.
Check token_check(http::Client& client, const std::string& endpoint, const hub::Token& token,
                  const std::stop_token& stop) {
  if (token.value.empty())
    return {"token",
            Check::State::warn,
            "none: only public models can be read",
            token.advice.empty()
                ? "set HF_TOKEN, run `hf auth login`, or name a file with --token-file"
                : token.advice,
            {}};
  http::Request request = hub_request(endpoint + "/api/whoami-v2");
  request.headers.add("Authorization", "Bearer " + token.value.reveal());
  const http::Response response = client.send(request, stop);
  if (response.status == 401 || response.status == 403)
    return {
        "token", Check::State::fail,
        fmt::format("the Hub refuses the one from {} (HTTP {})", token.place, response.status),
        token.advice.empty() ? "make a new one at " + endpoint + "/settings/tokens" : token.advice,
        Code::auth};
  if (response.status != 200)
    return {"token",
            Check::State::warn,
            fmt::format("from {}; {} does not tell whether it is valid (HTTP {})", token.place,
                        endpoint, response.status),
            "name a model to check access to it: dray doctor ORG/MODEL",
            {}};
  const Json body = parse_json(response.body, "answer of " + request.object);
  return {"token",
          Check::State::ok,
          fmt::format("of {}, from {}",
                      body.is_object() ? find_string(body, "name", "user").value_or("?") : "?",
                      token.place),
          "",
          {}};
}

}  // namespace

std::vector<Check> hub_checks(Context& context) {
  const Args& args = context.args();
  std::vector<Check> checks;
  if (hub::offline()) {
    checks.push_back({"hub",
                      Check::State::warn,
                      "not asked: HF_HUB_OFFLINE is set",
                      "unset it to import from the Hub",
                      {}});
    return checks;
  }
  std::string endpoint = args.text("endpoint");
  if (endpoint.empty()) endpoint = hub::endpoint();
  while (endpoint.ends_with('/')) endpoint.pop_back();
  http::Client client(quick());
  checks.push_back(guarded("hub", [&]() -> Check {
    const http::Request request = hub_request(endpoint + "/api/models?limit=1");
    const http::Response response = client.send(request, context.stop());
    if (const auto date = response.headers.get("Date")) {
      if (const auto theirs = parse_http_date(*date))
        checks.push_back(clock_check(std::chrono::seconds(unix_now() - *theirs), request.url.host));
    }
    if (response.status >= 500) throw http::status_error(request, response);
    return {"hub",
            Check::State::ok,
            fmt::format("{} answers (HTTP {})", endpoint, response.status),
            "",
            {}};
  }));
  if (checks.back().state == Check::State::fail) {
    if (checks.back().fix.empty())
      checks.back().fix = "check network, proxy (https_proxy) and HF_ENDPOINT";
    return checks;
  }
  checks.push_back(guarded("token", [&] {
    const hub::Token token = hub::find_token({.file = args.text("token-file")}, [&] {
      return hub::exchange_identity(client, endpoint, http::RetryPolicy{.tries = 2},
                                    context.stop());
    });
    return token_check(client, endpoint, token, context.stop());
  }));
  return checks;
}

std::vector<Check> store_checks(Context& context) {
  std::vector<Check> checks;
  std::string local;
  std::unique_ptr<Store> store;
  checks.push_back(guarded("store", [&]() -> Check {
    store = context.open_store();
    store->preflight(context.stop());
    const std::string& uri = store->properties().uri;
    if (store->properties().local_disk && uri.starts_with("dir:")) local = uri.substr(4);
    return {"store", Check::State::ok, uri + " can be written", "", {}};
  }));
  auto* images = dynamic_cast<OciStore*>(store.get());
  if (images != nullptr && checks.back().state == Check::State::ok)
    for (Check& check : image_checks(images->client(), context.stop()))
      checks.push_back(std::move(check));
  struct statvfs space{};
  if (!local.empty() && statvfs(local.c_str(), &space) == 0) {
    const std::uint64_t available = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
    const bool little = available < 10 * kGiB;
    checks.push_back({"disk",
                      little ? Check::State::warn : Check::State::ok,
                      human_size(available) + " are free for the store",
                      little ? "models take gigabytes: make room, or use a store in S3" : "",
                      {}});
  }
  return checks;
}

std::vector<Check> registry_checks(Context& context) {
  return {guarded("registry", [&]() -> Check {
    const auto registry = context.open_registry();
    if (registry == nullptr) return {"registry", Check::State::ok, "none is used", "", {}};
    registry->check(context.stop());
    return {"registry", Check::State::ok, registry->name() + " answers", "", {}};
  })};
}

Check source_check(Context& context, const std::string& text) {
  return guarded("source", [&]() -> Check {
    const auto source = context.open_source(text);
    const Snapshot snapshot = source->snapshot(context.stop());
    return {
        "source",
        Check::State::ok,
        fmt::format("{} can be read: {}, {}", source->name(),
                    count_of(snapshot.files.size(), "file"), human_size(snapshot.total_bytes())),
        "",
        {}};
  });
}

}  // namespace dray::cli
