#include "dray/registry/records.h"

#include <set>
#include <thread>
#include <vector>

#include "tests/unit/registry/records_fixture.h"

namespace dray {
namespace {

TEST_F(RecordsTest, AModelIsAnsweredInTheShapeOfTheApi) {
  const Json made = create(
      Kind::registered_model,
      {{"name", "granite"}, {"owner", "ibm"}, {"language", {"en", "de"}}, {"readme", nullptr}});
  EXPECT_EQ(made["name"], "granite");
  EXPECT_EQ(made["state"], "LIVE") << "the default";
  EXPECT_EQ(made["language"], (Json{"en", "de"}));
  EXPECT_EQ(made["customProperties"], Json::object()) << "always there: the web interface needs it";
  EXPECT_FALSE(made.contains("readme")) << "null is not stated";
  EXPECT_FALSE(made.contains("description"));
  EXPECT_TRUE(made["id"].is_string());
  EXPECT_EQ(made["createTimeSinceEpoch"], made["lastUpdateTimeSinceEpoch"]);
  EXPECT_GT(std::stoll(made["createTimeSinceEpoch"].get<std::string>()), 1'700'000'000'000);
  EXPECT_EQ(get(Kind::registered_model, made["id"]), made);
}

TEST_F(RecordsTest, CreatedTellsTheStatus) {
  EXPECT_TRUE(records_.create(Kind::registered_model, "", R"({"name":"a"})").created);
  const std::string v = version("1", "1.0.0");
  EXPECT_FALSE(records_.update(Kind::model_version, v, R"({"author":"me"})").created);
  const auto status = [&](const char* body) {
    return records_.upsert_artifact(Kind::model_version, v, body).created;
  };
  EXPECT_TRUE(status(R"({"artifactType":"model-artifact","name":"a"})"));
  EXPECT_TRUE(status(R"({"artifactType":"doc-artifact","name":"a"})"));
  EXPECT_FALSE(status(R"({"artifactType":"metric","name":"a","value":1})"));
  EXPECT_FALSE(status(R"({"artifactType":"parameter","name":"a","value":"1"})"));
}

TEST_F(RecordsTest, NamesAreUniqueWhereTheApiSaysSo) {
  const std::string a = model("a"), b = model("b");
  const Error taken = error_of([&] { model("a"); });
  EXPECT_EQ(taken.code(), Code::conflict);
  EXPECT_EQ(taken.message(), "registered model with name a already exists: conflict");
  model("A");  // names are exact
  version(a, "1.0.0");
  version(b, "1.0.0");  // of another model
  EXPECT_EQ(code_of([&] { version(a, "1.0.0"); }), Code::conflict);
  create(Kind::serving_environment, {{"name", "a"}});  // another kind
  // Artifacts: by version and kind.
  const std::string v = version(a, "2.0.0"), w = version(a, "3.0.0");
  const Json artifact = {{"artifactType", "model-artifact"}, {"name", "weights"}};
  upsert(Kind::model_version, v, artifact);
  upsert(Kind::model_version, w, artifact);
  upsert(Kind::model_version, v, {{"artifactType", "doc-artifact"}, {"name", "weights"}});
  EXPECT_EQ(code_of([&] { upsert(Kind::model_version, v, artifact); }), Code::conflict);
  // Those of nothing never clash.
  create(Kind::model_artifact, {{"name", "weights"}});
  create(Kind::model_artifact, {{"name", "weights"}});
}

TEST_F(RecordsTest, ExternalIdsAreUniqueInTheirFamily) {
  create(Kind::registered_model, {{"name", "a"}, {"externalId", "x"}});
  const auto again = [&](Kind kind, const char* name) {
    create(kind, {{"name", name}, {"externalId", "x"}});
  };
  EXPECT_EQ(code_of([&] { again(Kind::registered_model, "b"); }), Code::conflict);
  EXPECT_EQ(code_of([&] { again(Kind::experiment, "b"); }), Code::conflict) << "same family";
  again(Kind::model_artifact, "b");  // another one
  EXPECT_EQ(code_of([&] { again(Kind::doc_artifact, "c"); }), Code::conflict);
  const std::string other = model("other");
  EXPECT_EQ(code_of([&] { update(Kind::registered_model, other, {{"externalId", "x"}}); }),
            Code::conflict);
}

TEST_F(RecordsTest, APatchKeepsWhatItDoesNotName) {
  const std::string id = create(Kind::registered_model,
                                {{"name", "a"},
                                 {"owner", "me"},
                                 {"state", "ARCHIVED"},
                                 {"customProperties", {{"k", text("v")}, {"l", text("")}}}})["id"];
  const Json described = update(Kind::registered_model, id, {{"description", "new"}});
  EXPECT_EQ(described["description"], "new");
  EXPECT_EQ(described["owner"], "me");
  EXPECT_EQ(described["state"], "ARCHIVED");
  EXPECT_EQ(described["customProperties"].size(), 2U);
  const Json replaced =
      update(Kind::registered_model, id, {{"customProperties", {{"m", boolean(true)}}}});
  EXPECT_EQ(replaced["customProperties"], (Json{{"m", boolean(true)}})) << "the map is one value";
  EXPECT_EQ(replaced["description"], "new");
  EXPECT_EQ(get(Kind::registered_model, id), replaced);
  EXPECT_EQ(filtered(Kind::registered_model, "k = 'v'"), "") << "no longer found by what is gone";
  EXPECT_EQ(filtered(Kind::registered_model, "m = true"), "a");
}

TEST_F(RecordsTest, WhatIsNotThereIsSaidSo) {
  const Error none = error_of([&] { get(Kind::registered_model, "7"); });
  EXPECT_EQ(none.code(), Code::not_found);
  EXPECT_EQ(none.message(), "no registered model found for id 7: not found");
  const std::string id = model("a");
  EXPECT_EQ(code_of([&] { get(Kind::model_version, id); }), Code::not_found) << "of another kind";
  EXPECT_EQ(code_of([&] { update(Kind::model_version, id, Json::object()); }), Code::not_found);
  EXPECT_EQ(code_of([&] { version("99", "1.0.0"); }), Code::not_found);
  EXPECT_EQ(
      code_of([&] { upsert(Kind::model_version, id, {{"artifactType", "metric"}, {"value", 1}}); }),
      Code::not_found);
  EXPECT_EQ(items(records_.list(Kind::model_version, "99", {})).size(), 0U)
      << "children of nothing are none";
  for (const char* bad : {"", "x", "1x", "-1", " 1", "1.0", "99999999999", "0x1"})
    EXPECT_EQ(code_of([&] { get(Kind::registered_model, bad); }), Code::malformed) << bad;
}

TEST_F(RecordsTest, FindingIsExact) {
  const std::string a = model("gr_nite"), b = model("granite");
  version(a, "1.0.0");
  const std::string second = version(b, "1.0.0");
  const auto find = [&](Kind kind, const FindQuery& query) {
    return Json::parse(records_.find(kind, query))["id"].get<std::string>();
  };
  EXPECT_EQ(find(Kind::registered_model, {.name = "gr_nite"}), a);
  EXPECT_EQ(find(Kind::model_version, {.name = "1.0.0", .parent_id = b}), second);
  for (const char* other : {"Granite", "gr%", "granite ", "grXnite"})
    EXPECT_EQ(code_of([&] { find(Kind::registered_model, {.name = other}); }), Code::not_found);
  EXPECT_EQ(code_of([&] { find(Kind::model_version, {.name = "1.0.0"}); }), Code::malformed)
      << "the parent is missing";
  EXPECT_EQ(code_of([&] { find(Kind::registered_model, {}); }), Code::malformed);

  update(Kind::model_version, second, {{"externalId", "e-1"}});
  EXPECT_EQ(find(Kind::model_version, {.external_id = "e-1"}), second);
  EXPECT_EQ(code_of([&] { find(Kind::registered_model, {.external_id = "e-1"}); }),
            Code::not_found);
}

TEST_F(RecordsTest, AnArtifactIsFoundByNameUnlessTwoKindsHaveIt) {
  const std::string v = version(model("a"), "1");
  upsert(Kind::model_version, v, {{"artifactType", "model-artifact"}, {"name", "x"}});
  EXPECT_NO_THROW(records_.find(Kind::any_artifact, {.name = "x", .parent_id = v}));
  upsert(Kind::model_version, v, {{"artifactType", "doc-artifact"}, {"name", "x"}});
  EXPECT_EQ(code_of([&] { records_.find(Kind::any_artifact, {.name = "x", .parent_id = v}); }),
            Code::not_found);
  EXPECT_NO_THROW(records_.find(Kind::doc_artifact, {.name = "x", .parent_id = v}));
}

TEST_F(RecordsTest, PagesFollowEachOtherInEveryOrder) {
  for (const char* name : {"c", "a", "d", "b", "e"}) model(name);
  update(Kind::registered_model, "1", {{"description", "touched last"}});
  const auto walk = [&](ListQuery query) {
    std::string out;
    std::set<std::string> tokens;
    do {
      const Page page = records_.list(Kind::registered_model, "", query);
      EXPECT_EQ(page.page_size, 2);
      EXPECT_LE(page.size, 2);
      for (const Json& item : items(page)) out += item["name"].get<std::string>();
      query.next_page_token = page.next_page_token;
      EXPECT_TRUE(tokens.insert(page.next_page_token).second) << "the same token twice";
    } while (!query.next_page_token.empty() && tokens.size() < 10);
    return out;
  };
  EXPECT_EQ(walk({.page_size = "2"}), "cadbe");
  EXPECT_EQ(walk({.page_size = "2", .order_by = "ID", .sort_order = "DESC"}), "ebdac");
  EXPECT_EQ(walk({.page_size = "2", .order_by = "CREATE_TIME"}), "cadbe");
  EXPECT_EQ(walk({.page_size = "2", .order_by = "CREATE_TIME", .sort_order = "DESC"}), "ebdac");
  EXPECT_EQ(walk({.page_size = "2", .order_by = "LAST_UPDATE_TIME"}).size(), 5U);
  EXPECT_EQ(walk({.page_size = "2", .order_by = "who knows"}), "cadbe") << "means ID";
  const Page all = records_.list(Kind::registered_model, "", {});
  EXPECT_EQ(all.size, 5);
  EXPECT_EQ(all.page_size, 0);
  EXPECT_EQ(all.next_page_token, "");
}

TEST_F(RecordsTest, AFullLastPageHasNoNext) {
  model("a");
  model("b");
  EXPECT_EQ(records_.list(Kind::registered_model, "", {.page_size = "2"}).next_page_token, "");
}

TEST_F(RecordsTest, ListsBelowAParentCanAskForOneName) {
  const std::string a = model("a"), b = model("b");
  version(a, "1.0.0");
  version(a, "1.1.0");
  version(b, "1.0.0");
  EXPECT_EQ(names(Kind::model_version), "1.0.0 1.1.0 1.0.0");
  EXPECT_EQ(names(Kind::model_version, {}, a), "1.0.0 1.1.0");
  EXPECT_EQ(names(Kind::model_version, {.name = "1.1.0"}, a), "1.1.0");
  EXPECT_EQ(names(Kind::model_version, {.name = "1.%"}, a), "");
}

TEST_F(RecordsTest, WrongParametersOfListsAreRefused) {
  const auto list = [&](const ListQuery& query) {
    return code_of([&] { records_.list(Kind::registered_model, "", query); });
  };
  for (const char* size : {"x", "-1", "1.5", "99999999999"})
    EXPECT_EQ(list({.page_size = size}), Code::malformed) << size;
  for (const char* token : {"!", "eA==", "OjE=", "MTo=", "MTp4"})
    EXPECT_EQ(list({.next_page_token = token}), Code::malformed) << token;
  EXPECT_EQ(list({.next_page_token = std::string(2000, 'A')}), Code::malformed);
  EXPECT_EQ(code_of([&] { records_.list(Kind::any_artifact, "", {.artifact_type = "song"}); }),
            Code::malformed);
}

TEST_F(RecordsTest, ServicesLeadToTheirModelAndVersion) {
  const std::string m = model("a"), v = version(m, "1"), w = version(m, "2");
  const std::string env = create(Kind::serving_environment, {{"name", "prod"}})["id"];
  const Json body = {{"registeredModelId", m}, {"servingEnvironmentId", env}};
  const Json service = create(Kind::inference_service, body, env);
  EXPECT_FALSE(service["name"].get<std::string>().empty()) << "it gets a name";
  EXPECT_EQ(service["desiredState"], "DEPLOYED");
  const std::string id = service["id"];
  EXPECT_EQ(Json::parse(records_.model_of_service(id))["name"], "a");
  EXPECT_EQ(Json::parse(records_.version_of_service(id))["id"], w) << "the newest";
  update(Kind::inference_service, id, {{"modelVersionId", v}});
  EXPECT_EQ(Json::parse(records_.version_of_service(id))["id"], v);
  EXPECT_EQ(service["name"], names(Kind::inference_service, {}, env));
  Json unknown = body;
  unknown["servingEnvironmentId"] = "99";
  EXPECT_EQ(code_of([&] { create(Kind::inference_service, unknown); }), Code::not_found);
  EXPECT_EQ(code_of([&] { records_.model_of_service("99"); }), Code::not_found);

  const Json serve = create(Kind::serve_model, {{"modelVersionId", v}}, id);
  EXPECT_EQ(serve["lastKnownState"], "UNKNOWN");
  EXPECT_EQ(items(records_.list(Kind::serve_model, id, {})).size(), 1U);
}

TEST_F(RecordsTest, GatedModelsAreNotServed) {
  const std::string m = model("a");
  const std::string gated = version(m, "1", {{"hf_gated", text("manual")}});
  const std::string open = version(m, "2", {{"hf_gated", text("false")}});
  const std::string env = create(Kind::serving_environment, {{"name", "prod"}})["id"];
  const std::string service = create(
      Kind::inference_service, {{"registeredModelId", m}, {"servingEnvironmentId", env}})["id"];
  EXPECT_EQ(code_of([&] { create(Kind::serve_model, {{"modelVersionId", gated}}, service); }),
            Code::malformed);
  create(Kind::serve_model, {{"modelVersionId", open}}, service);
}

TEST_F(RecordsTest, AVersionBelowItsModelCanBeStatedWhole) {
  const std::string m = model("a");
  const Json made = create(Kind::model_version, {{"name", "1"}, {"registeredModelId", m}}, m);
  Json again = made;
  again["author"] = "me";
  const Written written = records_.create(Kind::model_version, m, dump_json(again));
  EXPECT_EQ(Json::parse(written.document)["id"], made["id"]);
  EXPECT_EQ(get(Kind::model_version, made["id"])["author"], "me");
  EXPECT_EQ(names(Kind::model_version, {}, m), "1");
  const std::string other = model("b");
  again["registeredModelId"] = other;
  EXPECT_EQ(code_of([&] { create(Kind::model_version, again, other); }), Code::malformed)
      << "who may write to one model does not change another's versions";
}

TEST_F(RecordsTest, ManyThreadsReadAndWrite) {
  constexpr int kThreads = 6, kEach = 20;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      try {
        for (int i = 0; i < kEach; ++i) {
          const std::string name = std::to_string(t) + "-" + std::to_string(i);
          const std::string id = model(name);
          EXPECT_EQ(get(Kind::registered_model, id)["name"], name) << "seen as soon as answered";
          records_.list(Kind::registered_model, "", {.page_size = "10"});
        }
      } catch (const Error& e) {
        ADD_FAILURE() << e.what();
      }
    });
  threads.clear();
  EXPECT_EQ(records_.list(Kind::registered_model, "", {}).size, kThreads * kEach);
}

TEST_F(RecordsTest, AnotherObjectOnTheFileSeesAndWritesTheSame) {
  Records other(path_);
  const std::string id = model("a");
  EXPECT_EQ(Json::parse(other.get(Kind::registered_model, id))["name"], "a");
  other.update(Kind::registered_model, id, R"({"owner":"b"})");
  EXPECT_EQ(get(Kind::registered_model, id)["owner"], "b");
}

}  // namespace
}  // namespace dray
