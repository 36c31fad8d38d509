#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/base/time.h"
#include "dray/cli/actor.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/listen.h"
#include "dray/cli/report.h"
#include "dray/model/reference.h"
#include "dray/release/import.h"
#include "dray/release/verify.h"
#include "dray/serve/demo_hub.h"
#include "dray/serve/demo_model.h"
#include "dray/source/open_source.h"
#include "dray/store/catalog.h"

namespace dray::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kMarker = ".dray-demo";
constexpr const char* kAlias = "production";

[[noreturn]] void refuse_folder(const fs::path& folder, const std::string& why) {
  throw Error(Code::usage, why)
      .on("use", folder.string())
      .from(Side::local)
      .hint("name an empty folder: dray demo --dir DIR");
}

/// The demonstration's folder, made if it is not there. A folder that is somebody else's,
/// or holds something else, is refused: the default one lies where everybody may write.
fs::path prepare_folder(const std::string& wanted) {
  const fs::path folder = wanted.empty()
                              ? fs::temp_directory_path() / fmt::format("dray-demo-{}", geteuid())
                              : fs::absolute(expand_home(wanted));
  std::error_code ignored;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), ignored);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno("make folder", folder.string());
  struct stat info{};
  if (lstat(folder.c_str(), &info) != 0) throw_errno("look at", folder.string());
  if (!S_ISDIR(info.st_mode)) refuse_folder(folder, "it is no folder");
  if (info.st_uid != geteuid()) refuse_folder(folder, "it belongs to another user");
  if (!fs::is_empty(folder) && !fs::exists(folder / kMarker))
    refuse_folder(folder, "it holds something else");
  return folder;
}

/// Held while the demonstration runs: another one would remove its store.
Fd lock_folder(const fs::path& folder) {
  const fs::path marker = folder / kMarker;
  Fd fd(open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) throw_errno("open", marker.string());
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error(Code::locked, "another demonstration runs there")
        .on("use", folder.string())
        .from(Side::local)
        .hint("wait for it, or name another folder: dray demo --dir DIR");
  return fd;
}

/// What happened, told step by step.
class Story {
 public:
  explicit Story(Output& out) : out_(out) {}
  void tell(const std::string& step, const std::string& text) {
    steps_.push_back({{"step", step}, {"text", text}});
    if (!out_.is_quiet())
      out_.line(fmt::format("{} {} {}", out_.good("✓"), pad(step, 10), printable(text)));
    out_.flush();
  }
  const Json& steps() const { return steps_; }

 private:
  Output& out_;
  Json steps_ = Json::array();
};

struct Stage {
  fs::path folder;
  std::string store_uri;
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
};

ImportResult import_model(Context& context, Stage& stage, const DemoHub& hub) {
  SourceOptions options;
  options.hub.endpoint = hub.url();
  options.hub.token.anonymous = true;  // the user's token is nobody's business here
  const auto source = open_source("hf://" + DemoHub::repo(), options);
  ImportRequest request;
  request.source = source.get();
  request.store = stage.store.get();
  request.registry = stage.registry.get();
  request.alias = kAlias;
  request.note = note_of("demonstration");
  request.transfer = context.transfer_options();
  ShownProgress shown(context, source->name());
  const ImportPlan plan = plan_import(request, shown.get(), context.stop());
  ImportResult result = run_import(request, plan, shown.get(), context.stop());
  if (result.registry_error) throw *result.registry_error;
  return result;
}

std::string verify_model(Context& context, Stage& stage, const Manifest& manifest) {
  ShownProgress shown(context, fmt::format("{}:{}", manifest.name, manifest.version));
  const VerifyResult result =
      verify_release(*stage.store, manifest, kDefaultTemplate, false, context.transfer_options(),
                     shown.get(), context.stop());
  if (!result.problems.empty())
    throw Error(Code::verification, result.problems.front().what)
        .on("verify", result.problems.front().path);
  return fmt::format("every byte read again: {}, {}", count_of(result.files, "file"),
                     moved_text(result.bytes, shown.get().view().elapsed));
}

void tell_what_next(Output& out, const Stage& stage, const std::string& name) {
  const std::string store = " --store " + shell_word(stage.store_uri);
  out.note("");
  out.note("Try next:");
  out.note("  dray list" + store);
  out.note(fmt::format("  dray show {}{}", name, store));
  out.note(fmt::format("  dray pull {}@{} ./{}{}", name, kAlias, name, store));
  out.note("  dray import hf://openai-community/gpt2 --dry-run");
  out.note("  dray demo --serve                 the demonstration's Hub, for other clients");
  out.note(fmt::format("All of it lies in {}; the next `dray demo` starts anew there.",
                       stage.folder.string()));
}

int demonstrate(Context& context) {
  Output& out = context.out();
  Story story(out);
  Stage stage;
  stage.folder = prepare_folder(context.args().text("dir"));
  const Fd lock = lock_folder(stage.folder);
  for (const char* name : {"store", "registry.db", "registry.db-wal", "registry.db-shm"})
    fs::remove_all(stage.folder / name);
  stage.store_uri = "dir:" + (stage.folder / "store").string();
  stage.store = open_store(stage.store_uri, {});
  stage.registry = open_registry("sqlite:" + (stage.folder / "registry.db").string(), {});

  const DemoHub hub;
  story.tell("serve", fmt::format("a small Llama as the Hub would serve it: {}/{}", hub.url(),
                                  DemoHub::repo()));
  const ImportResult result = import_model(context, stage, hub);
  const Manifest& manifest = result.manifest;
  const std::string reference = Reference{manifest.name, manifest.version, ""}.text();
  story.tell("import", fmt::format("{} over HTTP, each file checked before it got its name",
                                   moved_text(result.stats.fetched, result.stats.elapsed)));
  story.tell("release", fmt::format("{} with {} in {}", reference,
                                    count_of(manifest.files.size(), "file"), result.uri));
  story.tell("register", stage.registry->name());
  story.tell("alias", fmt::format("{}@{} points to {}", manifest.name, kAlias, manifest.version));
  story.tell("verify", verify_model(context, stage, manifest));
  const ImportResult again = import_model(context, stage, hub);
  if (again.changed)
    throw Error(Code::internal, "a second import changed something").on("import", reference);
  story.tell("again", "the same import once more: nothing moved");
  if (!out.is_quiet()) print_facts(out, {{"root digest", manifest.root_digest}});

  Json json = release_json(manifest, result.uri, result.changed);
  json["store"] = stage.store_uri;
  json["registry"] = stage.registry->name();
  json["alias"] = kAlias;
  json["bytes_fetched"] = result.stats.fetched;
  json["seconds"] = static_cast<double>(result.stats.elapsed.count()) / 1000;
  json["steps"] = story.steps();
  out.json(json);
  if (out.is_quiet()) out.line(reference);
  tell_what_next(out, stage, manifest.name);
  return 0;
}

int serve(Context& context) {
  HubEndpoint endpoint({{.id = DemoHub::repo(), .source = std::make_shared<DemoModel>()}});
  const http::Server server(
      parse_listen(context.args().text("listen")),
      [&](const http::ServerRequest& request) { return endpoint.handle(request); });
  Output& out = context.out();
  out.line(server.url());
  out.json({{"url", server.url()}, {"repo", DemoHub::repo()}});
  out.note(fmt::format("Serving {} until stopped (Ctrl-C). In another terminal:", DemoHub::repo()));
  out.note(fmt::format("  HF_ENDPOINT={} dray import hf://{}", server.url(), DemoHub::repo()));
  out.note(fmt::format("  HF_ENDPOINT={} hf download {}", server.url(), DemoHub::repo()));
  out.flush();
  while (wait_for(context.stop(), std::chrono::hours(1))) {
  }
  return 0;
}

int run(Context& context) {
  if (context.args().flag("serve")) return serve(context);
  // The demonstration needs no network, so a machine that is kept offline can run it too.
  unsetenv("HF_HUB_OFFLINE");
  unsetenv("TRANSFORMERS_OFFLINE");
  return demonstrate(context);
}

}  // namespace

Command demo_command() {
  return {
      .name = "demo",
      .group = "Set up",
      .summary = "show the whole job on a small made-up model, without network or setup",
      .details =
          "Makes a model of some 60 MB (real Llama tensor names, two shards, a tokenizer), serves "
          "it on "
          "this machine as the Hub would, imports it over HTTP into a folder, registers and "
          "verifies it. "
          "The same code as in a real import.",
      .options =
          join({{{.name = "dir",
                  .value = "DIR",
                  .help = "where store and registry go; by default a folder of your own below the "
                          "temporary one"},
                 {.name = "serve",
                  .value = "",
                  .help = "only serve the model as the Hub would, until stopped"},
                 {.name = "listen",
                  .value = "HOST:PORT",
                  .help = "where --serve listens; port 0 takes a free one",
                  .standard = "127.0.0.1:0"}},
                transfer_options()}),
      .examples = {{"dray demo", "all of it, in some seconds"},
                   {"dray demo --serve", "print the address, and serve other clients of the Hub"}},
      .run = run};
}

}  // namespace dray::cli
