// An entry says another place: the same in the embedded registry and over the REST API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "dray/registry/kubeflow.h"
#include "dray/registry/move_body.h"
#include "dray/registry/registration_body.h"
#include "dray/registry/sqlite.h"
#include "tests/support/errors.h"
#include "tests/support/fake_kubeflow.h"
#include "tests/support/temp_folder.h"

namespace dray {
namespace {

using testing::ElementsAre;

const std::string kOld = "oci://quay.io/models/llama:1.0.0";
const std::string kNew = "s3://bucket/model-data/llama/1.0.0/";

class MoveTest : public testing::TestWithParam<bool> {
 protected:
  MoveTest() {
    options_.service_account_folder = folder_.path().string();
    options_.retry.sleep = [](std::stop_token, std::chrono::milliseconds) { return true; };
    if (GetParam())
      registry_ = open_kubeflow_registry(http::parse_url(fake_.url()), options_);
    else
      registry_ = open_sqlite_registry(folder_.path() / "registry.db");
    registry_->put({.name = "llama",
                    .version = "1.0.0",
                    .uri = kOld,
                    .properties = {{"storage_type", "oci"}, {"team", "a"}}},
                   {});
  }

  RegisteredVersion entry() { return registry_->find("llama", "1.0.0", {}).value(); }

  ArtifactMove there(const std::string& from = kOld, const std::string& to = kNew) {
    const RegisteredVersion found = entry();
    return {.version_id = found.version_id,
            .artifact_id = found.artifacts.front().id,
            .from = from,
            .to = to,
            .actor = "ann@host",
            .properties = {{"root_digest", "sha256:aa"}}};
  }

  test::TempFolder folder_;
  KubeflowOptions options_;
  test::FakeKubeflow fake_;
  std::unique_ptr<Registry> registry_;
};

INSTANTIATE_TEST_SUITE_P(Registries, MoveTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "kubeflow" : "sqlite"; });

TEST_P(MoveTest, TheEntrySaysTheNewPlaceAndRemembersTheOldOne) {
  EXPECT_TRUE(registry_->move(there(), {}));
  const RegisteredVersion moved = entry();
  EXPECT_EQ(moved.uri, kNew);
  EXPECT_EQ(moved.state, "LIVE");
  EXPECT_EQ(moved.properties.at("storage_type"), "s3");
  EXPECT_EQ(moved.properties.at("s3_uri"), kNew);
  EXPECT_EQ(moved.properties.at("root_digest"), "sha256:aa");
  EXPECT_EQ(moved.properties.at("team"), "a");
  ASSERT_EQ(moved.artifacts.front().moves.size(), 1U);
  const PlaceMove& move = moved.artifacts.front().moves.front();
  EXPECT_EQ(move.from, kOld);
  EXPECT_EQ(move.to, kNew);
  EXPECT_EQ(move.actor, "ann@host");
  EXPECT_GT(move.time, 1'700'000'000);
  EXPECT_FALSE(registry_->move(there(), {})) << "once more is success and changes nothing";
}

TEST_P(MoveTest, BackAgainTakesThePropertiesOfTheBucketAway) {
  registry_->move(there(), {});
  ArtifactMove back = there(kNew, kOld);
  back.undo = true;
  EXPECT_TRUE(registry_->move(back, {}));
  const RegisteredVersion entry_now = entry();
  EXPECT_EQ(entry_now.uri, kOld);
  EXPECT_EQ(entry_now.properties.at("storage_type"), "oci");
  EXPECT_FALSE(entry_now.properties.contains("s3_uri"));
  ASSERT_EQ(entry_now.artifacts.front().moves.size(), 2U);
  EXPECT_TRUE(entry_now.artifacts.front().moves.front().undo);
}

TEST_P(MoveTest, AnEntryThatChangedMeanwhileIsLeftAlone) {
  const ArtifactMove planned = there();
  ArtifactMove other = there();
  other.to = "s3://theirs/llama/";
  registry_->move(other, {});
  const Error error = test::error_of([&] { registry_->move(planned, {}); });
  EXPECT_EQ(error.code(), Code::precondition);
  EXPECT_EQ(error.side(), Side::registry);
  EXPECT_EQ(entry().uri, "s3://theirs/llama/");
  EXPECT_EQ(entry().properties.at("s3_uri"), "s3://theirs/llama/");
}

TEST_P(MoveTest, ACopyOfOtherContentMovesNothing) {
  registry_->move(there(), {});
  ArtifactMove wrong = there(kNew, "s3://elsewhere/llama/");
  wrong.properties["root_digest"] = "sha256:bb";
  EXPECT_EQ(test::error_of([&] { registry_->move(wrong, {}); }).code(), Code::verification);
  EXPECT_EQ(entry().uri, kNew);
}

TEST_P(MoveTest, AFurtherPlaceLeavesThePropertiesOfTheMainOne) {
  registry_->move(there(), {});
  registry_->put({.name = "llama",
                  .version = "1.0.0",
                  .uri = "oci://second/llama:1.0.0",
                  .properties = {{"root_digest", "sha256:aa"}}},
                 {});
  RegisteredVersion both = entry();
  ASSERT_EQ(both.artifacts.size(), 2U);
  const auto& further =
      both.artifacts.front().main ? both.artifacts.back() : both.artifacts.front();
  registry_->move({.version_id = both.version_id,
                   .artifact_id = further.id,
                   .from = further.uri,
                   .to = "dir:/srv/llama/"},
                  {});
  EXPECT_EQ(entry().uri, kNew);
  EXPECT_THAT(entry().other_uris, ElementsAre("dir:/srv/llama/"));
  EXPECT_EQ(entry().properties.at("s3_uri"), kNew);
}

TEST_P(MoveTest, WhatIsNotThereIsNotFound) {
  ArtifactMove unknown = there();
  unknown.artifact_id = "4711";
  EXPECT_EQ(test::error_of([&] { registry_->move(unknown, {}); }).code(), Code::not_found);
  EXPECT_EQ(entry().uri, kOld);
}

TEST(KubeflowMoveTest, AnotherWriterAtTheSameMomentIsNoticed) {
  test::TempFolder folder;
  KubeflowOptions options;
  options.service_account_folder = folder.path().string();
  test::FakeKubeflow fake;
  const auto model = fake.add_model("llama");
  const auto version = fake.add_version(model, "1.0.0");
  const auto artifact = fake.add_artifact(version, "llama", kOld);
  // Between the change and the look at it.
  bool patched = false;
  fake.instead = [&](const test::RawRequest& request) -> std::optional<test::RawResponse> {
    if (patched) fake.set_uri(artifact, "s3://theirs/llama/");
    patched = patched || request.method == "PATCH";
    return std::nullopt;
  };
  const auto registry = open_kubeflow_registry(http::parse_url(fake.url()), options);
  const ArtifactMove move{.version_id = version, .artifact_id = artifact, .from = kOld, .to = kNew};
  EXPECT_EQ(test::error_of([&] { registry->move(move, {}); }).code(), Code::precondition);
  EXPECT_EQ(registry->find("llama", "1.0.0", {})->uri, "s3://theirs/llama/");
}

Json artifact_with(const std::string& moves) {
  return {{"id", "1"},
          {"name", "llama"},
          {"uri", kOld},
          {"storageKey", "aws"},
          {"storagePath", "models/llama"},
          {"customProperties", {{kMoves, string_property(moves)}, {"kept", string_property("x")}}}};
}

TEST(MoveBody, TheHistoryIsBounded) {
  Json artifact = artifact_with("[]");
  ArtifactMove move{.artifact_id = "1", .from = kOld, .to = kNew};
  for (int i = 0; i < 50; ++i) {
    const auto update = moved_artifact(artifact, move, 1'700'000'000 + i);
    artifact.update(*update);
    std::swap(move.from, move.to);
  }
  const auto moves = read_moves(artifact);
  EXPECT_EQ(moves.size(), kMostMoves);
  EXPECT_EQ(moves.front().time, 1'700'000'049);
  EXPECT_EQ(artifact["customProperties"]["kept"]["string_value"], "x");
  move.to += std::string(2 * kMostMovesBytes, 'x');
  artifact.update(*moved_artifact(artifact, move, 1));
  EXPECT_EQ(read_moves(artifact).size(), 1U);
}

TEST(MoveBody, WhatNamesTheOldStorageGoesAndIsRemembered) {
  const auto update = *moved_artifact(artifact_with("not JSON"), {.from = kOld, .to = kNew}, 1);
  EXPECT_EQ(update["storageKey"], "");
  EXPECT_EQ(update["storagePath"], "");
  const auto moves = read_moves(update);
  ASSERT_EQ(moves.size(), 1U) << "a history that cannot be read is begun anew";
  EXPECT_EQ(moves.front().storage_key, "aws");
  EXPECT_EQ(moves.front().storage_path, "models/llama");
  const auto stated =
      *moved_artifact(artifact_with("[]"),
                      {.from = kOld, .to = kNew, .storage_key = "new", .storage_path = "p"}, 1);
  EXPECT_EQ(stated["storageKey"], "new");
  EXPECT_EQ(stated["storagePath"], "p");
}

TEST(MoveBody, HistoriesThatOthersWroteDoNoHarm) {
  for (const char* text :
       {"", "{}", "[1]", "[{}]", "[{\"from\":1,\"to\":2}]", "[[[[[[[]]]]]]]", "["})
    EXPECT_TRUE(read_moves(artifact_with(text)).empty()) << text;
}

}  // namespace
}  // namespace dray
