#include "dray/registry/kubeflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "tests/support/fake_kubeflow.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

using test::FakeKubeflow;
using test::RawRequest;
using test::RawResponse;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class KubeflowTest : public testing::Test {
 protected:
  KubeflowTest() {
    options_.service_account_folder = folder_.path().string();
    options_.retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
  }

  std::unique_ptr<Registry> open(const std::string& path = "") {
    return open_kubeflow_registry(http::parse_url(fake_.url() + path), options_);
  }
  std::string write(const std::string& name, const std::string& content) {
    std::ofstream(folder_.path() / name) << content;
    return (folder_.path() / name).string();
  }

  test::TempFolder folder_;
  KubeflowOptions options_;
  FakeKubeflow fake_;
};

Registration llama() {
  return {.name = "llama",
          .version = "1.0.0",
          .uri = "s3://models/model-data/llama/1.0.0/",
          .description = "a model",
          .author = "meta",
          .source_kind = "huggingface",
          .source_group = "meta",
          .source_name = "meta/llama",
          .source_id = "c0ffee",
          .properties = {{"root_digest", "sha256:aa"}, {"size_bytes", "12345678901"}}};
}

Json string_value(const std::string& value) {
  return {{"metadataType", "MetadataStringValue"}, {"string_value", value}};
}

template <typename F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.side(), Side::registry) << e.what();
    return e;
  }
  ADD_FAILURE() << "no error";
  return Error(Code::internal, "none");
}

std::optional<RawResponse> html(int status) {
  return RawResponse{.status = status,
                     .headers = {{"Content-Type", "text/html"}},
                     .body = "<!DOCTYPE html><html><body>Log in with OpenShift</body></html>"};
}

TEST_F(KubeflowTest, RegistersInTheShapeTheOfficialClientReads) {
  auto registry = open();
  const auto ids = registry->put(llama(), {});
  EXPECT_TRUE(ids.changed);
  ASSERT_EQ(fake_.models().size(), 1U);
  const Json model = fake_.models()[0];
  EXPECT_EQ(model["id"], ids.model_id);
  EXPECT_EQ(model["state"], "LIVE");
  EXPECT_EQ(model["owner"], "meta");
  ASSERT_EQ(fake_.model_versions().size(), 1U);
  const Json version = fake_.model_versions()[0];
  EXPECT_EQ(version["name"], "1.0.0");
  EXPECT_EQ(version["registeredModelId"], ids.model_id);
  EXPECT_EQ(version["author"], "meta");
  EXPECT_EQ(version["customProperties"], (Json{{"root_digest", string_value("sha256:aa")},
                                               {"size_bytes", string_value("12345678901")}}));
  ASSERT_EQ(fake_.artifacts().size(), 1U);
  const Json artifact = fake_.artifacts()[0];
  EXPECT_EQ(artifact["id"], ids.artifact_id);
  EXPECT_EQ(artifact["artifactType"], "model-artifact");
  EXPECT_EQ(artifact["name"], "llama")
      << "named like the model, or get_model_artifact finds nothing";
  EXPECT_EQ(artifact["uri"], llama().uri);
  EXPECT_EQ(artifact["state"], "LIVE");
  EXPECT_EQ(artifact["modelFormatName"], "safetensors");
  EXPECT_EQ(artifact["modelSourceName"], "meta/llama");
  EXPECT_FALSE(artifact.contains("modelSourceClass")) << "what is not stated is left out";
}

TEST_F(KubeflowTest, PuttingAgainChangesNothing) {
  const auto first = open()->put(llama(), {});
  const auto second = open()->put(llama(), {});
  EXPECT_FALSE(second.changed);
  EXPECT_EQ(second.model_id, first.model_id);
  EXPECT_EQ(second.version_id, first.version_id);
  EXPECT_EQ(second.artifact_id, first.artifact_id);
  EXPECT_EQ(fake_.artifacts().size(), 1U);
}

TEST_F(KubeflowTest, CompletesWhatADeadRunLeft) {
  // A crash between two requests leaves a model alone, or a version without artifact; the official
  // client then fails for ever with "already exists".
  const std::string model = fake_.add_model("llama");
  EXPECT_TRUE(open()->put(llama(), {}).changed);
  const std::string version = fake_.add_version(model, "2.0.0");
  auto next = llama();
  next.version = "2.0.0";
  const auto ids = open()->put(next, {});
  EXPECT_TRUE(ids.changed);
  EXPECT_EQ(ids.version_id, version);
  EXPECT_EQ(fake_.models().size(), 1U);
  EXPECT_EQ(fake_.artifacts().size(), 2U);
}

TEST_F(KubeflowTest, OtherContentOrPlaceIsAConflict) {
  open()->put(llama(), {});
  auto other_bytes = llama();
  other_bytes.properties["root_digest"] = "sha256:bb";
  const Error a = error_of([&] { open()->put(other_bytes, {}); });
  EXPECT_EQ(a.code(), Code::conflict);
  EXPECT_THAT(a.message(), HasSubstr("sha256:aa, not sha256:bb"));
  auto other_place = llama();
  other_place.uri = "s3://elsewhere/";
  other_place.properties.erase("root_digest");  // whether it is the same is not known
  EXPECT_EQ(error_of([&] { open()->put(other_place, {}); }).code(), Code::conflict);
  EXPECT_EQ(fake_.artifacts().size(), 1U);
}

TEST_F(KubeflowTest, TheSameBytesInASecondStoreAreAFurtherArtifact) {
  const auto first = open()->put(llama(), {});
  auto second_store = llama();
  second_store.uri = "s3://elsewhere/llama/1.0.0/";
  const auto second = open()->put(second_store, {});
  EXPECT_TRUE(second.changed);
  EXPECT_EQ(second.version_id, first.version_id);
  EXPECT_FALSE(open()->put(second_store, {}).changed);
  EXPECT_FALSE(open()->put(llama(), {}).changed);
  ASSERT_EQ(fake_.artifacts().size(), 2U);
  EXPECT_EQ(fake_.artifacts()[1]["name"], second_store.uri);
  const auto found = open()->find("llama", "1.0.0", {});
  EXPECT_EQ(found->uri, llama().uri) << "official clients look for the one named like the model";
  EXPECT_THAT(found->other_uris, ElementsAre(second_store.uri));
}

TEST_F(KubeflowTest, AliasesAreShownAndNothingElseChanges) {
  open()->put(llama(), {});
  const std::string second =
      fake_.add_version(fake_.models()[0]["id"], "2.0.0", {{"kept", string_value("yes")}});
  open()->set_state("llama", "2.0.0", "ARCHIVED", {});
  fake_.archive_model(fake_.models()[0]["id"]);

  EXPECT_TRUE(open()->project_aliases({"llama", {{"production", "2.0.0"}}}, {}));
  EXPECT_EQ(fake_.models()[0]["customProperties"],
            (Json{{"alias.production", string_value("2.0.0")}}));
  EXPECT_EQ(fake_.models()[0]["state"], "ARCHIVED") << "the server's default would be LIVE";
  EXPECT_EQ(fake_.model_versions()[1]["customProperties"],
            (Json{{"@production", string_value("")}, {"kept", string_value("yes")}}));
  EXPECT_EQ(fake_.model_versions()[1]["state"], "ARCHIVED");
  EXPECT_FALSE(fake_.model_versions()[0]["customProperties"].contains("@production"));

  const auto writes = [this] {
    return std::ranges::count_if(fake_.calls(),
                                 [](const std::string& call) { return call[0] == 'P'; });
  };
  const auto before = writes();
  EXPECT_FALSE(open()->project_aliases({"llama", {{"production", "2.0.0"}}}, {}));
  EXPECT_EQ(writes(), before) << "compared, and not written where equal";
  EXPECT_TRUE(open()->project_aliases({"llama", {}}, {}));
  EXPECT_EQ(fake_.model_versions()[1]["customProperties"], (Json{{"kept", string_value("yes")}}));
  EXPECT_EQ(error_of([&] { open()->project_aliases({"other", {}}, {}); }).code(), Code::not_found);
}

TEST_F(KubeflowTest, StructuresGoBackAsTheServerWantsThem) {
  // It shows them as plain JSON, and refuses that in a PATCH.
  open()->put(llama(), {});
  fake_.add_version(
      fake_.models()[0]["id"], "2.0.0",
      {{"card", {{"metadataType", "MetadataStructValue"}, {"struct_value", R"({"a":1})"}}}});
  open()->project_aliases({"llama", {{"production", "2.0.0"}}}, {});
  EXPECT_EQ(fake_.model_versions()[1]["customProperties"]["card"]["struct_value"], "eyJhIjoxfQ==");
}

TEST_F(KubeflowTest, VersionsAreArchivedAndRestored) {
  open()->put(llama(), {});
  EXPECT_TRUE(open()->set_state("llama", "1.0.0", "ARCHIVED", {}));
  EXPECT_FALSE(open()->set_state("llama", "1.0.0", "ARCHIVED", {}));
  EXPECT_EQ(open()->find("llama", "1.0.0", {})->state, "ARCHIVED");
  EXPECT_EQ(error_of([&] { open()->set_state("llama", "3", "LIVE", {}); }).code(), Code::not_found);
}

TEST_F(KubeflowTest, AnArtifactOfTheWebInterfaceCounts) {
  const std::string version = fake_.add_version(fake_.add_model("llama"), "1.0.0");
  fake_.add_artifact(version, "report", "https://x", "doc-artifact");
  const std::string made =
      fake_.add_artifact(version, "1.0.0", "s3://models/model-data/llama/1.0.0");
  const auto ids = open()->put(llama(), {});
  EXPECT_FALSE(ids.changed);
  EXPECT_EQ(ids.artifact_id, made);
}

TEST_F(KubeflowTest, WildcardsAndCaseNeverPickAnotherModel) {
  // LIKE finds "llama-2" for "llama_2", and on MySQL "LLAMA" for "llama".
  fake_.add_model("llama-2");
  fake_.add_model("LLAMA");
  auto underscore = llama();
  underscore.name = "llama_2";
  const auto ids = open()->put(underscore, {});
  EXPECT_TRUE(ids.changed);
  EXPECT_EQ(fake_.models().size(), 3U);
  EXPECT_EQ(fake_.models()[2]["name"], "llama_2");
  // Now the search for "llama_2" gives two hits, which the server answers with 404.
  const auto again = open()->put(underscore, {});
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.model_id, ids.model_id);
  EXPECT_EQ(open()->find("llama", "1.0.0", {}), std::nullopt) << "only LLAMA is there";
  ASSERT_TRUE(open()->find("llama_2", "1.0.0", {}).has_value());
}

TEST_F(KubeflowTest, WildcardsInVersionsStayInTheirModel) {
  const std::string model = fake_.add_model("llama");
  fake_.add_version(model, "1.0-0");
  fake_.add_version(fake_.add_model("other"), "1.0_0");
  auto wanted = llama();
  wanted.version = "1.0_0";
  const auto ids = open()->put(wanted, {});
  EXPECT_TRUE(ids.changed);
  EXPECT_EQ(fake_.model_versions().size(), 3U);
  EXPECT_EQ(fake_.model_versions()[2]["registeredModelId"], model);
}

TEST_F(KubeflowTest, ANameTheServerTakesForAnotherIsAConflict) {
  fake_.add_model("LLAMA");
  const Error error = error_of([&] { open()->put(llama(), {}); });
  EXPECT_EQ(error.code(), Code::conflict);
  EXPECT_EQ(error.http_status(), 409);
  EXPECT_THAT(error.hint(), HasSubstr("case"));
  fake_.ignore_case = false;  // as PostgreSQL
  EXPECT_TRUE(open()->put(llama(), {}).changed);
}

TEST_F(KubeflowTest, AFasterWriterIsComparedWith) {
  // Between our search and our create another one registers the same version.
  bool raced = false;
  fake_.instead = [&](const RawRequest& r) -> std::optional<RawResponse> {
    if (r.method == "POST" && r.path.ends_with("/registered_models") && !raced) {
      raced = true;
      const std::string version = fake_.add_version(fake_.add_model("llama"), "1.0.0");
      fake_.add_artifact(version, "llama", llama().uri);
    }
    return std::nullopt;
  };
  const auto ids = open()->put(llama(), {});
  EXPECT_FALSE(ids.changed);
  EXPECT_EQ(fake_.models().size(), 1U);
  EXPECT_EQ(fake_.artifacts().size(), 1U);
}

TEST_F(KubeflowTest, ALostAnswerIsSettledByLookingAgain) {
  // Each create is carried out, and its answer lost once.
  int lost = 0;
  fake_.after = [&](const RawRequest& r, RawResponse& answer) {
    if (r.method == "POST" && answer.status == 201) {
      ++lost;
      answer.drop = true;
    }
  };
  EXPECT_TRUE(open()->put(llama(), {}).changed);
  EXPECT_EQ(lost, 3);
  EXPECT_EQ(fake_.models().size(), 1U);
  EXPECT_EQ(fake_.model_versions().size(), 1U);
  EXPECT_EQ(fake_.artifacts().size(), 1U);
}

TEST_F(KubeflowTest, AFailingServerIsTriedAgainAndAnErrorIsNoProofOfExistence) {
  int failures = 0;
  fake_.instead = [&](const RawRequest& r) -> std::optional<RawResponse> {
    if (r.method == "POST" && failures < 2) {
      ++failures;
      return RawResponse{.status = 503, .body = "database not ready"};
    }
    return std::nullopt;
  };
  EXPECT_TRUE(open()->put(llama(), {}).changed);
  EXPECT_EQ(fake_.models().size(), 1U);

  fake_.instead = [](const RawRequest& r) -> std::optional<RawResponse> {
    if (r.method == "POST") return RawResponse{.status = 500, .body = "boom"};
    return std::nullopt;
  };
  auto next = llama();
  next.version = "2.0.0";
  const Error error = error_of([&] { open()->put(next, {}); });
  EXPECT_EQ(error.code(), Code::server);
  EXPECT_EQ(fake_.model_versions().size(), 1U);
}

TEST_F(KubeflowTest, ARefusedBodyIsNotTriedAgain) {
  int posts = 0;
  fake_.instead = [&](const RawRequest& r) -> std::optional<RawResponse> {
    if (r.method != "POST") return std::nullopt;
    ++posts;
    return RawResponse{
        .status = 422,
        .headers = {{"Content-Type", "application/json"}},
        .body = R"({"code":"Bad Request","message":"required field 'name' is zero value"})"};
  };
  const Error error = error_of([&] { open()->put(llama(), {}); });
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(error.http_status(), 422);
  EXPECT_EQ(error.server_code(), "Bad Request");
  EXPECT_THAT(error.message(), HasSubstr("required field 'name'"));
  EXPECT_FALSE(error.retryable());
}

TEST_F(KubeflowTest, AsksForV1FirstAndFallsBackOn404) {
  open()->check({});
  const auto old = fake_.server().requests();
  ASSERT_EQ(old.size(), 3U);
  EXPECT_THAT(old[0].path, HasSubstr("/api/model_registry/v1/registered_models"));
  EXPECT_THAT(old[1].path, HasSubstr("/api/model_registry/v1alpha3/registered_models"));

  FakeKubeflow both;
  both.versions = {"v1", "v1alpha3"};
  auto registry = open_kubeflow_registry(http::parse_url(both.url()), options_);
  registry->put(llama(), {});
  for (const RawRequest& r : both.server().requests())
    EXPECT_THAT(r.path, HasSubstr("/api/model_registry/v1/"));
}

TEST_F(KubeflowTest, TakesUrlsWithPathsAndPrefixes) {
  fake_.prefix = "/team-a";
  for (const char* path :
       {"/team-a", "/team-a/", "/team-a/api/model_registry", "/team-a/api/model_registry/",
        "/team-a/api/model_registry/v1alpha3", "/team-a/api/model_registry/v1alpha3/"}) {
    auto registry = open(path);
    EXPECT_NO_THROW(registry->check({})) << path;
    EXPECT_EQ(registry->name(), fake_.url() + "/team-a");
  }
  // A version that is spelled out is not replaced by another.
  EXPECT_EQ(error_of([&] { open("/team-a/api/model_registry/v1")->check({}); }).code(),
            Code::not_found);
  const Error nothing = error_of([&] { open("/nowhere")->check({}); });
  EXPECT_EQ(nothing.code(), Code::not_found);
  EXPECT_THAT(nothing.hint(), HasSubstr("REST"));
}

TEST_F(KubeflowTest, ListsOverPages) {
  for (int i = 0; i < 5; ++i) {
    auto r = llama();
    r.name = "llama-" + std::to_string(i);
    open()->put(r, {});
  }
  fake_.add_version("999", "orphan");  // the server does not check that the model exists
  const auto all = open()->list({});
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[4].name, "llama-4");
  EXPECT_EQ(all[4].uri, llama().uri);
  EXPECT_EQ(all[4].state, "LIVE");
  EXPECT_EQ(all[4].properties, llama().properties);
}

TEST_F(KubeflowTest, AListThatNeverEndsIsRefused) {
  fake_.instead = [](const RawRequest& r) -> std::optional<RawResponse> {
    if (!r.query.starts_with("pageSize=200")) return std::nullopt;
    return RawResponse{.headers = {{"Content-Type", "application/json"}},
                       .body = R"({"items":[],"nextPageToken":"same"})"};
  };
  EXPECT_EQ(error_of([&] { open()->list({}); }).code(), Code::malformed);
}

TEST_F(KubeflowTest, ReadsPropertiesOfEveryType) {
  const std::string version =
      fake_.add_version(fake_.add_model("llama"), "1.0.0",
                        {{"s", string_value("x")},
                         {"i", {{"metadataType", "MetadataIntValue"}, {"int_value", "7"}}},
                         {"d", {{"metadataType", "MetadataDoubleValue"}, {"double_value", 1.5}}},
                         {"b", {{"metadataType", "MetadataBoolValue"}, {"bool_value", true}}},
                         {"odd", "no object"}});
  const auto found = open()->find("llama", "1.0.0", {});
  ASSERT_TRUE(found.has_value());
  const std::map<std::string, std::string> expected = {
      {"s", "x"}, {"i", "7"}, {"d", "1.5"}, {"b", "true"}};
  EXPECT_EQ(found->properties, expected);
  EXPECT_EQ(found->uri, "") << "no artifact yet";
}

TEST_F(KubeflowTest, AnArchivedModelIsToldOf) {
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel, std::string_view line) { lines.emplace_back(line); });
  open()->put(llama(), {});
  fake_.archive_model(fake_.models()[0]["id"]);
  EXPECT_FALSE(open()->put(llama(), {}).changed);
  set_log_sink(nullptr);
  EXPECT_THAT(lines, ElementsAre(HasSubstr("llama is archived")));
}

TEST_F(KubeflowTest, HostileIdsStayOutOfPaths) {
  for (const char* id : {"1/../../x", "", "12345678901234567890"}) {
    fake_.instead = [id](const RawRequest& r) -> std::optional<RawResponse> {
      if (!r.path.ends_with("/registered_model")) return std::nullopt;
      return RawResponse{.headers = {{"Content-Type", "application/json"}},
                         .body = Json{{"id", id}, {"name", "llama"}}.dump()};
    };
    EXPECT_EQ(error_of([&] { open()->put(llama(), {}); }).code(), Code::malformed) << id;
  }
}

TEST_F(KubeflowTest, SendsTheTokenAndReadsItAgainAfter401) {
  fake_.token = "old";
  options_.token_file = write("token", "old\n");
  auto registry = open();
  registry->check({});
  fake_.set_token("new");
  write("token", "  new\n");
  EXPECT_TRUE(registry->put(llama(), {}).changed);
  fake_.set_token("newest");
  const Error error = error_of([&] { registry->check({}); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_EQ(error.http_status(), 401);
  EXPECT_THAT(error.hint(), HasSubstr("was refused"));
  EXPECT_THAT(std::string(error.what()) + error.hint(), Not(HasSubstr("new")));
}

TEST_F(KubeflowTest, ATokenGivenGoesBeforeFiles) {
  fake_.token = "given";
  options_.token = Secret("given");
  options_.token_file = write("token", "other");
  EXPECT_NO_THROW(open()->check({}));
}

TEST_F(KubeflowTest, SaysWhatIsMissingWithoutAToken) {
  fake_.token = "t";
  const Error none = error_of([&] { open()->check({}); });
  EXPECT_EQ(none.code(), Code::auth);
  EXPECT_THAT(none.hint(), HasSubstr("bearer token"));
  options_.token_file = (folder_.path() / "absent").string();
  EXPECT_EQ(error_of([&] { open()->check({}); }).code(), Code::auth);
}

TEST_F(KubeflowTest, ThePodsTokenIsNotSentUnencrypted) {
  write("token", "pod-token");
  open()->check({});
  for (const RawRequest& r : fake_.server().requests()) EXPECT_EQ(r.header("authorization"), "");

  RegistryOptions plain;
  const auto https = http::parse_url("https://registry.odh.svc:8443");
  BearerToken pod(plain, https, folder_.path().string());
  EXPECT_EQ(pod.current().reveal(), "pod-token");
  BearerToken elsewhere(plain, https, "/nonexistent");
  EXPECT_TRUE(elsewhere.current().empty()) << "a pod's token need not exist";
}

TEST_F(KubeflowTest, TheServiceCaIsForHostsInsideTheCluster) {
  const auto ca = [&](const char* url, RegistryOptions options = {}) {
    return registry_ca_file(options, http::parse_url(url), folder_.path().string());
  };
  EXPECT_EQ(ca("https://r.odh.svc:8443"), "") << "there is none yet";
  const std::string file = write("service-ca.crt", "x");
  EXPECT_EQ(ca("https://r.odh.svc:8443"), file);
  EXPECT_EQ(ca("https://r.odh.svc.cluster.local:8443"), file);
  EXPECT_EQ(ca("https://r-rest.apps.example.com"), "");
  EXPECT_EQ(ca("https://r.odh.svc:8443", {.ca_file = "/own.pem"}), "/own.pem");
}

TEST_F(KubeflowTest, ExplainsForbiddenPagesAndLogins) {
  options_.token = Secret("t");
  fake_.instead = [](const RawRequest&) { return html(403); };
  const Error forbidden = error_of([&] { open()->check({}); });
  EXPECT_EQ(forbidden.code(), Code::auth);
  EXPECT_THAT(forbidden.hint(), HasSubstr("registry-user-"));
  EXPECT_THAT(std::string(forbidden.what()), Not(HasSubstr("<")));

  fake_.instead = [](const RawRequest&) { return html(200); };
  const Error page = error_of([&] { open()->check({}); });
  EXPECT_EQ(page.code(), Code::usage);
  EXPECT_THAT(page.hint(), HasSubstr("REST"));

  fake_.instead = [](const RawRequest&) -> std::optional<RawResponse> {
    return RawResponse{.status = 302, .headers = {{"Location", "https://oauth.example.com/login"}}};
  };
  EXPECT_EQ(error_of([&] { open()->check({}); }).code(), Code::auth);
}

TEST_F(KubeflowTest, AnswersThatAreNoRegistrysAreMalformed) {
  for (const char* body : {"[]", "not json", "{\"items\":{}}", ""}) {
    fake_.instead = [body](const RawRequest&) -> std::optional<RawResponse> {
      return RawResponse{.headers = {{"Content-Type", "application/json"}}, .body = body};
    };
    EXPECT_EQ(error_of([&] { open()->list({}); }).code(), Code::malformed) << body;
  }
}

TEST_F(KubeflowTest, StopsWhenToldTo) {
  std::stop_source stop;
  fake_.instead = [&](const RawRequest&) -> std::optional<RawResponse> {
    std::stop_source(stop).request_stop();
    return RawResponse{.body = "x", .stall_after = 0};
  };
  try {
    open()->check(stop.get_token());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::cancelled) << e.what();
  }
}

}  // namespace
}  // namespace dray
