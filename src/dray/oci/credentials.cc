#include "dray/oci/credentials.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/oci/auth_file.h"

namespace dray::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFile = 1 << 20;
constexpr std::uint64_t kMaxPassword = 64 << 10;
constexpr const char* kAuthFile = "REGISTRY_AUTH_FILE";
constexpr const char* kPassword = "DRAY_REGISTRY_PASSWORD";

/// nullopt in a container whose user has none.
std::optional<fs::path> home_of(const Environment& env) {
  if (const auto home = env("HOME")) return *home;
  try {
    return home_folder();
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The path as people write it: "~/.docker/config.json".
std::string shown(const fs::path& path, const std::optional<fs::path>& home) {
  const std::string text = path.string();
  const std::string folder = home ? home->string() + "/" : "";
  return home && folder.size() > 1 && text.starts_with(folder) ? "~/" + text.substr(folder.size())
                                                               : text;
}

Error credentials_error(std::string message) {
  return Error(Code::auth, std::move(message)).on("read", "credentials").from(Side::local);
}

Credentials given(const CredentialsOptions& options) {
  Credentials out;
  out.user = options.user;
  out.origin = kPassword;
  if (options.password_file.empty()) {
    auto password = options.env(kPassword);
    if (!password)
      throw Error(Code::usage, "a user name is given without a password")
          .on("read", "credentials")
          .from(Side::local)
          .hint(fmt::format("put the password into {}, or into a file that is named", kPassword));
    out.password = Secret(std::move(*password));
    return out;
  }
  out.origin = options.password_file;
  auto text = read_file(expand_home(options.password_file), kMaxPassword);
  if (!text) throw credentials_error("there is no password file " + options.password_file);
  Secret whole(std::move(*text));
  std::string_view password = whole.reveal();
  if (password.ends_with('\n')) password.remove_suffix(1);
  if (password.ends_with('\r')) password.remove_suffix(1);
  if (password.empty())
    throw credentials_error("the password file " + options.password_file + " is empty");
  out.password = Secret(std::string(password));
  return out;
}

/// What $REGISTRY_AUTH_FILE means: a file, or the one in a folder that is a mounted secret.
fs::path named_file(const std::string& value) {
  const fs::path path = expand_home(value);
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (fs::exists(path, ignored)) return path;
    throw credentials_error(value + " is not there, or may not be seen")
        .hint(fmt::format("{} names it: correct or unset the variable", kAuthFile));
  }
  for (const char* name : {".dockerconfigjson", "config.json", "auth.json", ".dockercfg"})
    if (fs::exists(path / name, ignored)) return path / name;
  throw credentials_error(value + " holds no file of credentials")
      .hint(fmt::format("{} names this folder: mount a secret of the type "
                        "kubernetes.io/dockerconfigjson there, or name a file",
                        kAuthFile));
}

/// Where tools that log in put their files.
std::vector<fs::path> usual_files(const Environment& env, const std::optional<fs::path>& home) {
  std::vector<fs::path> out;
  if (const auto folder = env("XDG_RUNTIME_DIR"))
    out.push_back(fs::path(*folder) / "containers/auth.json");
  else
    out.push_back(fmt::format("/run/containers/{}/auth.json", ::getuid()));
  if (const auto folder = env("XDG_CONFIG_HOME"))
    out.push_back(fs::path(*folder) / "containers/auth.json");
  else if (home)
    out.push_back(*home / ".config/containers/auth.json");
  if (const auto folder = env("DOCKER_CONFIG"))
    out.push_back(fs::path(*folder) / "config.json");
  else if (home)
    out.push_back(*home / ".docker/config.json");
  if (home) out.push_back(*home / ".dockercfg");
  return out;
}

AuthFile parse(std::string text, const fs::path& path, std::string name) {
  const Secret whole(std::move(text));
  const bool legacy = path.filename() == ".dockercfg";
  return AuthFile(whole.reveal(), std::move(name),
                  legacy ? AuthFile::Kind::legacy : AuthFile::Kind::standard);
}

std::optional<Credentials> in_file(const AuthFile& file, const Reference& reference,
                                   const Environment& env, const std::stop_token& stop) {
  const auto ask = [&](const std::string& helper) {
    return ask_helper(helper, reference.auth_key(), file.name(), env, stop);
  };
  const auto own = file.helper(reference);
  if (own && !own->empty())
    if (auto found = ask(*own)) return found;
  if (auto found = file.stored(reference)) return found;
  const auto general = own ? std::nullopt : file.general_helper();
  return general ? ask(*general) : std::nullopt;
}

}  // namespace

std::optional<Credentials> find_credentials(const Reference& reference,
                                            const CredentialsOptions& options,
                                            const std::stop_token& stop) {
  if (options.anonymous) return std::nullopt;
  if (!options.user.empty()) return given(options);
  if (!options.password_file.empty())
    throw Error(Code::usage, "a password file is given without a user name")
        .on("read", "credentials")
        .from(Side::local);
  const Environment& env = options.env;
  const auto home = home_of(env);
  if (const auto value = env(kAuthFile)) {
    const fs::path path = named_file(*value);
    if (auto text = read_file(path, kMaxFile))
      if (auto found =
              in_file(parse(std::move(*text), path, shown(path, home)), reference, env, stop))
        return found;
  }
  for (const fs::path& path : usual_files(env, home)) {
    std::optional<std::string> text;
    try {
      text = read_file(path, kMaxFile);
    } catch (const Error& error) {
      if (error.code() == Code::malformed) throw;
      // A container may run as a user who cannot look into this home.
      warn("going on without {}: {}", shown(path, home), error.message());
    }
    if (!text) continue;
    if (auto found =
            in_file(parse(std::move(*text), path, shown(path, home)), reference, env, stop))
      return found;
  }
  return std::nullopt;
}

}  // namespace dray::oci
