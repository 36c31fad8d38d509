#include "dray/registry/record_filter.h"

#include "tests/unit/registry/records_fixture.h"

namespace dray {
namespace {

class FilterTest : public RecordsTest {
 protected:
  FilterTest() {
    model("alpha", {{"framework", text("pytorch")},
                    {"layers", integer("12")},
                    {"f1", number(0.5)},
                    {"tuned", boolean(true)},
                    {"note", text("50% off\\")}});
    model("beta", {{"framework", text("onnx")},
                   {"layers", integer("24")},
                   {"f1", number(0.75)},
                   {"tuned", boolean(false)}});
    model("gamma", {{"framework", text("PyTorch")}, {"layers", number(12)}, {"a.b", text("dot")}});
    create(Kind::registered_model, {{"name", "delta"},
                                    {"owner", "o'hara"},
                                    {"state", "ARCHIVED"},
                                    {"externalId", "x-1"},
                                    {"description", "the last"},
                                    {"customProperties", {{"owner", text("nobody")}}}});
  }
  std::string models(const std::string& filter) { return filtered(Kind::registered_model, filter); }
};

TEST_F(FilterTest, ComparesCustomPropertiesByTheTypeOfTheValue) {
  EXPECT_EQ(models("framework = 'pytorch'"), "alpha");
  EXPECT_EQ(models("framework = \"pytorch\""), "alpha");
  EXPECT_EQ(models("framework != 'pytorch'"), "beta gamma") << "those that have the property";
  EXPECT_EQ(models("framework <> 'pytorch'"), "beta gamma");
  EXPECT_EQ(models("layers = 12"), "alpha gamma") << "integers and doubles";
  EXPECT_EQ(models("layers.int_value = 12"), "alpha");
  EXPECT_EQ(models("layers.double_value = 12"), "gamma");
  EXPECT_EQ(models("layers = '12'"), "") << "a text is no number";
  EXPECT_EQ(models("layers > 11"), "alpha beta gamma");
  EXPECT_EQ(models("layers >= 24"), "beta");
  EXPECT_EQ(models("layers < 24"), "alpha gamma");
  EXPECT_EQ(models("layers <= -1"), "");
  EXPECT_EQ(models("f1 > 0.5"), "beta");
  EXPECT_EQ(models("f1 = 5e-1"), "alpha");
  EXPECT_EQ(models("tuned = true"), "alpha");
  EXPECT_EQ(models("tuned != TRUE"), "beta");
  EXPECT_EQ(models("framework > 1"), "") << "texts are not above all numbers";
  EXPECT_EQ(models("`a.b` = 'dot'"), "gamma");
  EXPECT_EQ(models("a.b = 'dot'"), "gamma");
}

TEST_F(FilterTest, ComparesFieldsByTheirType) {
  EXPECT_EQ(models("name = 'beta'"), "beta");
  EXPECT_EQ(models("id = 2"), "beta");
  EXPECT_EQ(models("id = '2'"), "beta") << "ids are strings in the API";
  EXPECT_EQ(models("id > 3"), "delta");
  EXPECT_EQ(models("state = 'ARCHIVED'"), "delta");
  EXPECT_EQ(models("externalId = 'x-1'"), "delta");
  EXPECT_EQ(models("owner = 'o\\'hara'"), "delta");
  EXPECT_EQ(models("owner = 'nobody'"), "") << "the field, not the property of that name";
  EXPECT_EQ(models("description LIKE '%last'"), "delta");
  EXPECT_EQ(models("createTimeSinceEpoch > 1700000000000"), "alpha beta gamma delta");
  EXPECT_EQ(models("createTimeSinceEpoch < '1700000000000'"), "");
}

TEST_F(FilterTest, PatternsAndLists) {
  EXPECT_EQ(models("framework LIKE 'py%'"), "alpha");
  EXPECT_EQ(models("framework ILIKE 'PY%'"), "alpha gamma");
  EXPECT_EQ(models("name LIKE '_eta'"), "beta");
  EXPECT_EQ(models("note LIKE '50\\%%'"), "alpha") << "\\ takes % as it is";
  EXPECT_EQ(models("note LIKE '5\\%%'"), "");
  EXPECT_EQ(models("name IN ('alpha', 'delta', 'x')"), "alpha delta");
  EXPECT_EQ(models("layers in (24)"), "beta");
  EXPECT_EQ(models("layers IN 24"), "beta");
  EXPECT_EQ(models("layers IN ()"), "");
}

TEST_F(FilterTest, AndBindsMoreThanOr) {
  EXPECT_EQ(models("name = 'beta' OR name = 'alpha' AND layers = 99"), "beta");
  EXPECT_EQ(models("(name = 'beta' OR name = 'alpha') AND layers = 12"), "alpha");
  EXPECT_EQ(models("layers = 24 and framework = 'onnx' And f1 < 1"), "beta");
  EXPECT_EQ(models("framework = 'onnx' OR state = 'ARCHIVED'"), "beta delta");
  EXPECT_EQ(models("framework = 'onnx' -- and nothing\n OR tuned = true"), "alpha beta");
}

TEST_F(FilterTest, OrdersAndPagesHold) {
  for (int i = 0; i < 5; ++i)
    model("m" + std::to_string(i), {{"team", text("a")}, {"even", boolean(i % 2 == 0)}});
  const auto page = [&](ListQuery query) {
    query.filter_query = "team = 'a' AND even = true";
    query.page_size = "2";
    std::string out;
    do {
      const Page found = records_.list(Kind::registered_model, "", query);
      for (const Json& item : items(found)) out += item["name"].get<std::string>() + " ";
      query.next_page_token = found.next_page_token;
    } while (!query.next_page_token.empty() && out.size() < 100);
    return out;
  };
  EXPECT_EQ(page({}), "m0 m2 m4 ");
  EXPECT_EQ(page({.sort_order = "DESC"}), "m4 m2 m0 ");
  EXPECT_EQ(page({.order_by = "CREATE_TIME", .sort_order = "DESC"}), "m4 m2 m0 ");
}

TEST_F(FilterTest, WorksBelowAParentAndOverAllArtifacts) {
  const std::string v = version("1", "1.0.0", {{"stage", text("a")}}), w = version("2", "1.0.0");
  version("1", "1.1.0", {{"stage", text("b")}});
  EXPECT_EQ(filtered(Kind::model_version, "stage = 'b'", "1"), "1.1.0");
  EXPECT_EQ(filtered(Kind::model_version, "stage = 'b'", "2"), "");
  EXPECT_EQ(filtered(Kind::model_version, "registeredModelId = 1 AND stage IN ('a', 'b')"),
            "1.0.0 1.1.0");
  upsert(Kind::model_version, v, {{"artifactType", "metric"}, {"name", "acc"}, {"value", 0.5}});
  upsert(Kind::model_version, w, {{"artifactType", "parameter"}, {"name", "lr"}, {"value", "x"}});
  upsert(Kind::model_version, w,
         {{"artifactType", "model-artifact"}, {"name", "w"}, {"uri", "s3://b/x"}});
  EXPECT_EQ(filtered(Kind::any_artifact, "value > 0.1"), "acc");
  EXPECT_EQ(filtered(Kind::any_artifact, "value = 'x'"), "lr");
  EXPECT_EQ(filtered(Kind::any_artifact, "uri LIKE 's3://%'"), "w");
  EXPECT_EQ(filtered(Kind::any_artifact, "uri LIKE 's3://%'", w), "w");
  EXPECT_EQ(filtered(Kind::any_artifact, "uri LIKE 's3://%'", v), "");
}

TEST_F(FilterTest, BlankMeansAll) { EXPECT_EQ(models(" \t\n"), "alpha beta gamma delta"); }

TEST_F(FilterTest, WhatIsNoFilterIsRefused) {
  for (const char* bad : {
           "name",
           "name =",
           "= 'x'",
           "name = x",
           "name = 'x",
           "name == 'x'",
           "name = 'x' AND",
           "name = 'x' name = 'y'",
           "name = 'x')",
           "(name = 'x'",
           "NOT name = 'x'",
           "name IS NULL",
           "name NOT IN ('x')",
           "name IN ('x'",
           "name IN ('x',)",
           "name = ('x')",
           "name. = 'x'",
           "'name' = 'x'",
           "name = 'it''s'",
           "id = 99999999999999999999",
           "f1 = 1e999",
           "name = 'x'; DROP TABLE resource",
           "name = 'x' OR 1 = 1",
           "-- nothing",
           "layers LIKE 12",
           "layers LIKE '12' AND id = 'abc'",
           "name = 5",
           "id = true",
           "id = 1.x",
           "state > 5",
           "tuned.bool_value = 'x'",
           "\xff = 1",
       })
    EXPECT_EQ(code_of([&] { models(bad); }), Code::malformed) << bad;
}

TEST_F(FilterTest, TextsStayTexts) {
  EXPECT_EQ(models("name = 'x\\' OR \\'1\\'=\\'1'"), "");
  EXPECT_EQ(models("`x\" = 1 OR 1=1 --` = 'a'"), "");
  EXPECT_EQ(models("name = '\" OR 1=1 --'"), "");
  EXPECT_EQ(models("id > 0"), "alpha beta gamma delta") << "all is still there";
}

TEST_F(FilterTest, HasLimits) {
  const auto refused = [&](const std::string& filter) {
    try {
      models(filter);
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::malformed);
      return true;
    }
  };
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "id = 1" + std::string(depth, ')');
  };
  EXPECT_FALSE(refused(nested(30)));
  EXPECT_TRUE(refused(nested(40)));
  EXPECT_TRUE(refused(std::string(10'000, '(')));
  EXPECT_TRUE(refused("name = '" + std::string(20'000, 'x') + "'"));
  std::string conditions = "id = 1", list = "1";
  for (int i = 0; i < 99; ++i) conditions += " OR x = 1";
  EXPECT_FALSE(refused(conditions));
  EXPECT_TRUE(refused(conditions + " OR x = 1"));
  for (int i = 0; i < 499; ++i) list += ",1";
  EXPECT_FALSE(refused("id IN (" + list + ")"));
  EXPECT_TRUE(refused("id IN (" + list + ",1)"));
}

}  // namespace
}  // namespace dray
