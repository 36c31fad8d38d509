// The built program, as people and scripts meet it: stdout, stderr, exit status.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "dray/base/digest.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "tests/support/cli_fixture.h"

namespace dray {
namespace {

namespace fs = std::filesystem;

using test::has;
using test::last_line;

class Cli : public test::Cli {};
class CliHub : public test::CliHub {};

TEST_F(Cli, VersionNeedsNothing) {
  write("config/dray/config.yaml", "broken: [");
  const auto result = dray({"--version"});
  EXPECT_EQ(result.out, "dray " DRAY_VERSION "\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(json_of(dray({"--version", "--json"}))["version"], DRAY_VERSION);
  EXPECT_FALSE(fs::exists(folder() / "data"));
}

TEST_F(Cli, WithoutArgumentsShowsExamples) {
  const auto result = dray({});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(has(result.out, "Examples:\n  dray demo"));
  EXPECT_TRUE(has(dray({"import", "--help"}).out, "Examples:\n  dray import hf://"));
  EXPECT_TRUE(has(dray({"help", "exit-codes"}).out, "E_VERIFICATION"));
}

TEST_F(Cli, UsageErrorsAreOnStderrWithStatus2) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"improt"},
                                             {"import"},
                                             {"import", "a/b", "--dry-rnu"},
                                             {"list", "--progress", "loud"},
                                             {"show", ":"},
                                             {"list", "--store", "nowhere"},
                                             {"verify"}}) {
    const auto result = dray(words);
    EXPECT_EQ(result.status, 2) << words.back();
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
  }
  EXPECT_TRUE(has(dray({"improt"}).err, "hint: did you mean `dray import`?"));
}

TEST_F(Cli, ErrorsInJson) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"improt", "--json"}, {"show", "absent", "--json"}}) {
    const auto result = dray(words);
    EXPECT_EQ(result.out, "");
    const Json error = parse_json(last_line(result.err), "stderr")["error"];
    EXPECT_TRUE(error["code"] == "E_USAGE" || error["code"] == "E_NOT_FOUND") << result.err;
    EXPECT_TRUE(error["message"].is_string() && error["hint"].is_string() &&
                error["retryable"].is_boolean());
  }
}

TEST_F(Cli, AFolderBecomesAReleaseAndComesBack) {
  make_model();
  const Json made = json_of(dray({"import", "./model", "--to", "dir:store", "--alias", "production",
                                  "--reason", "first", "--json"}));
  EXPECT_EQ(made["name"], "model");
  EXPECT_EQ(made["version"], "1.0.0");
  EXPECT_EQ(made["changed"], true);
  EXPECT_EQ(made["registered"], false);
  EXPECT_TRUE(made["root_digest"].get<std::string>().starts_with("sha256:"));
  EXPECT_EQ(made["uri"], (folder() / "store/model-data/model/1.0.0/").string());
  EXPECT_EQ(made["files"], 4);

  dray.environment["DRAY_STORE"] = "dir:store";
  const Json listed = json_of(dray({"list", "--json"}));
  EXPECT_EQ(listed["models"][0]["name"], "model");
  EXPECT_EQ(listed["models"][0]["aliases"]["production"], "1.0.0");
  EXPECT_EQ(dray({"list", "-q"}).out, "model\n");
  EXPECT_EQ(dray({"list", "model", "-q"}).out, "model:1.0.0\n");
  const Json shown = json_of(dray({"show", "model@production", "--json"}));
  EXPECT_EQ(shown["root_digest"], made["root_digest"]);
  EXPECT_EQ(shown["files"].size(), 4u);
  EXPECT_TRUE(has(dray({"show", "model"}).out, "model.safetensors"));
  EXPECT_EQ(json_of(dray({"verify", "model", "--json"}))["intact"], true);
  EXPECT_EQ(json_of(dray({"verify", "--all", "--quick", "--json"}))["releases"], 1);

  const Json pulled = json_of(dray({"pull", "model@production", "out", "--json"}));
  EXPECT_EQ(pulled["changed"], true);
  EXPECT_EQ(read_file(folder() / "out/model.safetensors"),
            read_file(folder() / "model/model.safetensors"));
  EXPECT_EQ(json_of(dray({"pull", "model", "out", "--json"}))["changed"], false);
}

TEST_F(Cli, DryRunsDoNothing) {
  make_model();
  const auto plan = dray({"import", "./model", "--to", "dir:store", "--dry-run"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_TRUE(has(plan.out, "model.safetensors"));
  EXPECT_TRUE(has(plan.out, "mit"));
  const Json json =
      json_of(dray({"import", "./model", "--to", "dir:store", "--dry-run", "--json"}));
  EXPECT_EQ(json["dry_run"], true);
  EXPECT_EQ(json["would_change"], true);
  EXPECT_EQ(json["files"].size(), 4u);
  EXPECT_FALSE(fs::exists(folder() / "store/model-data"));

  ASSERT_EQ(dray({"import", "./model", "--to", "dir:store"}).status, 0);
  dray.environment["DRAY_STORE"] = "dir:store";
  EXPECT_TRUE(has(dray({"promote", "model", "production", "--dry-run"}).out, "would point"));
  EXPECT_TRUE(json_of(dray({"list", "--json"}))["models"][0]["aliases"].empty());
  EXPECT_TRUE(has(dray({"pull", "model", "out", "--dry-run"}).out, "would be fetched"));
  EXPECT_FALSE(fs::exists(folder() / "out"));
}

TEST_F(Cli, AliasesMoveAndTheirHistoryTells) {
  make_model();
  dray.environment["DRAY_TO"] = "dir:store";
  dray.environment["DRAY_STORE"] = "dir:store";
  ASSERT_EQ(dray({"import", "./model", "--version", "1.0.0"}).status, 0);
  ASSERT_EQ(dray({"import", "./model", "--version", "1.0.1"}).status, 0);
  EXPECT_EQ(json_of(dray({"promote", "model:1.0.0", "production", "--json"}))["changed"], true);
  EXPECT_EQ(json_of(dray({"promote", "model:1.0.0", "production", "--json"}))["changed"], false);
  const Json moved =
      json_of(dray({"promote", "model", "production", "--reason", "evaluation passed", "--json"}));
  EXPECT_EQ(moved["version"], "1.0.1");
  EXPECT_EQ(moved["previous"], "1.0.0");
  const Json history =
      json_of(dray({"history", "model", "--alias", "production", "--json"}))["history"];
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[1]["reason"], "evaluation passed");
  EXPECT_TRUE(has(history[1]["by"].get<std::string>(), "@"));
  EXPECT_EQ(dray({"history", "absent"}).status, 4);
}

TEST_F(Cli, VerifyNamesWhatIsDamaged) {
  make_model();
  ASSERT_EQ(dray({"import", "./model", "--to", "dir:store"}).status, 0);
  const fs::path file = folder() / "store/model-data/model/1.0.0/model.safetensors";
  fs::permissions(file, fs::perms::owner_all);
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(100).put('!');
  const auto result = dray({"verify", "model", "--store", "dir:store", "--json"});
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(parse_json(last_line(result.out), "stdout")["problems"][0]["path"],
            "model.safetensors");
  EXPECT_EQ(parse_json(last_line(result.err), "stderr")["error"]["code"], "E_VERIFICATION");
  EXPECT_TRUE(has(dray({"verify", "model", "--store", "dir:store"}).out, "model.safetensors"));
}

TEST_F(Cli, AdoptTellsThenRecords) {
  make_model();
  fs::create_directories(folder() / "store/model-data/old");
  fs::copy(folder() / "model", folder() / "store/model-data/old/2.0.0",
           fs::copy_options::recursive);
  const std::string location = "dir:" + (folder() / "store/model-data/").string();
  EXPECT_EQ(dray({"adopt", location}).out, "old:2.0.0\n");
  EXPECT_EQ(json_of(dray({"list", "--store", "dir:store", "--json"}))["models"].size(), 0u);
  EXPECT_EQ(json_of(dray({"adopt", location + "old/2.0.0/", "--json"}))["changed"], true);
  EXPECT_EQ(json_of(dray({"adopt", location + "old/2.0.0", "--json"}))["changed"], false);
  EXPECT_EQ(dray({"verify", "old:2.0.0", "--store", "dir:store"}).status, 0);
  EXPECT_EQ(dray({"adopt", location, "--all", "--json"}).status, 0);
  EXPECT_EQ(dray({"adopt", location, "--name", "x"}).status, 2);
}

TEST_F(Cli, AFolderThatIsNotThereIsNoEmptyStore) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"gc", "--store", "dir:missing"},
        {"adopt", "dir:missing"},
        {"adopt", "dir:missing/model-data/"},
        {"adopt", "dir:missing", "--all"}}) {
    const auto result = dray(command);
    EXPECT_EQ(result.status, 4) << command[0];
    EXPECT_TRUE(has(result.err, "hint: ")) << result.err;
  }
}

TEST_F(Cli, APlaceThatTakesNoFoldersIsSaidWithAHint) {
  make_model();
  const auto result = dray({"import", "./model", "--to", "dir:/proc/x"});
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_TRUE(has(result.err, "/proc/x")) << result.err;
  EXPECT_TRUE(has(result.err, "hint: choose a place on a disk")) << result.err;
}

TEST_F(Cli, GcTellsWithoutTouching) {
  make_model();
  ASSERT_EQ(dray({"import", "./model", "--to", "dir:store"}).status, 0);
  const Json json = json_of(dray({"gc", "--store", "dir:store", "--json"}));
  EXPECT_EQ(json["leftovers"].size(), 0u);
  EXPECT_EQ(json["changed"], false);
}

TEST_F(Cli, FilesAndVariablesConfigure) {
  make_model();
  write(".dray.yaml",
        "store: shelf\nstores:\n  shelf: dir:" + (folder() / "named").string() + "\n");
  write("config/dray/config.yaml", "memory: 128MiB\nconnections: 3\n");
  EXPECT_TRUE(
      has(json_of(dray({"import", "./model", "--json"}))["uri"].get<std::string>(), "/named/"));
  dray.environment["DRAY_MEMORY"] = "200MiB";
  const Json settings = json_of(dray({"config", "show", "--json"}))["settings"];
  EXPECT_EQ(settings["memory"]["value"], "200MiB");
  EXPECT_EQ(settings["memory"]["origin"], "DRAY_MEMORY");
  EXPECT_EQ(settings["connections"]["origin"],
            (folder() / "config/dray/config.yaml").string() + ":2");
  EXPECT_EQ(settings["store"]["origin"], ".dray.yaml:1");
  EXPECT_EQ(settings["registry"]["origin"], "DRAY_REGISTRY");
  EXPECT_TRUE(has(dray({"config", "show", "--origin"}).out, "memory: 200MiB  # DRAY_MEMORY"));
  // What it prints is what it reads.
  const std::string printed = dray({"config", "show"}).out;
  write("again.yaml", printed);
  EXPECT_EQ(dray({"config", "show", "--config", "again.yaml"}).out, printed);
  write(".dray.yaml", "stroe: x\n");
  const auto broken = dray({"list"});
  EXPECT_EQ(broken.status, 2);
  EXPECT_TRUE(has(broken.err, ".dray.yaml:1: unknown key 'stroe'"));
  EXPECT_TRUE(has(broken.err, "did you mean 'store'?"));
  EXPECT_EQ(dray({"list", "--no-config"}).status, 0);
}

TEST_F(Cli, VariablesThatMeanNothingAreTold) {
  dray.environment["DRAY_MEMROY"] = "1GiB";
  EXPECT_TRUE(has(dray({"list"}).err, "did you mean DRAY_MEMORY?"));
}

TEST_F(Cli, TheDemonstrationDoesTheWholeJob) {
  dray.environment["HF_HUB_OFFLINE"] = "1";  // what it does needs no network
  dray.environment["HF_TOKEN"] = "hf_notforthedemo";
  const auto result = dray({"demo", "--dir", "demo", "--json", "-vv"});
  const Json json = json_of(result);
  EXPECT_EQ(json["name"], "tiny-llama");
  EXPECT_EQ(json["version"], "1.0.0");
  EXPECT_EQ(json["changed"], true);
  EXPECT_FALSE(has(result.err, "hf_notforthedemo"));
  const std::string store = json["store"];
  const Json shown = json_of(dray({"show", "tiny-llama@production", "--store", store, "--json"}));
  EXPECT_EQ(shown["root_digest"], json["root_digest"]);
  EXPECT_EQ(json_of(dray({"verify", "tiny-llama", "--store", store, "--json"}))["intact"], true);
  const auto again = dray({"demo", "--dir", "demo"});  // starts anew
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(has(again.out, "sha256:"));
  EXPECT_TRUE(has(again.err, "dray pull tiny-llama@production"));
}

TEST_F(Cli, TheDemonstrationRemovesNothingOfOthers) {
  write("mine/store/file", "precious");
  const auto result = dray({"demo", "--dir", "mine"});
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(has(result.err, "it holds something else"));
  EXPECT_EQ(read_file(folder() / "mine/store/file"), "precious");
}

TEST_F(Cli, TheDemonstrationsHubServesOthers) {
  auto hub = dray.start({"demo", "--serve", "--json"});
  ASSERT_TRUE(hub.wait_for_text("\n"));
  auto reader = dray;
  reader.environment["HF_ENDPOINT"] = parse_json(last_line(hub.text()), "stdout")["url"];
  const Json made = json_of(reader({"import", "demo/tiny-llama", "--to", "dir:store", "--json"}));
  EXPECT_EQ(made["name"], "tiny-llama");
  hub.signal(SIGTERM);
  EXPECT_EQ(hub.finish().status, 0);
  EXPECT_EQ(dray({"demo", "--serve", "--listen", "nonsense"}).status, 2);
}

TEST_F(CliHub, ImportsFromAHub) {
  put(1000);
  const auto result = dray({"import", "hf://org/llama", "--progress", "plain"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(has(result.out, "llama:1.0.0"));
  EXPECT_TRUE(has(result.out, commit_));
  EXPECT_TRUE(has(result.out, "sha256:"));
  EXPECT_TRUE(has(result.err, "left out: "));
  EXPECT_TRUE(has(result.err, "next: dray promote llama:1.0.0 production"));
  EXPECT_FALSE(has(result.err, "\r"));
  EXPECT_EQ(dray({"import", "org/llama", "-q"}).out, "llama:1.0.0\n");
  EXPECT_EQ(json_of(dray({"import", "org/llama@main", "--json"}))["changed"], false);
}

TEST_F(CliHub, FailuresHaveTheirOwnStatus) {
  put(10, true);
  EXPECT_EQ(dray({"import", "org/absent"}).status, 4);
  const auto refused = dray({"import", "org/llama", "--json"});
  EXPECT_TRUE(refused.status == 4 || refused.status == 5) << refused.err;
  EXPECT_FALSE(
      parse_json(last_line(refused.err), "stderr")["error"]["hint"].get<std::string>().empty());
  dray.environment["HF_ENDPOINT"] = "http://127.0.0.1:1";
  EXPECT_EQ(dray({"doctor", "--json"}).status, 8);
}

TEST_F(CliHub, TokensAreNeverShown) {
  put(10, true);
  const std::string token(test::FakeHub::kToken);
  write("token", token + "\n");
  fs::permissions(folder() / "token", fs::perms::owner_read);
  for (const bool by_file : {true, false}) {
    std::vector<std::string> words = {"import", "org/llama", "-vv", "--json", "--progress", "json"};
    if (by_file) words.insert(words.end(), {"--token-file", "token", "--name", "by-file"});
    dray.environment["HF_TOKEN"] = by_file ? "" : token;
    dray.environment["DRAY_REGISTRY_TOKEN"] = "registry-secret";
    const auto result = dray(words);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_FALSE(has(result.out + result.err, token));
    EXPECT_FALSE(has(result.out + result.err, "registry-secret"));
  }
  dray.environment["HF_TOKEN"] = token;
  dray.environment["https_proxy"] = "http://user:proxy-secret@127.0.0.1:1";
  for (const auto& words :
       {std::vector<std::string>{"doctor", "-vv"}, {"config", "show", "--origin"}}) {
    const auto result = dray(words);
    EXPECT_FALSE(has(result.out + result.err, token));
    EXPECT_FALSE(has(result.out + result.err, "proxy-secret"));
  }
  const auto argv = dray({"import", "org/llama", "--token", "hf_typed"});
  EXPECT_EQ(argv.status, 2);
  EXPECT_FALSE(has(argv.err, "hf_typed"));
}

TEST_F(CliHub, SignalsStopAndTell) {
  put(4 << 20);
  hub_.cdn_fault(
      [](const test::RawRequest&, test::RawResponse& response) { response.stall_after = 1000; });
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::size_t before = hub_.cdn_requests().size();
    auto running = dray.start({"import", "org/llama", "--progress", "plain"});
    ASSERT_TRUE(running.wait_for_error_text(" of 3 files"));
    // The first line may come before the file is begun, which is what is asked for below; planning
    // has asked for one byte of it.
    while (hub_.cdn_requests().size() < before + 2) std::this_thread::yield();
    running.signal(SIGUSR1);
    ASSERT_TRUE(running.wait_for_error_text("model.safetensors: "));
    running.signal(signal);
    const auto result = running.finish();
    EXPECT_EQ(result.status, 128 + signal) << result.err;
    EXPECT_TRUE(has(result.err, "Stopped.")) << result.err;
    EXPECT_TRUE(
        has(result.err, "the same command to continue: dray import org/llama --progress plain"))
        << result.err;
    EXPECT_EQ(result.out, "");
  }
  hub_.cdn_fault(nullptr);
  EXPECT_EQ(dray({"import", "org/llama", "--wait", "2m"}).status, 0);
}

TEST_F(CliHub, ARegistryThatIsDownLeavesACompleteRelease) {
  put(10);
  dray.environment["DRAY_REGISTRY"] = "http://127.0.0.1:1";
  const auto result = dray({"import", "org/llama", "--json"});
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_EQ(parse_json(last_line(result.out), "stdout")["changed"], true);
  EXPECT_TRUE(has(parse_json(last_line(result.err), "stderr")["error"]["hint"].get<std::string>(),
                  "dray registry register llama:1.0.0"));
  dray.environment["DRAY_REGISTRY"] = "";  // the embedded one
  EXPECT_EQ(json_of(dray({"registry", "register", "llama", "--json"}))["changed"], true);
  EXPECT_EQ(json_of(dray({"registry", "register", "llama", "--json"}))["changed"], false);
}

TEST_F(CliHub, DoctorJudgesEachThing) {
  put(10, true);
  const std::string token(test::FakeHub::kToken);
  dray.environment["HF_TOKEN"] = token;
  const Json good = json_of(dray({"doctor", "org/llama", "--json"}));
  EXPECT_EQ(good["ok"], true);
  std::map<std::string, std::string> states;
  for (const auto& check : good["checks"]) states[check["name"]] = check["status"];
  for (const char* name : {"proxy", "memory", "hub", "token", "source", "store", "registry"})
    EXPECT_NE(states[name], "fail") << name;
  EXPECT_EQ(states["source"], "ok");
  EXPECT_EQ(states["store"], "ok");
  // A store that cannot be written.
  write("occupied", "a file");
  const auto bad = dray({"doctor", "--store", "dir:occupied/store"});
  EXPECT_NE(bad.status, 0);
  EXPECT_TRUE(has(bad.out, "fail  store")) << bad.out;
}

}  // namespace
}  // namespace dray
