#include "dray/registry/bearer.h"

#include <filesystem>
#include <system_error>

#include "dray/base/error.h"
#include "dray/base/file.h"

namespace dray {

namespace {

constexpr std::uint64_t kLongestToken = 64 << 10;

std::string trimmed(std::string text) {
  constexpr const char* space = " \t\r\n";
  text.erase(text.find_last_not_of(space) + 1);
  text.erase(0, text.find_first_not_of(space));
  return text;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

BearerToken::BearerToken(const RegistryOptions& options, const http::Url& url,
                         const std::string& folder)
    : token_(options.token) {
  if (!token_.empty()) {
    loaded_ = true;
  } else if (!options.token_file.empty()) {
    file_ = options.token_file;
    must_exist_ = true;
  } else if (url.scheme == "https") {
    const auto named = env("KF_PIPELINES_SA_TOKEN_PATH");
    file_ = named ? *named : folder + "/token";
    must_exist_ = named.has_value();
  }
}

void BearerToken::read() {
  loaded_ = true;
  if (file_.empty()) return;
  auto text = read_file(file_, kLongestToken);
  if (!text && must_exist_)
    throw Error(Code::auth, "the token file does not exist")
        .on("read", file_)
        .from(Side::registry)
        .hint("check the path, or in a pod that the token is mounted there");
  token_ = Secret(trimmed(text.value_or("")));
  if (token_.empty() && must_exist_)
    throw Error(Code::auth, "the token file is empty").on("read", file_).from(Side::registry);
}

Secret BearerToken::current() {
  const std::lock_guard lock(mutex_);
  if (!loaded_) read();
  return token_;
}

bool BearerToken::renew(const Secret& refused) {
  const std::lock_guard lock(mutex_);
  if (file_.empty()) return false;
  read();
  return token_.reveal() != refused.reveal();
}

std::string BearerToken::shown_source() const {
  const std::lock_guard lock(mutex_);
  if (token_.empty()) return "";
  return file_.empty() ? "the token given" : "the token in " + file_;
}

std::string registry_ca_file(const RegistryOptions& options, const http::Url& url,
                             const std::string& folder) {
  if (!options.ca_file.empty()) return options.ca_file;
  const bool in_cluster = url.host.ends_with(".svc") || url.host.find(".svc.") != std::string::npos;
  const std::string service_ca = folder + "/service-ca.crt";
  return in_cluster && exists(service_ca) ? service_ca : "";
}

}  // namespace dray
