#include "dray/cli/actor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "dray/base/bytes.h"
#include "tests/support/temp_folder.h"

namespace dray::cli {
namespace {

using testing::HasSubstr;

struct CliActor : testing::Test {
  Actor find() {
    return find_actor(
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        },
        (folder.path() / "token").string());
  }
  void token(const std::string& claims) {
    std::string middle = to_base64(as_bytes(claims));
    while (middle.ends_with('=')) middle.pop_back();
    for (char& c : middle) c = c == '+' ? '-' : c == '/' ? '_' : c;
    std::ofstream(folder.path() / "token") << "head." << middle << ".sign";
  }
  std::map<std::string, std::string> variables;
  test::TempFolder folder;
};

TEST_F(CliActor, ALoginAndItsMachine) {
  const Actor actor = find();
  EXPECT_EQ(actor.source, "login");
  EXPECT_THAT(actor.name, HasSubstr("@"));
}

TEST_F(CliActor, CiSystems) {
  variables = {{"GITHUB_ACTIONS", "true"},
               {"GITHUB_ACTOR", "ann"},
               {"GITHUB_REPOSITORY", "org/models"},
               {"GITHUB_RUN_ID", "17"}};
  EXPECT_EQ(find().name, "ann@org/models");
  EXPECT_EQ(find().source, "github-actions https://github.com/org/models/actions/runs/17");
  variables = {{"GITLAB_CI", "true"},
               {"GITLAB_USER_LOGIN", "bob"},
               {"CI_PROJECT_PATH", "group/models"},
               {"CI_JOB_URL", "https://gitlab.example/group/models/-/jobs/3"}};
  EXPECT_EQ(find().name, "bob@group/models");
  EXPECT_EQ(find().source, "gitlab-ci https://gitlab.example/group/models/-/jobs/3");
  variables = {{"JENKINS_URL", "https://ci.example/"},
               {"BUILD_URL", "https://ci.example/job/models/5/"},
               {"JOB_NAME", "models"}};
  EXPECT_EQ(find().name, "jenkins@models");
  variables = {{"GITHUB_ACTIONS", "true"}};
  EXPECT_EQ(find().source, "login") << "half of it is none of it";
}

TEST_F(CliActor, TheServiceAccountOfAPod) {
  variables = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"HOSTNAME", "import-x7"}};
  EXPECT_EQ(find().source, "login") << "no token";
  token(R"({"iss": "k", "sub": "system:serviceaccount:ml:importer", "n": "???>>>"})");
  EXPECT_EQ(find().name, "system:serviceaccount:ml:importer");
  EXPECT_EQ(find().source, "kubernetes import-x7");
  for (const char* bad : {"", "[]", "{", R"({"sub": 1})", R"({"sub": ""})"}) {
    token(bad);
    EXPECT_EQ(find().source, "login") << bad;
  }
  variables.erase("KUBERNETES_SERVICE_HOST");
  token(R"({"sub": "system:serviceaccount:ml:importer"})");
  EXPECT_EQ(find().source, "login");
}

}  // namespace
}  // namespace dray::cli
