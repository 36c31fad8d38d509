#include "dray/cli/actor.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"

namespace dray::cli {

namespace {

constexpr const char* kServiceToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

std::optional<Actor> github(const Environment& environment) {
  const auto actor = environment("GITHUB_ACTOR"), repository = environment("GITHUB_REPOSITORY");
  if (!environment("GITHUB_ACTIONS") || !actor || !repository) return std::nullopt;
  return Actor{fmt::format("{}@{}", *actor, *repository),
               fmt::format("github-actions {}/{}/actions/runs/{}",
                           environment("GITHUB_SERVER_URL").value_or("https://github.com"),
                           *repository, environment("GITHUB_RUN_ID").value_or("?"))};
}

std::optional<Actor> gitlab(const Environment& environment) {
  const auto actor = environment("GITLAB_USER_LOGIN"), project = environment("CI_PROJECT_PATH");
  if (!environment("GITLAB_CI") || !actor || !project) return std::nullopt;
  return Actor{fmt::format("{}@{}", *actor, *project),
               "gitlab-ci " + environment("CI_JOB_URL").value_or("?")};
}

std::optional<Actor> jenkins(const Environment& environment) {
  const auto url = environment("BUILD_URL"), job = environment("JOB_NAME");
  if (!environment("JENKINS_URL") || !url || !job) return std::nullopt;
  return Actor{fmt::format("{}@{}", environment("BUILD_USER_ID").value_or("jenkins"), *job),
               "jenkins " + *url};
}

/// "system:serviceaccount:NAMESPACE:NAME" from the middle part of a token; nullopt for anything
/// else.
std::optional<std::string> subject_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::string text(token.substr(first + 1, second - first - 1));
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  text.append((4 - text.size() % 4) % 4, '=');
  const auto claims = from_base64(text);
  if (!claims) return std::nullopt;
  try {
    const Json json = parse_json(as_text(*claims), "token", {.bytes = 1 << 16, .depth = 16});
    return json.is_object() ? find_string(json, "sub", "token") : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Actor> kubernetes(const Environment& environment, const std::string& token_file) {
  if (!environment("KUBERNETES_SERVICE_HOST")) return std::nullopt;
  try {
    const auto token = read_file(token_file, 1 << 16);
    const auto subject = token ? subject_of(*token) : std::nullopt;
    if (!subject || subject->empty()) return std::nullopt;
    return Actor{*subject, "kubernetes " + environment("HOSTNAME").value_or("?")};
  } catch (const Error&) {
    return std::nullopt;  // a pod that may not read it is known by its login
  }
}

Actor login(const Environment& environment) {
  std::string user = environment("USER").value_or("");
  if (const passwd* entry = getpwuid(geteuid()); entry != nullptr) user = entry->pw_name;
  if (user.empty()) user = fmt::format("uid {}", geteuid());
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return {user, "login"};
  return {fmt::format("{}@{}", user, host.data()), "login"};
}

}  // namespace

Actor find_actor(const Environment& environment, const std::string& token_file) {
  if (auto actor = github(environment)) return *actor;
  if (auto actor = gitlab(environment)) return *actor;
  if (auto actor = jenkins(environment)) return *actor;
  if (auto actor = kubernetes(environment, token_file)) return *actor;
  return login(environment);
}

Actor find_actor() {
  return find_actor([](const std::string& name) { return env(name.c_str()); }, kServiceToken);
}

MoveNote note_of(const std::string& reason) {
  const Actor actor = find_actor();
  return {actor.name, actor.source, reason};
}

}  // namespace dray::cli
