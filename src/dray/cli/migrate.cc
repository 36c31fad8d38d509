#include "dray/release/migrate.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/file.h"
#include "dray/base/log.h"
#include "dray/cli/actor.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/migrate_report.h"
#include "dray/cli/report.h"

namespace dray::cli {

namespace {

/// "OLD=NEW" of --rename; the last '=' counts, since new names have none.
std::map<std::string, std::string> read_renames(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> out;
  for (const std::string& text : texts) {
    const auto at = text.rfind('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size())
      throw Error(Code::usage, fmt::format("--rename: '{}' is not OLD=NEW", text))
          .hint("MODEL=NAME, or MODEL:VERSION=VERSION");
    out[text.substr(0, at)] = text.substr(at + 1);
  }
  return out;
}

/// The URI of a store that the configuration names.
std::string place_uri(const Context& context, const std::string& text) {
  const auto* named = context.config().store(text);
  return named == nullptr ? text : named->store.uri;
}

/// What was asked for: by flags, or by a plan that was written earlier.
struct Task {
  MigrateRules rules;
  bool rollback = false;
  std::optional<MigratePlan> plan;
};

MigratePlan read_plan(const std::string& path) {
  const auto text = read_file(expand_home(path));
  if (!text) throw Error(Code::not_found, "there is no such file").on("read", path);
  return parse_plan(*text, path);
}

Task read_task(const Context& context) {
  const Args& args = context.args();
  Task task;
  task.rollback = args.flag("rollback");
  task.rules.place = context.place();
  check_place(task.rules.place);
  task.rules.archived = args.flag("archived");
  task.rules.models = args.list("models");
  task.rules.renames = read_renames(args.list("rename"));
  if (const std::string path = args.text("plan"); !path.empty()) {
    if (!args.text("from").empty() || !task.rules.models.empty())
      throw Error(Code::usage, "a plan says which entries are meant")
          .hint("leave --from, --to and --models out, or --plan");
    const MigratePlan& plan = task.plan.emplace(read_plan(path));
    task.rules.from = plan.from;
    task.rules.to = plan.to;
    task.rollback = plan.rollback;
    task.rules.archived = true;
    for (const MigrateItem& item : plan.items) {
      task.rules.renames[item.model] = item.name;
      task.rules.renames[item.text()] = item.release_version;
    }
    return task;
  }
  task.rules.from = place_uri(context, args.text("from"));
  task.rules.to = place_uri(context, args.text("to"));
  if (task.rules.from.empty() || task.rules.to.empty())
    throw Error(Code::usage, task.rules.from.empty() ? "--from is missing" : "--to is missing")
        .hint("dray migrate --registry URL --from oci://HOST/ORG/ --to s3://BUCKET");
  return task;
}

void check_flags(const Task& task, const Args& args) {
  if (!args.flag("delete-source")) return;
  if (task.rollback)
    throw Error(Code::usage, "--rollback deletes nothing").hint("leave --delete-source out");
  if (!args.flag("yes") && !args.flag("dry-run"))
    throw Error(Code::usage, "--delete-source deletes what was migrated at its old place")
        .hint("confirm it with --yes, or migrate without it first and look");
}

class Migration {
 public:
  Migration(Context& context, Task task)
      : context_(context), args_(context.args()), task_(std::move(task)) {
    registry_ = context_.open_registry();
    if (registry_ == nullptr)
      throw Error(Code::usage, "there is no registry to migrate: it is 'none'")
          .hint("name one: --registry https://HOST, or --registry sqlite:PATH");
    if (task_.plan && task_.plan->registry != registry_->name())
      throw Error(Code::conflict, fmt::format("the plan is for {}, not for {}",
                                              task_.plan->registry, registry_->name()))
          .hint("name that registry with --registry");
    request_.rules = task_.rules;
    request_.registry = registry_.get();
    request_.open_source = [this](const std::string& uri) { return context_.open_address(uri); };
    request_.open_store = [this](const std::string& uri) { return store_at(uri); };
    request_.open_prefix = [this](const std::string& uri) {
      return std::shared_ptr<Store>(context_.open_store(uri, Side::source));
    };
    request_.allows = args_.list("allow");
    request_.missing_ok = args_.flag("missing-ok");
    request_.note = note_of(args_.text("reason"));
    request_.storage_key = args_.text("storage-key");
    request_.transfer = context_.transfer_options();
  }

  int run() {
    items_ = planned();
    if (args_.flag("dry-run") || !args_.text("output").empty()) return tell_only();
    read_services();
    for (std::size_t i = 0; i < items_.size(); ++i) {
      reports_.push_back(one(i));
      if (reports_.back().error && reports_.back().error->code() == Code::cancelled) stopped();
      if (!args_.flag("delete-source")) tell_version(context_.out(), reports_.back());
    }
    if (args_.flag("delete-source")) delete_sources();
    tell_all(context_.out(), head(), reports_);
    const auto changed = [](const VersionReport& report) { return report.done.changed; };
    if (!task_.rollback && std::ranges::any_of(reports_, changed))
      context_.out().note("to point the entries back: the same command with --rollback");
    throw_if_failed(reports_, context_.again());
    return 0;
  }

 private:
  MigrationHead head() const {
    return {registry_->name(), task_.rules.from, task_.rules.to, task_.rollback};
  }

  std::shared_ptr<Store> store_at(const std::string& uri) {
    auto& store = stores_[uri];
    if (store == nullptr) store = context_.open_store(uri);
    return store;
  }

  std::vector<RegisteredVersion> entries() {
    ShownProgress shown(context_, "registry");
    shown.get().phase("reading the registry");
    return registry_->list(context_.stop());
  }

  std::vector<MigrateItem> planned() {
    const auto target = [this](const std::string& store, const std::string& name,
                               const std::string& version) {
      return store_at(store)->serving_uri(release_prefix(name, version, task_.rules.place));
    };
    const auto all = entries();
    auto items =
        task_.rollback ? plan_rollback(all, task_.rules) : plan_migration(all, task_.rules, target);
    return task_.plan ? still_planned(task_.plan->items, items) : items;
  }

  std::string subject(std::size_t index) const {
    return fmt::format("[{}/{}] {}", index + 1, items_.size(), items_[index].text());
  }

  VersionReport one(std::size_t index) {
    const MigrateItem& item = items_[index];
    if (item.action == MigrateAction::skip) return skipped(item);
    ShownProgress shown(context_, subject(index));
    try {
      VersionReport report{.item = item};
      report.done = task_.rollback ? roll_back_version(request_, item, context_.stop())
                                   : migrate_version(request_, item, shown.get(), context_.stop());
      report.result = task_.rollback                       ? "pointed back"
                      : item.action == MigrateAction::done ? "already there"
                      : report.done.bytes_copied > 0       ? "copied"
                                                           : "pointed";
      if (report.done.changed) report.services = services_of(item);
      return report;
    } catch (...) {
      view_ = shown.get().view();
      return failed(item, current_error());
    }
  }

  [[noreturn]] void stopped() {
    const Error error = *reports_.back().error;
    reports_.pop_back();
    tell_all(context_.out(), head(), reports_);
    throw with_way_on(error, view_, task_.rules.to, context_.again());
  }

  /// Of what says the new place now, also from an earlier run.
  void delete_sources() {
    const auto all = entries();
    for (std::size_t i = 0; i < reports_.size(); ++i) {
      VersionReport& report = reports_[i];
      if (!report.error && report.item.action != MigrateAction::skip) {
        ShownProgress shown(context_, subject(i));
        shown.get().phase("deleting at the old place");
        try {
          report.source = delete_source(request_, report.item, all, shown.get(), context_.stop());
        } catch (...) {
          report.error = current_error();
          report.result = "not deleted";
          if (report.error->code() == Code::cancelled) throw Error(*report.error);
        }
      }
      tell_version(context_.out(), report);
    }
  }

  void read_services() {
    try {
      services_ = registry_->services(context_.stop());
    } catch (...) {
      const Error error = current_error();
      if (error.code() == Code::cancelled) throw Error(error);
      warn("which deployments use the old places is not known: {}", error.what());
    }
  }

  /// They were made with what the version's entry said.
  std::vector<std::string> services_of(const MigrateItem& item) const {
    std::vector<std::string> out;
    if (!item.main) return out;
    for (const RegisteredService& service : services_)
      if (service.deployed && (service.version_id == item.version_id ||
                               (service.version_id.empty() && service.model_id == item.model_id)))
        out.push_back(service.name);
    return out;
  }

  int tell_only() {
    std::vector<VersionReport> plan;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      MigrateItem& item = items_[i];
      if (item.action == MigrateAction::skip) {
        plan.push_back(skipped(item));
        continue;
      }
      ShownProgress shown(context_, subject(i));
      try {
        if (!task_.rollback) survey(request_, item, shown.get(), context_.stop());
        plan.push_back({.item = item, .result = std::string(action_name(item.action))});
      } catch (...) {
        const Error error = current_error();
        if (error.code() == Code::cancelled) throw Error(error);
        plan.push_back(failed(item, error));
      }
    }
    if (const std::string path = args_.text("output"); !path.empty())
      write_file_atomic(expand_home(path), plan_text({registry_->name(), task_.rules.from,
                                                      task_.rules.to, task_.rollback, items_}));
    tell_plan(context_.out(), head(), plan);
    return 0;
  }

  Context& context_;
  const Args& args_;
  const Task task_;
  std::unique_ptr<Registry> registry_;
  std::map<std::string, std::shared_ptr<Store>> stores_;  // of the destination, by URI
  MigrateRequest request_;
  std::vector<MigrateItem> items_;
  std::vector<VersionReport> reports_;
  std::vector<RegisteredService> services_;
  ProgressView view_;  // of what failed last
};

int run(Context& context) {
  Task task = read_task(context);
  check_flags(task, context.args());
  return Migration(context, std::move(task)).run();
}

std::vector<Option> own_options() {
  return {
      {.name = "from",
       .value = "PLACE",
       .help = "migrate the entries whose URI begins so: oci://HOST/ORG/, s3://BUCKET/PREFIX/, "
               "dir:/PATH or a store of the configuration"},
      {.name = "models", .value = "GLOB", .help = "only models of these names", .many = true},
      {.name = "rename",
       .value = "OLD=NEW",
       .help = "name at the destination: MODEL=NAME, or MODEL:VERSION=VERSION",
       .many = true},
      {.name = "archived", .value = "", .help = "archived versions too"},
      {.name = "rollback",
       .value = "",
       .help = "point the entries back that were moved so; bytes stay where they are"},
      {.name = "missing-ok",
       .value = "",
       .help = "with --rollback: also to what cannot be read",
       .needs = "rollback"},
      {.name = "delete-source",
       .value = "",
       .help = "delete at the old place what was migrated and checked; needs --yes"},
      yes_option("delete, with --delete-source"),
      {.name = "storage-key",
       .value = "SECRET",
       .help = "name of the connection (secret) that entries at an s3:// destination shall state"},
      {.name = "reason", .value = "TEXT", .help = "why, for histories"},
      allow_option(),
      {.name = "dry-run", .value = "", .help = "print what would be done, and do nothing"},
      {.name = "output",
       .value = "FILE",
       .help = "write the plan there, and do nothing",
       .letter = 'o'},
      {.name = "plan",
       .value = "FILE",
       .help = "do exactly what this plan says; entries that changed since are left alone"},
      wait_option("release")};
}

}  // namespace

Command migrate_command() {
  return {
      .name = "migrate",
      .group = "Move models",
      .summary = "move the models of a registry to another store; its entries follow",
      .details =
          "Each version whose artifact lies below --from is copied and checked, and then its entry "
          "in the registry is moved to the new place; the old one stays in the entry's history. "
          "What lies there need not be made by dray: images of any tool, plain prefixes of "
          "buckets. "
          "An entry that somebody else changed meanwhile is left alone. After a stop or a failure "
          "the same command goes on. Nothing is deleted without --delete-source.\n"
          "A destination oci://HOST/ORG gets a repository ORG/NAME for each model; {name} in it "
          "says where the name goes.",
      .options = join({store_options("to"), own_options(), registry_options(), image_options(),
                       transfer_options()}),
      .examples =
          {{"dray migrate --registry https://registry.example --from oci://quay.io/models/ --to "
            "s3://bucket --dry-run",
            "which versions, how large, and what stands in the way"},
           {"dray migrate --registry https://registry.example --from oci://quay.io/models/ --to "
            "s3://bucket",
            "do it; again to go on"},
           {"dray migrate --from s3://bucket --to oci://quay.io/models --models 'granite-*'",
            "the other way, some models"},
           {"dray migrate --from oci://quay.io/models/ --to s3://bucket --rollback",
            "point the entries back"},
           {"dray migrate --from oci://quay.io/models/ --to s3://bucket --delete-source --yes",
            "delete the images that were migrated"}},
      .run = run};
}

}  // namespace dray::cli
