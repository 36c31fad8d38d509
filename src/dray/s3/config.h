// Where a bucket is reached: endpoint, region, addressing style, CA file; and how URLs are made
// from that.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dray/base/secret.h"
#include "dray/http/url.h"
#include "dray/s3/profile.h"
#include "dray/s3/sigv4.h"

namespace dray::s3 {

enum class Addressing { automatic, path, virtual_host };
/// "auto", "path", "virtual"; else Code::usage.
Addressing parse_addressing(std::string_view text);

/// What a named store or a flag states; "" and nullopt mean: as the environment and the profile
/// say.
struct Settings {
  std::string endpoint;  // scheme may be missing
  std::string region;
  std::string profile;  // choosing one by name disables keys from the environment
  std::string ca_file;
  std::string addressing;  // "", "auto", "path", "virtual"
  std::string bucket;      // default bucket that the connection names
  std::optional<bool> verify_tls;
  bool anonymous = false;     // requests without a signature
  std::string access_key_id;  // with the secret: only these credentials are used
  Secret secret_access_key;
  Secret session_token;
};

/// A resolved place. `url` has no query; its path is a prefix for all requests, without trailing
/// '/' ("" mostly).
struct Endpoint {
  http::Url url;
  bool aws = false;          // Amazon's own S3: virtual hosts, region in the host name
  bool aws_default = false;  // … and not named by the user
  std::string region = "us-east-1";
  Addressing addressing = Addressing::automatic;
  std::string ca_file;  // "" = what http::ClientOptions says
  bool verify_tls = true;
  bool anonymous = false;
};

/// Endpoint: settings, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_S3_ENDPOINT (OpenShift AI),
/// STORAGE_CONFIG (KServe), the profile's `services` section and `endpoint_url`, else AWS for the
/// region; all but the settings are off under AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true. Without a
/// scheme: https, but http for loopback. Region: settings, AWS_REGION, AWS_DEFAULT_REGION,
/// STORAGE_CONFIG, profile, the endpoint's host name, us-east-1. CA file: settings, AWS_CA_BUNDLE,
/// STORAGE_CONFIG, profile. Addressing: settings, S3_USER_VIRTUAL_BUCKET (KServe), profile.
/// Malformed values are Code::usage naming their origin.
Endpoint resolve_endpoint(const Settings& settings, const Environment& env);
/// The same with profiles already read.
Endpoint resolve_endpoint(const Settings& settings, const Environment& env,
                          const Profiles& profiles);
/// The bucket a connection names: settings, AWS_S3_BUCKET (OpenShift AI), STORAGE_CONFIG.
std::optional<std::string> default_bucket(const Settings& settings, const Environment& env);

/// Whether requests for `bucket` go to "bucket.host": on AWS for DNS-safe names without dots,
/// elsewhere only if asked.
bool virtual_host(const Endpoint& endpoint, std::string_view bucket);
/// The URL of a bucket (`key` empty) or an object; path and query encoded as they are signed.
http::Url object_url(const Endpoint& endpoint, std::string_view bucket, std::string_view key,
                     const Query& query);
/// The URL of the service itself.
http::Url service_url(const Endpoint& endpoint);
/// The same endpoint for another region; the host changes only on AWS.
Endpoint in_region(Endpoint endpoint, std::string region);
/// STS: AWS_ENDPOINT_URL_STS, the profile's services, AWS_ENDPOINT_URL unless it is Amazon's S3,
/// else regional AWS.
http::Url sts_endpoint(const std::string& profile, const std::string& region,
                       const Environment& env, const Profiles& profiles);

/// Where role credentials are had for a sign-on token: AWS_ENDPOINT_URL_SSO, the profile's
/// services, else AWS in that region.
http::Url sso_endpoint(const std::string& profile, const std::string& region,
                       const Environment& env, const Profiles& profiles);

/// Throws Code::usage unless the name may be a bucket: 3–63 of [A-Za-z0-9._-] (old and foreign
/// buckets have upper case and '_'), beginning and ending with a letter or digit.
void check_bucket_name(std::string_view bucket);

}  // namespace dray::s3
