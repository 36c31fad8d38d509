// What a command works with: its settings, its output, and the places they name.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "dray/cli/args.h"
#include "dray/cli/config.h"
#include "dray/cli/output.h"
#include "dray/cli/progress_printer.h"
#include "dray/cli/signals.h"
#include "dray/registry/registry.h"
#include "dray/source/source.h"
#include "dray/store/open_store.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray::cli {

class Context {
 public:
  Context(const Command& command, Args args, const Config& config, Output& output, Signals& signals,
          std::string again);

  const Command& command() const { return command_; }
  const Args& args() const { return args_; }
  const Config& config() const { return config_; }
  Output& out() { return output_; }
  Signals& signals() { return signals_; }
  std::stop_token stop() const { return signals_.stop(); }

  /// The command line as it was given, to be run again.
  const std::string& again() const { return again_; }

  /// The command's store: --store or --to, else the default folder.
  std::unique_ptr<Store> open_store();
  /// A store by name or URI. A URI at or below a configured store's takes that one's endpoint and
  /// credentials.
  std::unique_ptr<Store> open_store(const std::string& text, Side side = Side::destination);
  /// What --store or --to says, or the default: for messages and commands to print. Of an image
  /// of a registry, its repository.
  std::string store_text() const;
  /// The tag that --to says with a repository of images, "" if none.
  std::string store_tag() const;
  /// " --store s3://bucket" for commands to print; "" for the default store.
  std::string store_flag() const;
  std::string place() const { return args_.text("place"); }

  /// What the Hub, this machine or a store holds under `text`: hf://…, a folder, s3://…, and with
  /// --from a release of that store; NAME:VERSION and NAME@ALIAS without --from are releases of
  /// `release_store`, where there is one. Looks at nothing yet. The source borrows this context.
  std::unique_ptr<Source> open_source(const std::string& text,
                                      const std::string& release_store = "");

  /// The same for an address alone: --from does not count.
  std::unique_ptr<Source> open_address(const std::string& text);

  /// An image or artifact, "oci://host/repository[:tag][@digest]".
  std::unique_ptr<Source> open_image(const std::string& text);

  /// nullptr when it is "none".
  std::unique_ptr<Registry> open_registry();
  std::string registry_text() const;

  /// From --memory, --connections, --limit-rate and, where the command has it, --wait.
  TransferOptions transfer_options() const;

 private:
  OciAccess image_access(Side side) const;

  const Command& command_;
  Args args_;
  const Config& config_;
  Output& output_;
  Signals& signals_;
  std::string again_;
};

/// The progress of one operation, shown while this lives and told on SIGUSR1.
class ShownProgress {
 public:
  ShownProgress(Context& context, const std::string& subject);
  ~ShownProgress();
  ShownProgress(const ShownProgress&) = delete;
  ShownProgress& operator=(const ShownProgress&) = delete;
  Progress& get() { return progress_; }

 private:
  Signals& signals_;
  Progress progress_;
  ProgressPrinter printer_;
};

/// "sqlite:$XDG_DATA_HOME/dray/registry.db": where releases are registered when nothing is said.
std::string default_registry();

}  // namespace dray::cli
