#include "dray/store/open_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "dray/base/file.h"
#include "dray/base/path.h"
#include "dray/http/url.h"
#include "dray/store/dir_store.h"
#include "dray/store/oci_store.h"
#include "dray/store/s3_store.h"

namespace dray {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kForms =
    "a store is s3://BUCKET[/PREFIX], oci://HOST/REPOSITORY, dir:PATH or a name from the "
    "configuration";

[[noreturn]] void refuse(std::string_view text, std::string message, std::string hint) {
  throw Error(Code::usage, std::move(message))
      .on("open store", std::string(text))
      .hint(std::move(hint));
}

std::unique_ptr<Store> open_dir(std::string_view text, std::string_view path) {
  if (path.starts_with("///")) {
    path.remove_prefix(2);  // as in file:///path
  } else if (path.starts_with("//")) {
    refuse(text, "a folder has no host", "write dir:/path or dir:path");
  }
  if (path.empty()) refuse(text, "the folder is missing", "write dir:/path");
  std::error_code error;
  const fs::path absolute = fs::absolute(expand_home(path), error);
  if (error) refuse(text, error.message(), "write an absolute path: dir:/path");
  return std::make_unique<DirStore>(absolute);
}

/// The variable that the configuration names; it must be there.
std::string required(const Environment& env, const std::string& name) {
  if (const auto value = env(name.c_str())) return *value;
  throw Error(Code::auth, fmt::format("{} is not set", name))
      .on("read", "credentials")
      .hint(fmt::format("the configuration of this store says that its key is in {}", name));
}

s3::Settings settings_of(const S3Access& access, const Environment& env) {
  s3::Settings out;
  out.endpoint = access.endpoint;
  out.region = access.region;
  out.ca_file = access.ca_file;
  out.addressing = access.addressing;
  out.profile = access.profile;
  out.verify_tls = access.verify_tls;
  out.anonymous = access.anonymous;
  if (access.access_key_env.empty() != access.secret_key_env.empty())
    throw Error(Code::usage, "only one of the two keys has a variable")
        .on("read", "credentials")
        .hint("name both access_key_env and secret_key_env");
  if (!access.access_key_env.empty()) {
    out.access_key_id = required(env, access.access_key_env);
    out.secret_access_key = Secret(required(env, access.secret_key_env));
  }
  if (!access.session_token_env.empty())
    out.session_token = Secret(required(env, access.session_token_env));
  return out;
}

/// "a/b" of "/a/b/"; throws for what could not be a prefix.
std::string prefix_of(std::string_view text, std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return {};
  try {
    check_relative_path(path, "prefix");
  } catch (const Error& e) {
    refuse(text, e.message(), "write s3://BUCKET/PREFIX with plain folder names");
  }
  return std::string(path);
}

std::unique_ptr<Store> open_s3(std::string_view text, std::string_view rest, const S3Access& access,
                               const StoreOptions& options) {
  const s3::Settings settings = settings_of(access, options.env);
  const std::size_t slash = rest.find('/');
  std::string bucket(rest.substr(0, slash));
  if (bucket.empty()) bucket = s3::default_bucket(settings, options.env).value_or("");
  if (bucket.empty())
    refuse(text, "the bucket is missing", "write s3://BUCKET or s3://BUCKET/PREFIX");
  s3::check_bucket_name(bucket);

  S3StoreOptions out;
  out.client.endpoint = s3::resolve_endpoint(settings, options.env);
  out.client.bucket = std::move(bucket);
  out.client.credentials = s3::find_credentials({.settings = settings, .env = options.env});
  out.client.retry = options.retry;
  out.client.side = options.side;
  if (slash != std::string_view::npos) out.prefix = prefix_of(text, rest.substr(slash));
  out.headers = access.headers;
  out.content_md5 = access.content_md5;
  if (!http::is_loopback(out.client.endpoint.url)) out.endpoint_cache = options.endpoint_cache;
  return std::make_unique<S3Store>(std::move(out));
}

oci::ClientOptions oci_client(const oci::Reference& reference, const StoreOptions& options,
                              oci::CredentialsOptions credentials) {
  oci::ClientOptions out;
  out.reference = reference;
  out.credentials = oci::find_credentials(reference, credentials).value_or(oci::Credentials());
  out.http.ca_file = options.oci.ca_file;
  out.http.verify_tls = options.oci.verify_tls;
  out.retry = options.retry;
  out.side = options.side;
  return out;
}

ImageFormat format_of(const std::string& name) {
  if (name.empty() || name == "modelcar") return ImageFormat::modelcar;
  if (name == "modelpack") return ImageFormat::modelpack;
  if (name == "both") return ImageFormat::both;
  throw Error(Code::usage, fmt::format("there is no image format '{}'", name))
      .hint("modelcar, which KServe serves, modelpack, or both");
}

std::unique_ptr<Store> open_oci(std::string_view text, const StoreOptions& options) {
  const oci::Reference reference = oci::parse_reference(text);
  if (!reference.tag.empty() || !reference.digest.empty())
    refuse(text, "a store is a repository, not one image of it",
           fmt::format("write {}, and the tag as version",
                       oci::Reference{.host = reference.host,
                                      .repository = reference.repository,
                                      .tag = "",
                                      .digest = "",
                                      .plain_http = reference.plain_http}
                           .text()));
  OciStoreOptions out;
  out.client = oci_client(reference, options,
                          {.user = options.oci.user, .password_file = options.oci.password_file});
  out.client.writes = options.side == Side::destination || options.oci.writes;
  StoreOptions beside = options;
  beside.oci = {};
  out.state = open_store(options.oci.state.empty() ? default_state() : options.oci.state, beside);
  if (out.state->properties().blobs)
    refuse(options.oci.state, "a registry has no place for the state of transfers",
           "use a folder or a bucket for --state");
  out.open_repository = [options](const oci::Reference& base) {
    return open_repository(base, options);
  };
  out.format = format_of(options.oci.format);
  if (!options.oci.base.empty()) out.base = options.oci.base;
  out.architectures = options.oci.architectures;
  if (options.oci.most_layers)
    out.layers.most =
        static_cast<std::size_t>(std::max<std::uint64_t>(3, *options.oci.most_layers));
  return std::make_unique<OciStore>(std::move(out));
}

std::unique_ptr<Store> open_uri(std::string_view text, const S3Access& access,
                                const StoreOptions& options) {
  const auto rest = [&](std::string_view scheme) { return text.substr(scheme.size()); };
  if (text.starts_with("dir:")) return open_dir(text, rest("dir:"));
  if (text.starts_with("s3://")) return open_s3(text, rest("s3://"), access, options);
  if (text.starts_with("oci://") || text.starts_with("oci+http://") ||
      text.starts_with("oci+https://"))
    return open_oci(text, options);
  return nullptr;
}

}  // namespace

fs::path StoreOptions::default_endpoint_cache() { return cache_folder() / "endpoints.json"; }

std::shared_ptr<oci::Client> open_repository(const oci::Reference& reference,
                                             const StoreOptions& options) {
  oci::ClientOptions out = oci_client(reference, options, {});
  out.side = Side::source;
  return std::make_shared<oci::Client>(std::move(out));
}

std::string default_state() { return "dir:" + state_folder().string(); }

std::string default_store() { return "dir:" + (data_folder() / "store").string(); }

std::unique_ptr<Store> open_store(std::string_view text, const StoreOptions& options) {
  const auto named = std::find_if(options.named.begin(), options.named.end(),
                                  [&](const NamedStore& store) { return store.name == text; });
  if (named != options.named.end()) {
    if (auto store = open_uri(named->uri, named->s3, options)) return store;
    refuse(named->uri, fmt::format("the store '{}' of the configuration has no usable URI", text),
           std::string(kForms));
  }
  if (auto store = open_uri(text, options.s3, options)) return store;
  std::string hint(kForms);
  if (!options.named.empty()) {
    hint += "; it names";
    for (const auto& store : options.named) hint += " " + store.name;
  }
  if (text.find('/') != std::string_view::npos && text.find(':') == std::string_view::npos)
    hint = fmt::format("for a folder write dir:{}", text);
  refuse(text, "this is no store", std::move(hint));
}

}  // namespace dray
