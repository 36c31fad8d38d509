#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/cli/help.h"
#include "dray/cli/text.h"

namespace dray::cli {

namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

struct Section {
  std::string title, text;
  std::string left, right;  // heads of the columns
  Rows rows;
};

struct Topic {
  std::string title;
  std::vector<Section> sections;
};

Rows own_variables() {
  // Name → meaning → commands: a meaning that several commands share is told once.
  std::map<std::string, std::map<std::string, std::set<std::string>>> found;
  for (const auto& command : command_table())
    for (const auto& option : command.options)
      if (!command.hidden && !option.typed)
        found[env_name(option.name)][option.help].insert(command.name);
  Rows rows;
  for (const auto& option : global_options()) rows.emplace_back(env_name(option.name), option.help);
  for (const auto& [name, meanings] : found) {
    std::vector<std::string> parts;
    for (const auto& [help, commands] : meanings)
      parts.push_back(fmt::format("{}: {}", fmt::join(commands, ", "), help));
    rows.emplace_back(name, fmt::format("{}", fmt::join(parts, "; ")));
  }
  rows.emplace_back("DRAY_REGISTRY_TOKEN", "bearer token of the model registry");
  rows.emplace_back("DRAY_COMPAT",
                    "modelcar: the older pipeline's variables count where nothing else is said: "
                    "MODEL_NAME, MODEL_VERSION, S3_BUCKET, S3_ENDPOINT_URL, "
                    "HUGGINGFACE_ALLOW_PATTERNS");
  return rows;
}

const Rows& native_variables() {
  static const Rows rows = {
      {"HF_TOKEN, HF_TOKEN_PATH, HF_HOME", "the Hub's token, or where its file is"},
      {"HF_OIDC_RESOURCE, HF_OIDC_ID_TOKEN",
       "in CI: what the job's own identity is exchanged for a token of, and that identity; GitHub "
       "Actions gives it itself"},
      {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "no token but that of --token-file"},
      {"HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE", "nothing is asked of the Hub"},
      {"HF_ENDPOINT", "base URL of the Hub or of a mirror"},
      {"HF_HUB_CACHE", "the Hub's local cache, as a source"},
      {"MODEL_REGISTRY_URL", "the model registry, where --registry and DRAY_REGISTRY are not set"},
      {"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, …",
       "S3 credentials, as the AWS tools read them: files, web identity, containers and instances "
       "too"},
      {"AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_S3_ENDPOINT", "where S3 is"},
      {"AWS_REGION, AWS_DEFAULT_REGION", "its region"},
      {"STORAGE_CONFIG", "a connection as KServe writes it, in JSON"},
      {"SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE", "certificates to trust (PEM)"},
      {"AWS_CA_BUNDLE", "the same, for S3"},
      {"http_proxy, https_proxy, HTTPS_PROXY, no_proxy", "proxies"},
      {"XDG_DATA_HOME, XDG_CONFIG_HOME, XDG_CACHE_HOME",
       "where the default store and configuration lie"},
      {"NO_COLOR, CLICOLOR, CLICOLOR_FORCE", "colours"},
  };
  return rows;
}

std::string_view code_meaning(Code code) {
  switch (code) {
    case Code::internal:
      return "a bug, or an answer nobody foresaw";
    case Code::usage:
      return "command line, configuration or name of a release cannot be understood";
    case Code::partial:
      return "some of several things failed";
    case Code::not_found:
      return "there is no such repository, revision, bucket or release";
    case Code::auth:
      return "credentials are missing, wrong or expired";
    case Code::gated:
      return "access must be asked for on the Hub first";
    case Code::policy:
      return "refused by a rule that `--allow` can lift by name";
    case Code::verification:
      return "bytes are not what their publisher or manifest states";
    case Code::malformed:
      return "outside data cannot be read as what it claims to be";
    case Code::network:
      return "no connection, cut off, timed out or stalled";
    case Code::server:
      return "the other side failed";
    case Code::throttled:
      return "the other side asks to slow down";
    case Code::conflict:
      return "something else is already there";
    case Code::precondition:
      return "somebody else was faster";
    case Code::locked:
      return "another process is writing this release";
    case Code::storage:
      return "disk full, quota, read-only or I/O error";
    case Code::unsupported:
      return "known, and not possible here";
    case Code::cancelled:
      return "stopped by the user";
  }
  return "";
}

Topic environment_topic() {
  return {
      "Environment",
      {{"dray's own",
        "A flag counts before its variable, that before another program's variable, that before "
        "the configuration files.\nSwitches take 1 or 0; several values are separated by commas. "
        "Commands that change something tell on stderr\nwhich variables decide about it. `--yes`, "
        "which confirms that something is removed, has none: it is typed.",
        "variable", "meaning", own_variables()},
       {"Of other programs", "Read as those programs read them.", "variable", "meaning",
        native_variables()}}};
}

Topic exit_topic() {
  std::map<int, std::vector<std::string>> names;
  Rows codes;
  for (int i = 0; i <= static_cast<int>(Code::cancelled); ++i) {
    const Code code = static_cast<Code>(i);
    codes.emplace_back(std::string(code_name(code)),
                       fmt::format("{} (exit {})", code_meaning(code), exit_status(code)));
    names[exit_status(code)].emplace_back(code_name(code));
  }
  const auto row = [&](int status, std::string_view what) {
    return std::pair(std::to_string(status),
                     fmt::format("{}: {}", what, fmt::join(names[status], ", ")));
  };
  Rows statuses = {{"0", "done, or already so"},
                   row(1, "failed otherwise"),
                   row(2, "usage or configuration"),
                   row(3, "partly done"),
                   row(4, "not found"),
                   row(5, "not allowed to"),
                   row(6, "refused by a rule"),
                   row(7, "verification failed"),
                   row(8, "try again"),
                   row(10, "conflict"),
                   row(75, "locked"),
                   row(130, "stopped by SIGINT"),
                   {"143", "stopped by SIGTERM"}};
  return {"Exit codes",
          {{"Status", "Stable. Others may be added: treat every other number as a failure.", "exit",
            "meaning", std::move(statuses)},
           {"Error codes",
            "With `--json` an error is the last line on stderr:\n"
            "`{\"error\":{\"code\":\"E_NETWORK\",\"message\":…,\"hint\":…,\"retryable\":true}}`.",
            "code", "meaning", std::move(codes)}}};
}

std::optional<Topic> topic_of(std::string_view name) {
  if (name == "environment") return environment_topic();
  if (name == "exit-codes") return exit_topic();
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& topic_names() {
  static const std::vector<std::string> names = {"environment", "exit-codes"};
  return names;
}

std::string topic_help(std::string_view name, std::size_t width) {
  const auto topic = topic_of(name);
  if (!topic) return "";
  std::string out;
  for (const auto& section : topic->sections) {
    if (!out.empty()) out += "\n";
    out += section.title + "\n\n";
    for (const auto& line : wrap(section.text, width)) out += line + "\n";
    out += "\n";
    for (const auto& [left, right] : section.rows) {
      out += "  " + left + "\n";
      for (const auto& line : wrap(right, width > 30 ? width - 6 : 24))
        out += "      " + line + "\n";
    }
  }
  return out;
}

std::string topic_markdown(std::string_view name) {
  const auto topic = topic_of(name);
  if (!topic) return "";
  std::string out = fmt::format(
      "# {}\n\nMade by `dray help --markdown {}`; change the tables in the code, "
      "not this page.\n",
      topic->title, name);
  for (const auto& section : topic->sections) {
    out += fmt::format("\n## {}\n\n{}\n\n| {} | {} |\n|---|---|\n", section.title, section.text,
                       section.left, section.right);
    for (const auto& [left, right] : section.rows) out += fmt::format("| {} | {} |\n", left, right);
  }
  return out;
}

}  // namespace dray::cli
