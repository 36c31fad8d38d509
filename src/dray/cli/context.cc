#include "dray/cli/context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/cli/suggest.h"
#include "dray/source/open_source.h"
#include "dray/store/open_store.h"

namespace dray::cli {

namespace {

// Below it the engine takes its least for buffers all the same, and the promise would not hold.
constexpr std::uint64_t kLeastMemory = 128 * kMiB;

/// --to where a command writes, --store where it reads.
std::string_view store_option(const Command& command) {
  return find_option(command, "store")->name;
}

bool is_uri(std::string_view text) {
  return text.find("://") != std::string_view::npos || text.starts_with("dir:");
}

std::string without_end_slash(std::string text) {
  while (text.ends_with('/') && !text.ends_with("://")) text.pop_back();
  return text;
}

bool is_image(std::string_view text) {
  return text.starts_with("oci://") || text.starts_with("oci+http");
}

/// How the configured store that holds `uri` is reached: the one with the longest URI.
S3Access access_of(const Config& config, const std::string& uri) {
  S3Access access;
  std::size_t longest = 0;
  for (const auto& [name, entry] : config.stores()) {
    const std::string root = without_end_slash(entry.store.uri);
    const bool holds = uri == root || uri.starts_with(root + "/");
    if (!holds || root.size() <= longest) continue;
    longest = root.size();
    access = entry.store.s3;
  }
  return access;
}

Error unknown_store(const Config& config, const std::string& text) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : config.stores()) names.push_back(name);
  const std::string likely = closest(text, names);
  std::string hint = "write s3://BUCKET[/PREFIX] or dir:/PATH";
  if (!names.empty()) hint += fmt::format(", or one of {}", fmt::join(names, ", "));
  if (!likely.empty()) hint = fmt::format("did you mean {}?", likely);
  return Error(Code::usage, fmt::format("there is no store '{}' in the configuration", text))
      .hint(hint);
}

}  // namespace

Context::Context(const Command& command, Args args, const Config& config, Output& output,
                 Signals& signals, std::string again)
    : command_(command),
      args_(std::move(args)),
      config_(config),
      output_(output),
      signals_(signals),
      again_(std::move(again)) {}

std::string Context::store_text() const {
  const std::string text = args_.text(store_option(command_));
  if (!is_image(text)) return text.empty() ? default_store() : text;
  oci::Reference reference = oci::parse_reference(text);
  reference.tag.clear();
  return reference.text();
}

std::string Context::store_tag() const {
  const std::string text = args_.text(store_option(command_));
  return is_image(text) ? oci::parse_reference(text).tag : "";
}

std::string Context::store_flag() const {
  const Setting* setting = args_.find(store_option(command_));
  // What a variable or a file says holds for the next command too.
  if (setting == nullptr || !setting->origin.starts_with("--")) return "";
  return " --store " + shell_word(setting->values.back());
}

std::unique_ptr<Store> Context::open_store() { return open_store(store_text()); }

std::unique_ptr<Store> Context::open_store(const std::string& text, Side side) {
  StoreOptions options;
  options.side = side;
  for (const auto& [name, entry] : config_.stores()) options.named.push_back(entry.store);
  std::string uri = without_end_slash(is_path(text) ? "dir:" + text : text);
  if (config_.store(text) == nullptr && !is_uri(uri)) throw unknown_store(config_, text);
  options.s3 = access_of(config_, uri);
  if (const auto endpoint = env("S3_ENDPOINT_URL");
      endpoint && options.s3.endpoint.empty() &&
      modelcar_names([](const std::string& name) { return env(name.c_str()); }))
    options.s3.endpoint = *endpoint;
  options.oci = image_access(options.side);
  return dray::open_store(uri, options);
}

OciAccess Context::image_access(Side side) const {
  OciAccess access;
  access.ca_file = args_.text("oci-ca");
  access.state = args_.text("state");
  // The account is for the store's registry, not for others that are read.
  if (side == Side::destination) {
    access.user = args_.text("oci-user");
    access.password_file = args_.text("oci-password-file");
  }
  access.writes = find_option(command_, "delete-source") != nullptr && args_.flag("delete-source");
  if (find_option(command_, "format") == nullptr || side != Side::destination) return access;
  access.format = args_.text("format");
  access.base = args_.text("base");
  access.architectures = args_.list("arch");
  access.most_layers = args_.number("max-layers");
  return access;
}

std::string Context::registry_text() const {
  const std::string text = args_.text("registry");
  return text.empty() ? default_registry() : text;
}

std::unique_ptr<Registry> Context::open_registry() {
  const std::string address = registry_text();
  if (address == "none") return nullptr;
  RegistryOptions options;
  options.ca_file = args_.text("registry-ca");
  options.token_file = args_.text("registry-token-file");
  if (options.token_file.empty()) options.token = Secret(env("DRAY_REGISTRY_TOKEN").value_or(""));
  return dray::open_registry(address, options);
}

TransferOptions Context::transfer_options() const {
  TransferOptions options;
  options.memory = args_.number("memory").value_or(options.memory);
  if (options.memory < kLeastMemory)
    throw Error(Code::usage, fmt::format("--memory: {} are too little for a transfer",
                                         human_size(options.memory)))
        .hint(fmt::format("the least is {}: the program's own needs and the parts under way",
                          human_size(kLeastMemory)));
  options.connections = static_cast<int>(args_.number("connections").value_or(16));
  options.limit_rate = args_.number("limit-rate").value_or(0);
  if (find_option(command_, "wait") != nullptr)
    options.lock_wait = std::chrono::duration_cast<std::chrono::seconds>(args_.duration("wait"));
  return options;
}

std::string default_registry() { return "sqlite:" + (data_folder() / "registry.db").string(); }

ShownProgress::ShownProgress(Context& context, const std::string& subject)
    : signals_(context.signals()),
      printer_(progress_, subject,
               progress_mode(
                   context.args().flag("no-progress") ? "none" : context.args().text("progress"),
                   context.out().is_quiet(), context.out().is_json()),
               [json = context.out().is_json()] { use_log_lines(json); }) {
  signals_.on_state([this] { printer_.tell(); });
}

ShownProgress::~ShownProgress() { signals_.on_state(nullptr); }

}  // namespace dray::cli
