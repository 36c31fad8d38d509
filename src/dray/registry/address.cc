#include "dray/registry/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "dray/base/error.h"

namespace dray {

namespace {

struct KnownService {
  int port;
  std::string_view scheme;  // as some write it instead of http; "" = none
  std::string_view name;
};

constexpr KnownService kDatabases[] = {
    {3306, "mysql", "MySQL"},           {33060, "mysqlx", "MySQL"},
    {3306, "mariadb", "MariaDB"},       {5432, "postgres", "PostgreSQL"},
    {5432, "postgresql", "PostgreSQL"}, {1433, "sqlserver", "SQL Server"},
    {6379, "redis", "Redis"},           {27017, "mongodb", "MongoDB"},
};

Error wrong_address(const std::string& address, std::string message) {
  return Error(Code::usage, std::move(message)).on("use registry", address).from(Side::registry);
}

std::string_view host_of(std::string_view rest) {
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  return rest.substr(0, rest.find(':'));
}

}  // namespace

std::string rest_url_example(std::string_view host) {
  std::vector<std::string_view> labels;
  for (std::size_t at = 0; at <= host.size();) {
    const std::size_t end = std::min(host.find('.', at), host.size());
    labels.push_back(host.substr(at, end - at));
    at = end + 1;
  }
  // SERVICE.NAMESPACE.svc[.cluster.local]
  if (labels.size() >= 3 && labels[2] == "svc") {
    if (labels[1] == "kubeflow")
      return "http://model-registry-service.kubeflow.svc.cluster.local:8080";
    return fmt::format("https://REGISTRY.{}.svc.cluster.local:8443", labels[1]);
  }
  return fmt::format("http://{}:8080", host);
}

http::Url registry_url(const std::string& address) {
  const auto colon = address.find("://");
  const std::string scheme = colon == std::string::npos ? "" : address.substr(0, colon);
  const auto database = [&](const KnownService& service, std::string_view host,
                            const std::string& shown) {
    return wrong_address(shown, fmt::format("this is the address of a {} database, not of the "
                                            "registry's REST service",
                                            service.name))
        .hint(fmt::format("give the REST service's URL, such as {}; the path may be left off",
                          rest_url_example(host)));
  };
  for (const KnownService& service : kDatabases) {
    // The address may hold a password: show the scheme and host only.
    if (scheme == service.scheme) {
      const std::string_view host = host_of(std::string_view(address).substr(colon + 3));
      throw database(service, host, fmt::format("{}://{}", scheme, host));
    }
  }
  if (scheme != "http" && scheme != "https")
    throw wrong_address(scheme.empty() ? address : scheme + "://...",
                        "an address is sqlite:PATH, or begins with https:// or http://")
        .hint("for example sqlite:registry.db, or https://registry.example.com");

  http::Url url;
  try {
    url = http::parse_url(address);
  } catch (const Error& e) {
    throw wrong_address(scheme + "://...", e.message()).hint(e.hint());
  }
  for (const KnownService& service : kDatabases)
    if (url.port == service.port) throw database(service, url.host, url.origin());
  if (!url.query.empty()) throw wrong_address(url.shown(), "the URL of a registry has no query");
  return url;
}

}  // namespace dray
