// A registry in a file of its own, and the answers of it parsed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/registry/records.h"
#include "tests/support/temp_folder.h"

namespace dray {

class RecordsTest : public testing::Test {
 protected:
  Json create(Kind kind, const Json& body, std::string_view parent = "") {
    return Json::parse(records_.create(kind, parent, dump_json(body)).document);
  }
  std::string model(const std::string& name, Json properties = Json::object()) {
    return create(Kind::registered_model,
                  {{"name", name}, {"customProperties", std::move(properties)}})["id"];
  }
  std::string version(const std::string& model_id, const std::string& name,
                      Json properties = Json::object()) {
    return create(Kind::model_version, {{"name", name},
                                        {"registeredModelId", model_id},
                                        {"customProperties", std::move(properties)}})["id"];
  }
  Json get(Kind kind, const std::string& id) { return Json::parse(records_.get(kind, id)); }
  Json update(Kind kind, const std::string& id, const Json& body) {
    return Json::parse(records_.update(kind, id, dump_json(body)).document);
  }
  Json upsert(Kind parent, const std::string& parent_id, const Json& body) {
    return Json::parse(records_.upsert_artifact(parent, parent_id, dump_json(body)).document);
  }
  static Json items(const Page& page) { return Json::parse("[" + page.items + "]"); }
  /// "a b c": names of what a list answers, in its order.
  std::string names(Kind kind, const ListQuery& query = {}, std::string_view parent = "") {
    std::string out;
    for (const Json& item : items(records_.list(kind, parent, query)))
      out += (out.empty() ? "" : " ") + item["name"].get<std::string>();
    return out;
  }
  std::string filtered(Kind kind, const std::string& filter, std::string_view parent = "") {
    return names(kind, {.filter_query = filter}, parent);
  }

  template <typename F>
  static Error error_of(F f) {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.side(), Side::registry) << e.what();
      return e;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::internal, "none");
  }
  template <typename F>
  static Code code_of(F f) {
    return error_of(f).code();
  }

  static Json text(const std::string& value) {
    return {{"metadataType", "MetadataStringValue"}, {"string_value", value}};
  }
  static Json integer(const std::string& value) {
    return {{"metadataType", "MetadataIntValue"}, {"int_value", value}};
  }
  static Json number(double value) {
    return {{"metadataType", "MetadataDoubleValue"}, {"double_value", value}};
  }
  static Json boolean(bool value) {
    return {{"metadataType", "MetadataBoolValue"}, {"bool_value", value}};
  }

  test::TempFolder folder_;
  std::filesystem::path path_ = folder_.path() / "registry.db";
  Records records_{path_};
};

}  // namespace dray
