#include "dray/s3/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"
#include "dray/s3/storage_config.h"

namespace dray::s3 {

namespace {

constexpr std::string_view kAmazon = ".amazonaws.com";
constexpr std::string_view kAmazonChina = ".amazonaws.com.cn";

bool truth(const std::optional<std::string>& text) {
  return text && (*text == "true" || *text == "True" || *text == "TRUE" || *text == "1");
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// What may become part of a host name.
bool is_region_label(std::string_view region) {
  return !region.empty() && region.size() <= 63 &&
         std::all_of(region.begin(), region.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

/// "eu-west-1", and not "accelerate" or "website-eu-west-1".
bool is_region_name(std::string_view text) {
  return is_region_label(text) && std::count(text.begin(), text.end(), '-') >= 2 &&
         text.back() >= '0' && text.back() <= '9' && !text.starts_with("website");
}

std::string domain(std::string_view region) {
  return std::string(region.starts_with("cn-") ? kAmazonChina : kAmazon);
}

/// "s3", "s3-fips", "s3.dualstack" … of Amazon's host names and the region they name ("" if none).
struct AmazonHost {
  std::string service, region;
};

std::optional<AmazonHost> amazon_host(std::string_view host) {
  if (host.ends_with(kAmazonChina))
    host.remove_suffix(kAmazonChina.size());
  else if (host.ends_with(kAmazon))
    host.remove_suffix(kAmazon.size());
  else
    return std::nullopt;
  for (const std::string_view service : {"s3.dualstack", "s3-fips.dualstack", "s3-fips", "s3"}) {
    if (host == service) return AmazonHost{std::string(service), ""};
    if (!host.starts_with(service)) continue;
    // "s3-eu-west-1" is an older form of "s3.eu-west-1".
    const std::string_view rest = host.substr(service.size());
    if ((rest[0] == '.' || rest[0] == '-') && is_region_name(rest.substr(1)))
      return AmazonHost{std::string(service), std::string(rest.substr(1))};
  }
  return std::nullopt;
}

http::Url amazon_url(const std::string& service, const std::string& region) {
  return http::parse_url("https://" + service + "." + region + domain(region));
}

/// An endpoint as people write it: the scheme may be missing, a path is kept as prefix.
http::Url parse_endpoint(const std::string& text, const std::string& origin) {
  http::Url url;
  try {
    const bool bare = text.find("://") == std::string::npos;
    url = http::parse_url(bare ? "https://" + text : text);
    // Without a word about it, plain HTTP only where nobody can listen.
    if (bare && http::is_loopback(url)) url = http::parse_url("http://" + text);
  } catch (const Error& e) {
    throw Error(Code::usage, origin + " is not the URL of an S3 service")
        .on("read", origin)
        .from(Side::local)
        .hint("write it as https://host[:port]")
        .because(e);
  }
  if (url.host.find(".s3.") != std::string::npos && url.host.ends_with(kAmazon) &&
      url.host.find(".vpce.") == std::string::npos)
    throw Error(Code::usage, origin + " names a bucket in its host")
        .on("read", origin)
        .from(Side::local)
        .hint(
            "give the service alone, as https://s3.REGION.amazonaws.com, and the bucket in the "
            "store's URI");
  url.query.clear();
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

struct Named {
  std::string value, origin;
};

std::optional<Named> profile_endpoint(const std::string& profile, const Profiles& profiles,
                                      const std::string& service) {
  if (const auto name = profiles.get(profile, "services")) {
    const auto section = profiles.services.find(*name);
    if (section != profiles.services.end()) {
      const auto value = section->second.find(service + ".endpoint_url");
      if (value != section->second.end() && !value->second.empty())
        return Named{value->second, "endpoint_url of services " + *name};
    }
  }
  if (const auto value = profiles.get(profile, "endpoint_url"))
    return Named{*value, "endpoint_url of profile " + profile};
  return std::nullopt;
}

bool endpoints_ignored(const std::string& profile, const Environment& env,
                       const Profiles& profiles) {
  return truth(env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ||
         truth(profiles.get(profile, "ignore_configured_endpoint_urls"));
}

std::optional<Named> find_endpoint(const Settings& settings, const std::string& profile,
                                   const Environment& env, const Profiles& profiles,
                                   const std::optional<Settings>& storage) {
  if (!settings.endpoint.empty()) return Named{settings.endpoint, "the endpoint of the store"};
  if (endpoints_ignored(profile, env, profiles)) return std::nullopt;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT"})
    if (const auto value = env(name)) return Named{*value, name};
  if (storage && !storage->endpoint.empty()) return Named{storage->endpoint, "STORAGE_CONFIG"};
  return profile_endpoint(profile, profiles, "s3");
}

std::string find_region(const Settings& settings, const std::string& profile,
                        const Environment& env, const Profiles& profiles,
                        const std::optional<Settings>& storage) {
  if (!settings.region.empty()) return settings.region;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (const auto value = env(name)) return *value;
  if (storage && !storage->region.empty()) return storage->region;
  return profiles.get(profile, "region").value_or("");
}

void check_region(const std::string& region) {
  const bool good =
      !region.empty() && region.size() <= 63 &&
      std::all_of(region.begin(), region.end(), [](char c) {
        return is_letter_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
      });
  if (!good)
    throw Error(Code::usage, "a region is made of letters, digits, '-', '_' and '.'")
        .on("read", "region")
        .from(Side::local);
}

http::Url default_endpoint(const std::string& region, const Environment& env) {
  std::string service = truth(env("AWS_USE_FIPS_ENDPOINT")) ? "s3-fips" : "s3";
  if (truth(env("AWS_USE_DUALSTACK_ENDPOINT"))) service += ".dualstack";
  http::Url url = amazon_url(service, region);
  url.path.clear();
  return url;
}

Addressing find_addressing(const Settings& settings, const std::string& profile,
                           const Environment& env, const Profiles& profiles) {
  if (!settings.addressing.empty()) return parse_addressing(settings.addressing);
  if (truth(env("S3_USER_VIRTUAL_BUCKET"))) return Addressing::virtual_host;
  if (const auto style = profiles.get(profile, "s3.addressing_style"))
    return parse_addressing(*style);
  return Addressing::automatic;
}

std::string find_ca_file(const Settings& settings, const std::string& profile,
                         const Environment& env, const Profiles& profiles,
                         const std::optional<Settings>& storage) {
  if (!settings.ca_file.empty()) return settings.ca_file;
  if (const auto value = env("AWS_CA_BUNDLE")) return *value;
  if (storage && !storage->ca_file.empty()) return storage->ca_file;
  return profiles.get(profile, "ca_bundle").value_or("");
}

}  // namespace

Addressing parse_addressing(std::string_view text) {
  if (text == "auto") return Addressing::automatic;
  if (text == "path") return Addressing::path;
  if (text == "virtual") return Addressing::virtual_host;
  throw Error(Code::usage, "the addressing style is auto, path or virtual")
      .on("read", "addressing style")
      .from(Side::local);
}

Endpoint resolve_endpoint(const Settings& settings, const Environment& env) {
  return resolve_endpoint(settings, env, load_profiles(env));
}

Endpoint resolve_endpoint(const Settings& settings, const Environment& env,
                          const Profiles& profiles) {
  const std::string profile = profile_name(settings.profile, env);
  const auto storage = storage_config_of(env);
  Endpoint out;
  std::string region = find_region(settings, profile, env, profiles, storage);
  if (!region.empty()) check_region(region);
  if (const auto named = find_endpoint(settings, profile, env, profiles, storage)) {
    out.url = parse_endpoint(named->value, named->origin);
    const auto amazon = amazon_host(out.url.host);
    out.aws = amazon.has_value() && out.url.scheme == "https" && out.url.has_default_port();
    if (region.empty() && amazon) region = amazon->region;
    if (region.empty()) region = "us-east-1";
  } else {
    if (region.empty()) region = "us-east-1";
    out.url = default_endpoint(region, env);
    out.aws = out.aws_default = true;
  }
  out.region = region;
  out.addressing = find_addressing(settings, profile, env, profiles);
  out.ca_file = find_ca_file(settings, profile, env, profiles, storage);
  out.verify_tls =
      settings.verify_tls.value_or(storage && storage->verify_tls ? *storage->verify_tls : true);
  out.anonymous = settings.anonymous ||
                  (settings.access_key_id.empty() &&
                   (truth(env("awsAnonymousCredential")) || (storage && storage->anonymous)));
  return out;
}

std::optional<std::string> default_bucket(const Settings& settings, const Environment& env) {
  if (!settings.bucket.empty()) return settings.bucket;
  if (const auto name = env("AWS_S3_BUCKET")) return name;
  const auto storage = storage_config_of(env);
  if (storage && !storage->bucket.empty()) return storage->bucket;
  return std::nullopt;
}

bool virtual_host(const Endpoint& endpoint, std::string_view bucket) {
  if (endpoint.addressing == Addressing::path) return false;
  // The host name could not be formed, or the wildcard certificate would not cover it.
  const bool plain = bucket.size() <= 63 && std::all_of(bucket.begin(), bucket.end(), [](char c) {
                       return is_letter_or_digit(c) || c == '-';
                     });
  if (endpoint.addressing == Addressing::virtual_host)
    return plain || (endpoint.url.scheme == "http" && bucket.find('_') == std::string_view::npos);
  return endpoint.aws && plain;
}

http::Url object_url(const Endpoint& endpoint, std::string_view bucket, std::string_view key,
                     const Query& query) {
  http::Url url = endpoint.url;
  if (virtual_host(endpoint, bucket))
    url.host = std::string(bucket) + "." + url.host;
  else
    url.path += "/" + encode_path(bucket);
  if (!key.empty() || url.path.empty()) url.path += "/" + encode_path(key);
  url.query = canonical_query(query);
  return url;
}

http::Url service_url(const Endpoint& endpoint) {
  http::Url url = endpoint.url;
  url.path += "/";
  return url;
}

Endpoint in_region(Endpoint endpoint, std::string region) {
  if (endpoint.aws) {
    const auto host = amazon_host(endpoint.url.host);
    if (!host || !is_region_label(region)) return endpoint;
    endpoint.url.host = amazon_url(host->service, region).host;
  }
  endpoint.region = std::move(region);
  return endpoint;
}

http::Url sts_endpoint(const std::string& profile, const std::string& region,
                       const Environment& env, const Profiles& profiles) {
  std::optional<Named> named;
  if (!endpoints_ignored(profile, env, profiles)) {
    for (const char* name : {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"})
      if (const auto value = env(name); value && !named) named = Named{*value, name};
    if (!named) named = profile_endpoint(profile, profiles, "sts");
  }
  if (named) {
    http::Url url = parse_endpoint(named->value, named->origin);
    if (!amazon_host(url.host)) {
      if (url.path.empty()) url.path = "/";
      return url;
    }
  }
  check_region(region);
  return http::parse_url("https://sts." + region + domain(region) + "/");
}

http::Url sso_endpoint(const std::string& profile, const std::string& region,
                       const Environment& env, const Profiles& profiles) {
  std::optional<Named> named;
  if (!endpoints_ignored(profile, env, profiles)) {
    if (const auto value = env("AWS_ENDPOINT_URL_SSO"))
      named = Named{*value, "AWS_ENDPOINT_URL_SSO"};
    if (!named) named = profile_endpoint(profile, profiles, "sso");
  }
  if (named) return parse_endpoint(named->value, named->origin);
  check_region(region);
  return http::parse_url("https://portal.sso." + region + domain(region));
}

void check_bucket_name(std::string_view bucket) {
  const auto inner = [](char c) {
    return is_letter_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
  };
  const auto outer = [&](char c) { return inner(c) && c != '-' && c != '.' && c != '_'; };
  const bool good = bucket.size() >= 3 && bucket.size() <= 63 && outer(bucket.front()) &&
                    outer(bucket.back()) && std::all_of(bucket.begin(), bucket.end(), inner) &&
                    bucket.find("..") == std::string_view::npos;
  if (!good)
    throw Error(Code::usage, fmt::format("\"{}\" cannot be the name of a bucket", bucket))
        .on("read", "bucket")
        .from(Side::local)
        .hint("bucket names have 3 to 63 characters: lower-case letters, digits, '-' and '.'");
}

}  // namespace dray::s3
