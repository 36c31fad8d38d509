// Artifacts: what a POST creates and what it changes; runs and the history of their metrics.
#include "tests/unit/registry/records_fixture.h"

namespace dray {
namespace {

class ArtifactTest : public RecordsTest {
 protected:
  Json of_version(const Json& body) { return upsert(Kind::model_version, version_, body); }
  Json of_run(const Json& body) { return upsert(Kind::experiment_run, run_, body); }

  std::string version_ = version(model("m"), "1");
  std::string experiment_ = create(Kind::experiment, {{"name", "e"}})["id"];
  std::string run_ =
      create(Kind::experiment_run, {{"name", "r"}, {"experimentId", experiment_}})["id"];
};

TEST_F(ArtifactTest, EachKindIsAnsweredWithItsType) {
  for (const char* type :
       {"model-artifact", "doc-artifact", "dataset-artifact", "metric", "parameter"}) {
    Json body = {{"artifactType", type}, {"customProperties", {{"k", text("v")}}}};
    if (body["artifactType"] == "metric") body["value"] = 0.5;
    const Json made = of_version(body);
    EXPECT_EQ(made["artifactType"], type);
    EXPECT_FALSE(made.contains("state")) << "as on the real server, where none was given";
    EXPECT_EQ(made["name"].get<std::string>().size(), 36U) << "a made up one: " << made["name"];
    EXPECT_EQ(get(Kind::any_artifact, made["id"]), made);
    EXPECT_EQ(items(records_.list(Kind::any_artifact, version_, {.artifact_type = type})),
              Json::array({made}));
  }
  EXPECT_EQ(records_.list(Kind::any_artifact, version_, {}).size, 5);
  EXPECT_EQ(records_.list(Kind::any_artifact, "", {.page_size = "3"}).size, 3);
  EXPECT_EQ(records_.list(Kind::model_artifact, version_, {}).size, 1);
  EXPECT_EQ(create(Kind::model_artifact, {{"name", "alone"}})["state"], "UNKNOWN");
}

TEST_F(ArtifactTest, AMetricOrParameterOfTheSameNameIsChanged) {
  const Json first = of_version({{"artifactType", "metric"}, {"name", "acc"}, {"value", 0.5}});
  const Json second = of_version({{"artifactType", "metric"}, {"name", "acc"}, {"value", 0.75}});
  EXPECT_EQ(second["id"], first["id"]);
  EXPECT_EQ(second["value"], 0.75);
  EXPECT_EQ(second["createTimeSinceEpoch"], first["createTimeSinceEpoch"]);
  const Json p = of_version({{"artifactType", "parameter"}, {"name", "lr"}, {"value", "1"}});
  EXPECT_EQ(of_version({{"artifactType", "parameter"}, {"name", "lr"}, {"value", "2"}})["id"],
            p["id"]);
  EXPECT_EQ(records_.list(Kind::any_artifact, version_, {}).size, 2);
  EXPECT_EQ(code_of([&] { of_version({{"artifactType", "metric"}, {"name", "acc"}}); }),
            Code::malformed)
      << "a metric needs its value each time";
}

TEST_F(ArtifactTest, AnArtifactWithItsIdIsChanged) {
  const Json made = of_version(
      {{"artifactType", "model-artifact"}, {"name", "w"}, {"uri", "s3://a"}, {"storageKey", "k"}});
  const Json changed = of_version({{"artifactType", "model-artifact"},
                                   {"id", made["id"]},
                                   {"name", "other"},
                                   {"uri", "s3://b"}});
  EXPECT_EQ(changed["id"], made["id"]);
  EXPECT_EQ(changed["uri"], "s3://b");
  EXPECT_EQ(changed["name"], "w") << "names never change";
  EXPECT_EQ(changed["storageKey"], "k");
  EXPECT_EQ(code_of([&] { of_version({{"artifactType", "doc-artifact"}, {"id", made["id"]}}); }),
            Code::malformed)
      << "the type never changes";
  EXPECT_EQ(code_of([&] { of_version({{"artifactType", "doc-artifact"}, {"id", "999"}}); }),
            Code::malformed);
}

TEST_F(ArtifactTest, AnArtifactOfNothingCanBeGivenToAVersion) {
  const Json made = create(Kind::model_artifact, {{"name", "w"}, {"uri", "s3://a"}});
  of_version({{"artifactType", "model-artifact"}, {"id", made["id"]}});
  EXPECT_EQ(names(Kind::any_artifact, {}, version_), "w");
  EXPECT_EQ(records_.list(Kind::any_artifact, "", {}).size, 1);
}

TEST_F(ArtifactTest, PatchesOfAnyArtifactFollowItsType) {
  const std::string id =
      of_version({{"artifactType", "metric"}, {"name", "a"}, {"value", 1}})["id"];
  EXPECT_EQ(update(Kind::any_artifact, id, {{"artifactType", "metric"}, {"value", 2}})["value"], 2);
  EXPECT_EQ(update(Kind::any_artifact, id, {{"step", 7}})["step"], 7);
  const Error other = error_of(
      [&] { update(Kind::any_artifact, id, {{"artifactType", "parameter"}, {"value", "x"}}); });
  EXPECT_EQ(other.code(), Code::malformed);
  EXPECT_NE(other.message().find("immutable"), std::string::npos) << other.message();
  EXPECT_EQ(code_of([&] { update(Kind::any_artifact, id, {{"step", "7"}}); }), Code::malformed);
}

TEST_F(ArtifactTest, ArtifactsOfARunNameItAndItsExperiment) {
  const Json made = of_run({{"artifactType", "dataset-artifact"},
                            {"name", "d"},
                            {"customProperties", {{"experiment_id", integer("5")}}}});
  EXPECT_EQ(made["experimentId"], experiment_);
  EXPECT_EQ(made["experimentRunId"], run_);
  EXPECT_EQ(made["customProperties"], Json::object()) << "the server's own names are no properties";
  EXPECT_EQ(filtered(Kind::any_artifact, "experimentRunId = " + run_), "d");
  EXPECT_EQ(filtered(Kind::any_artifact, "experimentRunId = '" + run_ + "'"), "d");
}

TEST_F(ArtifactTest, EveryValueOfAMetricIsKept) {
  const std::string other =
      create(Kind::experiment_run, {{"name", "s"}, {"experimentId", experiment_}})["id"];
  for (int step = 0; step < 4; ++step)
    of_run({{"artifactType", "metric"}, {"name", "loss"}, {"value", 4.0 - step}, {"step", step}});
  of_run({{"artifactType", "metric"}, {"name", "acc"}, {"value", 1}, {"step", 2}});
  upsert(Kind::experiment_run, other,
         {{"artifactType", "metric"}, {"name", "loss"}, {"value", 9}, {"step", 0}});
  const auto values = [&](const std::string& run, const ListQuery& query) {
    std::string out;
    for (const Json& item : items(records_.metric_history(run, query)))
      out += std::to_string(static_cast<int>(item["value"].get<double>()));
    return out;
  };
  EXPECT_EQ(values(run_, {.name = "loss"}), "4321");
  EXPECT_EQ(values(run_, {}), "43211");
  EXPECT_EQ(values("", {}), "432119") << "of all runs";
  EXPECT_EQ(values(run_, {.name = "loss", .step_ids = "1, 3"}), "31");
  EXPECT_EQ(values(run_, {.name = "loss", .step_ids = "9"}), "");
  EXPECT_EQ(values(run_, {.page_size = "2", .name = "loss"}), "43");
  EXPECT_EQ(code_of([&] { values(run_, {.step_ids = "x"}); }), Code::malformed);
  EXPECT_EQ(code_of([&] { values("99", {}); }), Code::not_found);

  EXPECT_EQ(names(Kind::any_artifact, {}, run_), "loss acc") << "histories are no artifacts";
  const std::string old = items(records_.metric_history(run_, {}))[0]["id"];
  EXPECT_EQ(code_of([&] { get(Kind::any_artifact, old); }), Code::not_found);
}

TEST_F(ArtifactTest, ARunEndsAfterItBegan) {
  const auto run = [&](const char* name, const char* start, const char* end) {
    return create(Kind::experiment_run, {{"name", name},
                                         {"experimentId", experiment_},
                                         {"startTimeSinceEpoch", start},
                                         {"endTimeSinceEpoch", end}});
  };
  const std::string id = run("a", "1000", "1000")["id"];
  EXPECT_EQ(code_of([&] { run("b", "1000", "999"); }), Code::malformed);
  EXPECT_EQ(code_of([&] { update(Kind::experiment_run, id, {{"endTimeSinceEpoch", "999"}}); }),
            Code::malformed);
  EXPECT_EQ(code_of([&] { update(Kind::experiment_run, id, {{"startTimeSinceEpoch", "1"}}); }),
            Code::malformed)
      << "it never changes";
  EXPECT_EQ(code_of([&] { create(Kind::experiment_run, {{"experimentId", "99"}}); }),
            Code::not_found);
  EXPECT_EQ(code_of([&] { records_.list(Kind::experiment_run, "99", {}); }), Code::not_found);
  EXPECT_EQ(names(Kind::experiment_run, {}, experiment_), "r a");
}

}  // namespace
}  // namespace dray
