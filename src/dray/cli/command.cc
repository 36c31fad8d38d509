#include "dray/cli/command.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/cli/commands.h"
#include "dray/store/layout.h"
#include "dray/store/oci_base.h"

namespace dray::cli {

const std::vector<Command>& command_table() {
  static const std::vector<Command> table = {
      import_command(),
      quantize_command(),
      pull_command(),
      bundle_create_command(),
      bundle_load_command(),
      bundle_verify_command(),
      migrate_command(),
      list_command(),
      show_command(),
      history_command(),
      diff_command(),
      verify_command(),
      promote_command(),
      rollback_command(),
      archive_command(),
      restore_command(),
      rm_command(),
      adopt_command(),
      registry_register_command(),
      registry_rebuild_command(),
      registry_backup_command(),
      registry_restore_command(),
      gc_command(),
      serve_command(),
      demo_command(),
      doctor_command(),
      config_show_command(),
      completion_command(),
      help_command(),
  };
  return table;
}

const std::vector<Option>& global_options() {
  static const std::vector<Option> options = {
      {.name = "json",
       .value = "",
       .help = "data as JSON, one object a line; errors too, on stderr"},
      {.name = "quiet", .value = "", .help = "print names only, no notes", .letter = 'q'},
      {.name = "verbose",
       .value = "",
       .help = "tell more; -vv tells most",
       .many = true,
       .letter = 'v'},
      {.name = "progress",
       .value = "MODE",
       .help = "how progress is shown",
       .standard = "auto",
       .choices = {"auto", "tty", "plain", "json", "none"},
       .in_config = true},
      {.name = "no-progress", .value = "", .help = "the same as --progress none"},
      {.name = "color",
       .value = "WHEN",
       .help = "colours",
       .standard = "auto",
       .choices = {"auto", "always", "never"},
       .in_config = true},
      {.name = "config", .value = "FILE", .help = "read this configuration file and no other"},
      {.name = "no-config", .value = "", .help = "read no configuration file"},
  };
  return options;
}

const Command* find_command(std::string_view name) {
  const auto& table = command_table();
  const auto found = std::ranges::find(table, name, &Command::name);
  return found == table.end() ? nullptr : &*found;
}

std::vector<const Option*> all_options(const Command& command) {
  std::vector<const Option*> options;
  for (const auto& option : command.options) options.push_back(&option);
  for (const auto& option : global_options()) options.push_back(&option);
  return options;
}

const Option* find_option(const Command& command, std::string_view name) {
  for (const auto* option : all_options(command))
    if (option->name == name || option->also == name) return option;
  return nullptr;
}

const std::vector<const Option*>& config_options() {
  static const std::vector<const Option*> options = [] {
    std::vector<const Option*> found;
    for (const auto& command : command_table()) {
      for (const auto* option : all_options(command)) {
        const auto same = [&](const Option* other) {
          return config_key(*other) == config_key(*option);
        };
        if (option->in_config && std::ranges::none_of(found, same)) found.push_back(option);
      }
    }
    return found;
  }();
  return options;
}

bool changes_things(const Command& command) {
  return find_option(command, "dry-run") != nullptr || find_option(command, "yes") != nullptr;
}

const std::string& config_key(const Option& option) {
  return option.also.empty() ? option.name : option.also;
}

std::string env_name(std::string_view option) {
  std::string name = "DRAY_";
  for (const char c : option)
    name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::vector<Option> store_options(const std::string& name) {
  Option place{
      .name = name,
      .value = "STORE",
      .help =
          "where releases are kept: s3://BUCKET[/PREFIX], oci://HOST/REPOSITORY, dir:/PATH "
          "or a name from the configuration; by default the folder dray/store below "
          "$XDG_DATA_HOME",
      .in_config = true};
  if (name != "store") {  // where a command writes
    place.also = "store";
    place.compat_env = "S3_BUCKET";
  }
  return {place,
          {.name = "place",
           .value = "TEMPLATE",
           .help = "where a release's files lie in the store",
           .standard = std::string(kDefaultTemplate),
           .in_config = true},
          {.name = "state",
           .value = "STORE",
           .help = "where transfers into registries keep their journals: dir:/PATH or "
                   "s3://BUCKET/PREFIX; by default the folder dray below $XDG_STATE_HOME",
           .in_config = true,
           .tuning = true},
          {.name = "oci-user",
           .value = "USER",
           .help = "account at the registry of oci:// stores, with its password in "
                   "$DRAY_REGISTRY_PASSWORD or --oci-password-file; by default what podman, docker "
                   "or oras login have stored",
           .in_config = true,
           .tuning = true},
          {.name = "oci-password-file",
           .value = "FILE",
           .help = "file with the password of --oci-user",
           .in_config = true,
           .tuning = true},
          {.name = "oci-ca",
           .value = "FILE",
           .help = "certificates to trust for registries of images (PEM)",
           .in_config = true,
           .tuning = true}};
}

std::vector<Option> image_options() {
  return {{.name = "format",
           .value = "FORMAT",
           .help = "what a release becomes in a registry of images: modelcar, which KServe serves; "
                   "modelpack, a CNCF artifact of raw files; or both under one tag, which stores "
                   "the model twice",
           .standard = "modelcar",
           .choices = {"modelcar", "modelpack", "both"},
           .in_config = true},
          {.name = "base",
           .value = "IMAGE",
           .help = "image that modelcars are built on: HOST/REPOSITORY[:TAG], oci:DIR of a layout "
                   "folder, or scratch; by default " +
                   std::string(kDefaultBase),
           .in_config = true},
          {.name = "arch",
           .value = "ARCH",
           .help = "architecture of modelcars, like amd64; by default amd64 and arm64, as far as "
                   "the base has them",
           .many = true,
           .in_config = true},
          {.name = "max-layers",
           .value = "N",
           .help = "most layers of model files in a modelcar",
           .standard = "60",
           .kind = Kind::number,
           .in_config = true,
           .tuning = true}};
}

std::vector<Option> registry_options() {
  return {
      {.name = "registry",
       .value = "URL",
       .help = "model registry: an http(s) URL, sqlite:PATH or none; by default the embedded one, "
               "dray/registry.db below $XDG_DATA_HOME",
       .native_env = "MODEL_REGISTRY_URL",
       .in_config = true},
      {.name = "registry-token-file",
       .value = "FILE",
       .help = "file with the registry's bearer token",
       .in_config = true,
       .tuning = true},
      {.name = "registry-ca",
       .value = "FILE",
       .help = "certificates to trust for the registry (PEM)",
       .in_config = true,
       .tuning = true}};
}

std::vector<Option> transfer_options() {
  return {{.name = "memory",
           .value = "SIZE",
           .help = "most memory the whole process may take; at least 128MiB",
           .standard = "256MiB",
           .kind = Kind::size,
           .in_config = true,
           .tuning = true},
          {.name = "connections",
           .value = "N",
           .help = "reads in flight at once",
           .standard = "16",
           .kind = Kind::number,
           .in_config = true,
           .tuning = true},
          {.name = "limit-rate",
           .value = "RATE",
           .help = "most bytes a second, like 50MiB",
           .kind = Kind::size,
           .in_config = true,
           .tuning = true}};
}

std::vector<Option> hub_options() {
  return {
      {.name = "endpoint",
       .value = "URL",
       .help = "base URL of the Hub or of a mirror",
       .native_env = "HF_ENDPOINT",
       .in_config = true},
      {.name = "token-file",
       .value = "FILE",
       .help =
           "file with the Hub's token; by default HF_TOKEN or where the Hub's own tools keep it",
       .in_config = true,
       .tuning = true}};
}

Option yes_option(const std::string& help) {
  return {.name = "yes", .value = "", .help = help, .typed = true};
}

Option wait_option(const std::string& what) {
  return {.name = "wait",
          .value = "TIME",
          .help = fmt::format("how long to wait while another process writes the same {}, like 10m",
                              what),
          .kind = Kind::duration,
          .in_config = true,
          .tuning = true};
}

Option allow_option() {
  return {.name = "allow",
          .value = "RULE",
          .help = "go on in spite of this rule; recorded with the release",
          .many = true,
          .choices = {"unverified-source", "not-servable"}};
}

std::vector<Option> join(std::vector<std::vector<Option>> lists) {
  std::vector<Option> all;
  for (auto& list : lists)
    for (auto& option : list) all.push_back(std::move(option));
  return all;
}

}  // namespace dray::cli
