// The commands, one file each; `command_table` puts them in order.
#pragma once

#include <vector>

#include "dray/cli/command.h"

namespace dray::cli {

Command import_command();
Command quantize_command();
Command pull_command();
Command bundle_create_command();
Command bundle_load_command();
Command bundle_verify_command();
Command migrate_command();
Command list_command();
Command show_command();
Command history_command();
Command diff_command();
Command verify_command();
Command promote_command();
Command rollback_command();
Command archive_command();
Command restore_command();
Command rm_command();
Command adopt_command();
Command gc_command();
Command registry_register_command();
Command serve_command();
Command registry_rebuild_command();
Command registry_backup_command();
Command registry_restore_command();
Command doctor_command();
Command config_show_command();
Command demo_command();
Command completion_command();
Command help_command();

// Options that several commands share.

/// Where releases are: --store (or --to where a command writes), --place.
std::vector<Option> store_options(const std::string& name = "store");
/// --registry and how to reach it.
/// Of commands that make releases: what they become in a registry of images.
std::vector<Option> image_options();
std::vector<Option> registry_options();
/// --memory, --connections, --limit-rate.
std::vector<Option> transfer_options();
/// --endpoint and --token-file of the Hub.
std::vector<Option> hub_options();
/// --yes of a command that removes something: typed, never taken from a variable that somebody
/// left set.
Option yes_option(const std::string& help);
/// --wait for another writer of the same `what`.
Option wait_option(const std::string& what);
/// --allow: rules of an import that can be passed over.
Option allow_option();
/// The lists one after another.
std::vector<Option> join(std::vector<std::vector<Option>> lists);

}  // namespace dray::cli
