#include "dray/cli/args.h"

#include <gtest/gtest.h>

#include <map>

#include "dray/base/error.h"

namespace dray::cli {
namespace {

struct Layers {
  std::map<std::string, std::string> variables;
  Config config;

  Args operator()(const std::vector<std::string>& words) const {
    const Invocation invocation = parse_command_line(words);
    return Args(
        *invocation.command, invocation,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        config);
  }
};

TEST(CliArgs, FlagBeforeVariableBeforeFileBeforeDefault) {
  Layers layers;
  EXPECT_EQ(layers({"import", "a/b"}).text("memory"), "256MiB");
  EXPECT_EQ(layers({"import", "a/b"}).find("memory")->origin, "default");
  layers.config.add("memory: 1GiB\n", "f.yaml");
  EXPECT_EQ(layers({"import", "a/b"}).text("memory"), "1GiB");
  EXPECT_EQ(layers({"import", "a/b"}).find("memory")->origin, "f.yaml:1");
  layers.variables["DRAY_MEMORY"] = "2GiB";
  EXPECT_EQ(layers({"import", "a/b"}).text("memory"), "2GiB");
  EXPECT_EQ(layers({"import", "a/b", "--memory", "3GiB"}).number("memory"),
            3 * (std::uint64_t{1} << 30));
  EXPECT_EQ(layers({"import", "a/b", "--memory", "3GiB"}).find("memory")->origin, "--memory");
}

TEST(CliArgs, AVariableCountsOnlyBesideWhatItsOptionNeeds) {
  Layers layers;
  layers.variables["DRAY_GROUP_SIZE"] = "64";
  EXPECT_EQ(layers({"import", "a/b"}).find("group-size"), nullptr);
  EXPECT_TRUE(layers({"import", "a/b"}).told_by_environment().empty());
  EXPECT_EQ(layers({"import", "a/b", "--group-size", "32"}).text("group-size"), "32");
  EXPECT_EQ(layers({"import", "a/b", "--compress", "W4A16"}).text("group-size"), "64");
  EXPECT_EQ(layers({"quantize", "a/b", "W4A16"}).text("group-size"), "64");
  layers.variables["DRAY_COMPRESS"] = "W4A16";
  EXPECT_EQ(layers({"import", "a/b"}).text("group-size"), "64");
}

TEST(CliArgs, OurVariableBeforeTheNativeOneBeforeFiles) {
  Layers layers;
  layers.config.add("registry: https://file\n", "f.yaml");
  layers.variables["MODEL_REGISTRY_URL"] = "https://native";
  EXPECT_EQ(layers({"import", "a/b"}).text("registry"), "https://native");
  layers.variables["DRAY_REGISTRY"] = "https://ours";
  EXPECT_EQ(layers({"import", "a/b"}).text("registry"), "https://ours");
}

TEST(CliArgs, ToAndStoreAreOnePlace) {
  Layers layers;
  layers.config.add("store: dir:/file\n", "f.yaml");
  EXPECT_EQ(layers({"import", "a/b"}).text("to"), "dir:/file");
  EXPECT_EQ(layers({"list"}).text("store"), "dir:/file");
  layers.variables["DRAY_STORE"] = "dir:/variable";
  EXPECT_EQ(layers({"import", "a/b"}).text("to"), "dir:/variable");
  EXPECT_EQ(layers({"list"}).text("store"), "dir:/variable");
}

TEST(CliArgs, SwitchesInTheEnvironment) {
  Layers layers;
  layers.variables["DRAY_JSON"] = "1";
  EXPECT_TRUE(layers({"list"}).flag("json"));
  layers.variables["DRAY_JSON"] = "no";
  EXPECT_FALSE(layers({"list"}).flag("json"));
  EXPECT_TRUE(layers({"list", "--json"}).flag("json"));
  EXPECT_FALSE(layers({"list", "--json=false"}).flag("json"));
  layers.variables["DRAY_JSON"] = "maybe";
  EXPECT_THROW(layers({"list"}), Error);
}

TEST(CliArgs, CountsVerbosity) {
  Layers layers;
  EXPECT_EQ(layers({"list"}).times("verbose"), 0);
  EXPECT_EQ(layers({"list", "-vv"}).times("verbose"), 2);
  EXPECT_EQ(layers({"list", "-v", "--verbose"}).times("verbose"), 2);
  layers.variables["DRAY_VERBOSE"] = "2";
  EXPECT_EQ(layers({"list"}).times("verbose"), 2);
  layers.variables["DRAY_VERBOSE"] = "true";
  EXPECT_EQ(layers({"list"}).times("verbose"), 1);
}

TEST(CliArgs, SeveralValuesInTheEnvironment) {
  Layers layers;
  layers.variables["DRAY_INCLUDE"] = "*.json,,*.safetensors,";
  EXPECT_EQ(layers({"import", "a/b"}).list("include"),
            (std::vector<std::string>{"*.json", "*.safetensors"}));
}

TEST(CliArgs, BadValuesNameWhereTheyComeFrom) {
  Layers layers;
  const auto message = [&](const std::vector<std::string>& words) -> std::string {
    try {
      layers(words);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::usage);
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(message({"import", "a/b", "--memory", "lots"}), "--memory: 'lots' is not a size");
  EXPECT_NE(message({"import", "a/b", "--connections", "0"}).find("1 to 100000"),
            std::string::npos);
  EXPECT_NE(message({"import", "a/b", "--wait", "soon"}).find("a length of time"),
            std::string::npos);
  layers.variables["DRAY_PROGRESS"] = "loud";
  EXPECT_EQ(message({"list"}),
            "progress (DRAY_PROGRESS): 'loud' is not one of auto, tty, plain, json, none");
  layers.variables.clear();
  layers.config.add("\nmemory: lots\n", "conf.yaml");
  EXPECT_EQ(message({"import", "a/b"}), "memory (conf.yaml:2): 'lots' is not a size");
}

TEST(CliArgs, Durations) {
  using std::chrono::milliseconds;
  EXPECT_EQ(parse_duration("90"), milliseconds(90'000));
  EXPECT_EQ(parse_duration("90s"), milliseconds(90'000));
  EXPECT_EQ(parse_duration("10m"), milliseconds(600'000));
  EXPECT_EQ(parse_duration("2h"), milliseconds(7'200'000));
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("366d"), milliseconds(366LL * 86'400'000));
  for (const char* bad : {"", "s", "-1", "1.5h", "1 h", "367d", "99999999999999999999", "10 m"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(CliArgs, TellsSlipsInVariableNames) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(misspelt_variables({"DRAY_MEMROY", "HOME"}), (Pairs{{"DRAY_MEMROY", "DRAY_MEMORY"}}));
  // What Kubernetes sets for a service called dray, and what is right.
  EXPECT_EQ(misspelt_variables({"DRAY_PORT", "DRAY_SERVICE_HOST", "DRAY_PORT_8080_TCP_ADDR",
                                "DRAY_STORE", "DRAY_REGISTRY_TOKEN"}),
            Pairs{});
}

}  // namespace
}  // namespace dray::cli
