#include "dray/serve/registry_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

const std::string kBase = "/api/model_registry/v1alpha3/";

/// The API over a registry of its own, with the tokens "write" (writer:llama-*), "read", "all".
class RegistryApiTest : public ::testing::Test {
 protected:
  RegistryApiTest() {
    const auto line = [](const std::string& token, const std::string& rest) {
      return "token " + Sha256::hex_of(as_bytes(token)) + " " + rest + "\n";
    };
    const auto file = folder_.path() / "access";
    write_file_atomic(file, line("write", "wendy writer:llama-*") + line("read", "rita reader") +
                                line("all", "paul promoter"));
    records_ = std::make_unique<Records>(folder_.path() / "registry.db");
    access_ = std::make_unique<Access>(AccessOptions{.file = file.string()});
    api_ = std::make_unique<RegistryApi>(*records_, *access_);
  }

  http::ServerResponse ask(const std::string& method, const std::string& path,
                           const std::string& body = "", const std::string& token = "all") {
    http::ServerRequest request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (path.find('?') != std::string::npos) request.query = path.substr(path.find('?') + 1);
    request.body = body;
    request.client = "192.0.2.1";
    if (!token.empty()) request.headers.add("Authorization", "Bearer " + token);
    return api_->handle(request);
  }

  /// The id of what was created.
  std::string make(const std::string& path, const std::string& body) {
    const auto response = ask("POST", kBase + path, body);
    EXPECT_EQ(response.status, 201) << response.body;
    return get_string(parse_json(response.body, "answer"), "id", "answer");
  }

  test::TempFolder folder_;
  std::unique_ptr<Records> records_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<RegistryApi> api_;
};

TEST_F(RegistryApiTest, CreatesReadsAndListsUnderBothVersionsOfTheApi) {
  const auto made = ask("POST", kBase + "registered_models", R"({"name":"llama"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.headers.get("Content-Type"), "application/json; charset=UTF-8");
  const Json model = parse_json(made.body, "answer");
  const auto id = get_string(model, "id", "answer");
  for (const std::string& base : {kBase, std::string("/api/model_registry/v1/")}) {
    EXPECT_EQ(parse_json(ask("GET", base + "registered_models/" + id).body, "answer"), model);
    EXPECT_EQ(parse_json(ask("GET", base + "registered_model?name=llama").body, "answer"), model);
    const Json page = parse_json(ask("GET", base + "registered_models?pageSize=5").body, "answer");
    EXPECT_EQ(page,
              (Json{{"items", {model}}, {"nextPageToken", ""}, {"pageSize", 5}, {"size", 1}}));
  }
  EXPECT_EQ(ask("GET", "/api/model_registry/v2/registered_models").status, 404);
}

TEST_F(RegistryApiTest, ErrorsHaveTheStatusAndBodyOfTheRealServer) {
  make("registered_models", R"({"name":"llama"})");
  struct Case {
    std::string method, path, body;
    int status;
    std::string code;
  };
  for (const Case& wrong : std::initializer_list<Case>{
           {"GET", "registered_models/99", "", 404, "Not Found"},
           {"GET", "registered_models/x", "", 400, "Bad Request"},
           {"GET", "registered_models?pageSize=x", "", 400, "Bad Request"},
           {"GET", "registered_models?filterQuery=%zz", "", 400, "Bad Request"},
           {"GET", "registered_models?filterQuery=a;b", "", 400, "Bad Request"},
           {"GET", "registered_models?filterQuery=%FF", "", 400, "Bad Request"},
           {"GET", "registered_models?filterQuery=name%3D'%00'", "", 400, "Bad Request"},
           {"GET", "registered_model", "", 400, "Bad Request"},
           {"POST", "registered_models", R"({"name":"llama"})", 409, "Conflict"},
           {"POST", "registered_models", R"({"name":"a\u0000b"})", 400, "Bad Request"},
           {"POST", "registered_models", std::string("{\"name\":\"a\0b\"}", 14), 400,
            "Bad Request"},
           {"POST", "registered_models", R"({"name":)", 400, "Bad Request"},
           {"POST", "registered_models", R"({"name":"b","nothing":1})", 400, "Bad Request"},
           {"POST", "registered_models", R"({})", 422, "Bad Request"}}) {
    const auto response = ask(wrong.method, kBase + wrong.path, wrong.body);
    EXPECT_EQ(response.status, wrong.status) << wrong.path << wrong.body << response.body;
    const Json body = parse_json(response.body, "answer");
    EXPECT_EQ(get_string(body, "code", "answer"), wrong.code) << wrong.path;
    EXPECT_NE(get_string(body, "message", "answer"), "");
    EXPECT_EQ(body.size(), 2U);
  }
}

TEST_F(RegistryApiTest, UnknownPathsAndMethods) {
  for (const std::string path : {"", "registered_models/", "registered_models/1/", "nothing",
                                 "registered_models/1/2", "registered_models//versions"}) {
    const auto response = ask("GET", kBase + path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(response.body, "404 page not found\n");
  }
  const auto wrong = ask("DELETE", kBase + "registered_models/1");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.get("Allow"), "GET, PATCH");
  EXPECT_EQ(wrong.body, "");
}

TEST_F(RegistryApiTest, EveryRouteOfTheTableIsReachedByItsOwnPath) {
  std::set<std::string> seen;
  for (const Route& route : registry_routes()) {
    std::string path(route.pattern);
    if (const auto hole = path.find("{id}"); hole != std::string::npos) path.replace(hole, 4, "7");
    EXPECT_TRUE(seen.insert(std::string(route.method) + path).second) << path;
    const auto first =
        std::find_if(registry_routes().begin(), registry_routes().end(), [&](const Route& other) {
          std::string_view id;
          return other.method == route.method && route_matches(other.pattern, path, id);
        });
    EXPECT_EQ(first->pattern, route.pattern) << path;
    EXPECT_EQ(route.role == Role::reader, route.method == "GET") << path;
  }
}

TEST_F(RegistryApiTest, WithoutAProofOrTheRoleNothingIsDone) {
  const auto nobody = ask("POST", kBase + "registered_models", R"({"name":"a"})", "");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.headers.get("WWW-Authenticate"), "Bearer realm=\"dray\"");
  const auto wrong = ask("GET", kBase + "registered_models", "", "guess");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_NE(wrong.headers.get("WWW-Authenticate")->find("invalid_token"), std::string::npos);
  const auto reader = ask("POST", kBase + "registered_models", R"({"name":"a"})", "read");
  EXPECT_EQ(reader.status, 403);
  EXPECT_EQ(parse_json(reader.body, "answer"),
            (Json{{"code", "Forbidden"}, {"message", "rita needs the role writer for this"}}));
  EXPECT_EQ(reader.user, "rita");
  EXPECT_EQ(ask("POST", kBase + "serving_environments", R"({"name":"a"})", "write").status, 403);
  EXPECT_EQ(parse_json(ask("GET", kBase + "registered_models", "", "read").body, "answer")["size"],
            0);
}

TEST_F(RegistryApiTest, RolesForSomeNamesReachNoOthers) {
  const auto llama = make("registered_models", R"({"name":"llama-3"})");
  const auto other = make("registered_models", R"({"name":"mistral"})");
  const auto body = [](const std::string& model, const std::string& name) {
    return R"({"registeredModelId":")" + model + R"(","name":")" + name + "\"}";
  };
  const auto version = make("model_versions", body(llama, "1"));
  const auto foreign = make("model_versions", body(other, "1"));
  const std::string artifact = R"({"artifactType":"model-artifact","name":"a","uri":"s3://b/c"})";
  const auto theirs = get_string(
      parse_json(ask("POST", kBase + "model_versions/" + foreign + "/artifacts", artifact).body,
                 "answer"),
      "id", "answer");
  const std::string by_id =
      R"({"artifactType":"model-artifact","uri":"s3://evil","id":")" + theirs + "\"}";
  const auto status = [&](const std::string& method, const std::string& path,
                          const std::string& sent) {
    return ask(method, kBase + path, sent, "write").status;
  };
  EXPECT_EQ(status("POST", "registered_models", R"({"name":"llama-4"})"), 201);
  EXPECT_EQ(status("POST", "registered_models", R"({"name":"gemma"})"), 403);
  EXPECT_EQ(status("PATCH", "registered_models/" + llama, R"({"description":"d"})"), 200);
  EXPECT_EQ(status("PATCH", "registered_models/" + other, R"({"description":"d"})"), 403);
  EXPECT_EQ(status("PATCH", "registered_models/999", R"({"description":"d"})"), 404);
  EXPECT_EQ(status("POST", "model_versions", body(llama, "2")), 201);
  EXPECT_EQ(status("POST", "model_versions", body(other, "2")), 403);
  EXPECT_EQ(status("POST", "registered_models/" + other + "/versions", body(llama, "3")), 403);
  EXPECT_EQ(status("PATCH", "model_versions/" + version, R"({"state":"ARCHIVED"})"), 200);
  EXPECT_EQ(status("PATCH", "model_versions/" + foreign, R"({"state":"ARCHIVED"})"), 403);
  EXPECT_EQ(status("POST", "model_versions/" + version + "/artifacts", artifact), 201);
  EXPECT_EQ(status("POST", "model_versions/" + foreign + "/artifacts", artifact), 403);
  // Through one's own model or version to what belongs to another.
  EXPECT_EQ(status("POST", "registered_models/" + llama + "/versions",
                   R"({"name":"1","author":"eve","id":")" + foreign + "\"}"),
            403);
  EXPECT_EQ(status("POST", "model_versions/" + version + "/artifacts", by_id), 403);
  EXPECT_EQ(status("PATCH", "model_artifacts/" + theirs, R"({"uri":"s3://evil"})"), 403);
  EXPECT_EQ(status("POST", "model_artifacts", artifact), 403);
  EXPECT_EQ(ask("GET", kBase + "model_versions/" + foreign, "", "write").status, 200);
  const auto now = ask("GET", kBase + "model_artifacts/" + theirs);
  EXPECT_NE(now.body.find("s3://b/c"), std::string::npos) << now.body;
}

TEST_F(RegistryApiTest, HealthNeedsNoProof) {
  for (const std::string path : {"/readyz/health", "/readyz/isDirty", "/any/readyz/health"}) {
    const auto response = ask("GET", path, "", "");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "OK");
  }
  const auto json = ask("GET", "/readyz/health?format=json", "", "");
  EXPECT_EQ(get_string(parse_json(json.body, "answer"), "status", "answer"), "pass");
  EXPECT_EQ(ask("POST", "/readyz/health", "", "").status, 405);
}

TEST(Query, IsReadAsGoReadsIt) {
  const Query query("a=1%202&b=x+y&a=3&c&=d&&e=%C3%A4");
  EXPECT_EQ(query.get("a"), "1 2");
  EXPECT_EQ(query.get("b"), "x y");
  EXPECT_EQ(query.get("c"), "");
  EXPECT_EQ(query.get("e"), "ä");
  EXPECT_EQ(query.get("none"), "");
  for (const std::string bad : {"a=%", "a=%4", "a=%zz", "%x=1", "a=1;b=2", "a=%ff"})
    EXPECT_THROW(Query{bad}, Error) << bad;
}

}  // namespace
}  // namespace dray
