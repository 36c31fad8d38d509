// Configuration files. Their form: docs/reference/configuration.md.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/cli/command.h"
#include "dray/store/open_store.h"

namespace dray::cli {

struct ConfigValue {
  std::vector<std::string> values;  // as text; "true"/"false" for switches
  std::string origin;               // "/etc/dray/config.yaml:3"
};

/// A named store, and where it is defined: "/etc/dray/config.yaml:7".
struct ConfigStore {
  NamedStore store;
  std::string origin;
};

/// The merged content of the files that were read. What came first wins; a named store is taken
/// whole.
class Config {
 public:
  /// nullptr if no file sets the option.
  const ConfigValue* find(const Option& option) const;
  const ConfigStore* store(const std::string& name) const;
  const std::map<std::string, ConfigValue>& values() const { return values_; }
  const std::map<std::string, ConfigStore>& stores() const { return stores_; }
  const std::vector<std::string>& files() const { return files_; }

  /// Adds what `text` sets beneath what is here. Throws Code::usage with file and line for YAML
  /// that cannot be read, unknown keys (with the close one), wrong types, and secrets, which do not
  /// belong into such files.
  void add(std::string_view text, const std::string& file);

 private:
  std::map<std::string, ConfigValue> values_;
  std::map<std::string, ConfigStore> stores_;
  std::vector<std::string> files_;
};

struct ConfigPlaces {
  std::filesystem::path project = ".dray.yaml";  // in the working folder only
  std::filesystem::path user;                    // $XDG_CONFIG_HOME/dray/config.yaml
  std::filesystem::path system = "/etc/dray/config.yaml";
};
ConfigPlaces default_places();

/// Reads the files there are: project over user over system. The project file must belong to the
/// user or root and be writable by nobody else, because it says where data and credentials go.
Config load_config(const ConfigPlaces& places);
/// Only this file, which must exist.
Config load_config_file(const std::filesystem::path& file);

}  // namespace dray::cli
