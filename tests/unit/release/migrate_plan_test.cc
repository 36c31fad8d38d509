#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/release/migrate.h"
#include "tests/support/errors.h"

namespace dray {
namespace {

using testing::HasSubstr;

TEST(LiesBelow, WholeSegmentsOnly) {
  EXPECT_TRUE(lies_below("oci://quay.io/models/llama:1", "oci://quay.io/models/"));
  EXPECT_TRUE(lies_below("oci://quay.io/models/llama:1", "oci://quay.io/models/llama"));
  EXPECT_TRUE(lies_below("oci://quay.io/models/llama@sha256:aa", "oci://quay.io/models/llama"));
  EXPECT_TRUE(lies_below("oci://quay.io/models/llama:1", "oci://quay.io"));
  EXPECT_FALSE(lies_below("oci://quay.io:5000/models/llama:1", "oci://quay.io"));
  EXPECT_FALSE(lies_below("oci://quay.io/models-2/llama:1", "oci://quay.io/models"));
  EXPECT_FALSE(lies_below("s3://quay.io/models/llama", "oci://quay.io/models"));
  EXPECT_TRUE(lies_below("docker://quay.io/models/llama:1", "oci+http://quay.io/models"));
  EXPECT_TRUE(lies_below("quay.io/models/llama:1", "oci://quay.io/models"));
  EXPECT_TRUE(lies_below("s3://bucket/a/llama?endpoint=https://s3", "s3://bucket/a/"));
  EXPECT_TRUE(lies_below("s3://bucket/a", "s3://bucket/a/"));
  EXPECT_FALSE(lies_below("s3://bucket/a:1", "s3://bucket/a"));
  EXPECT_FALSE(lies_below("s3://bucket2/a", "s3://bucket"));
  EXPECT_TRUE(lies_below("/srv/store/model-data/x/1/", "dir:/srv/store"));
}

TEST(ReadableUri, HasTheSchemeThatReachesIt) {
  EXPECT_EQ(readable_uri("oci://host/a:1", "oci+http://host/"), "oci+http://host/a:1");
  EXPECT_EQ(readable_uri("host/a:1", "oci://host/"), "oci://host/a:1");
  EXPECT_EQ(readable_uri("s3://b/a?endpoint=x", "s3://b"), "s3://b/a");
}

TEST(DestinationStore, ImagesHaveARepositoryEach) {
  EXPECT_EQ(destination_store("s3://bucket/a/", "llama"), "s3://bucket/a");
  EXPECT_EQ(destination_store("oci://quay.io/org/", "Llama-3"), "oci://quay.io/org/llama-3");
  EXPECT_EQ(destination_store("oci://quay.io/org/car-{name}", "llama"),
            "oci://quay.io/org/car-llama");
  const Error error = test::error_of([] { destination_store("oci://quay.io/org", "a._b"); });
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_THAT(error.hint(), HasSubstr("--rename 'a._b="));
}

RegisteredVersion entry(const std::string& name, const std::string& version,
                        const std::string& uri) {
  RegisteredVersion out{.name = name, .version = version, .uri = uri, .state = "LIVE"};
  out.model_id = "1";
  out.version_id = "2";
  out.artifacts.push_back({"a-" + name + version, uri, true, {}});
  return out;
}

std::string target(const std::string& store, const std::string& name, const std::string& version) {
  return store + "/" + name + "/" + version + "/";
}

std::vector<MigrateItem> plan(const std::vector<RegisteredVersion>& entries,
                              MigrateRules rules = {}) {
  if (rules.from.empty()) rules.from = "oci://quay.io/models/";
  if (rules.to.empty()) rules.to = "s3://bucket";
  return plan_migration(entries, rules, target);
}

TEST(PlanMigration, TakesWhatLiesThereUnderItsOwnName) {
  const auto items = plan({entry("llama", "1.0.0", "oci://quay.io/models/x:latest"),
                           entry("other", "1", "oci://elsewhere/x:1")});
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].action, MigrateAction::copy);
  EXPECT_EQ(items[0].target, "s3://bucket/llama/1.0.0/");
  EXPECT_EQ(items[0].origin, "oci://quay.io/models/x:latest");
}

TEST(PlanMigration, NamesThatDoNotFitAreRefusedWithWhatWould) {
  const auto items = plan({entry("org/Llama x", "v 1", "oci://quay.io/models/x:1")});
  EXPECT_EQ(items[0].action, MigrateAction::skip);
  EXPECT_EQ(items[0].failure, Code::usage);
  EXPECT_EQ(items[0].hint, "--rename 'org/Llama x=org--Llama-x'");
  const auto mapped = plan({entry("org/Llama x", "v 1", "oci://quay.io/models/x:1")},
                           {.renames = {{"org/Llama x", "llama"}, {"org/Llama x:v 1", "v-1"}}});
  EXPECT_EQ(mapped[0].target, "s3://bucket/llama/v-1/");
  EXPECT_EQ(mapped[0].text(), "org/Llama x:v 1");
}

TEST(PlanMigration, PatternsAndStatesChoose) {
  auto archived = entry("llama", "1", "oci://quay.io/models/x:1");
  archived.state = "ARCHIVED";
  const std::vector<RegisteredVersion> entries = {archived,
                                                  entry("qwen", "1", "oci://quay.io/models/y:1")};
  EXPECT_EQ(plan(entries)[0].action, MigrateAction::skip);
  EXPECT_FALSE(plan(entries)[0].failure) << "left out by choice";
  EXPECT_EQ(plan(entries, {.archived = true})[0].action, MigrateAction::copy);
  EXPECT_EQ(plan(entries, {.models = {"q*"}}).size(), 1U);
}

RegisteredVersion moved(bool undone = false) {
  auto out = entry("llama", "1.0.0", "s3://bucket/llama/1.0.0/");
  out.artifacts[0].moves = {
      {.from = "oci://quay.io/models/x:1", .to = out.uri, .storage_key = "aws"}};
  if (undone) out.artifacts[0].moves[0].undo = true;
  return out;
}

TEST(PlanMigration, WhatWasMovedIsDoneAndKnowsWhereItWas) {
  const auto items = plan({moved()});
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].action, MigrateAction::done);
  EXPECT_EQ(items[0].origin, "oci://quay.io/models/x:1");
  EXPECT_TRUE(plan({entry("llama", "1.0.0", "s3://bucket/llama/1.0.0/")}).empty())
      << "it was there before";
}

TEST(PlanMigration, ASecondPlaceOfWhatIsThereIsLeft) {
  auto both = entry("llama", "1.0.0", "s3://bucket/llama/1.0.0/");
  both.artifacts.push_back({"b", "oci://quay.io/models/x:1", false, {}});
  const auto items = plan({both});
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].action, MigrateAction::skip);
}

TEST(PlanRollback, OnlyWhatStillSaysWhatDrayWrote) {
  const MigrateRules rules{.from = "oci://quay.io/models", .to = "s3://bucket"};
  const auto items = plan_rollback({moved()}, rules);
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].target, "oci://quay.io/models/x:1");
  EXPECT_EQ(items[0].storage_key, "aws");
  EXPECT_TRUE(plan_rollback({moved(true)}, rules).empty());
  auto changed = moved();
  changed.artifacts[0].uri = "s3://bucket/somewhere/else/";
  EXPECT_TRUE(plan_rollback({changed}, rules).empty());
  EXPECT_TRUE(plan_rollback({moved()}, {.from = "oci://other", .to = "s3://bucket"}).empty());
}

TEST(MigratePlanFile, IsReadBackAndComparedWithWhatIsNow) {
  auto items = plan({entry("llama", "1", "oci://quay.io/models/x:1"),
                     entry("llama", "2", "oci://quay.io/models/x:2"),
                     entry("llama", "3", "oci://quay.io/models/x:3")});
  items[0].bytes = 5;
  const std::string text =
      plan_text({"sqlite:/r.db", "oci://quay.io/models", "s3://bucket", false, items});
  const MigratePlan read = parse_plan(text, "plan.json");
  EXPECT_EQ(read.registry, "sqlite:/r.db");
  ASSERT_EQ(read.items.size(), 3U);
  EXPECT_EQ(read.items[0].bytes, 5U);
  EXPECT_EQ(plan_text(read), text);

  const auto now =
      still_planned(read.items, plan({entry("llama", "1", "oci://quay.io/models/x:1"),
                                      entry("llama", "2", "oci://quay.io/models/other:2"),
                                      entry("new", "1", "oci://quay.io/models/new:1")}));
  ASSERT_EQ(now.size(), 3U) << "what is new is not of the plan";
  EXPECT_EQ(now[0].action, MigrateAction::copy);
  EXPECT_EQ(now[1].failure, Code::precondition);
  EXPECT_THAT(now[1].reason, HasSubstr("oci://quay.io/models/other:2"));
  EXPECT_EQ(now[2].failure, Code::precondition);

  for (const char* bad : {"", "[]", "{}", R"({"format":"dray-migration-plan"})",
                          R"({"format":"dray-migration-plan","version":1,"registry":"r",)"
                          R"("from":"a","to":"b","items":[{"model":1}]})"})
    EXPECT_EQ(test::error_of([&] { parse_plan(bad, "plan.json"); }).code(), Code::malformed) << bad;
}

}  // namespace
}  // namespace dray
