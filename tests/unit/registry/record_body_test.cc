#include "dray/registry/record_body.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray {
namespace {

using Form = RecordBody::Form;

/// What is said against a body; "" if nothing.
std::string problem(Kind kind, Form form, const std::string& text, Code code = Code::malformed) {
  try {
    read_body(kind, form, text);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << text;
    EXPECT_EQ(error.side(), Side::registry);
    return error.message();
  }
}

std::string property(const std::string& value) {
  return R"({"name":"m","customProperties":{"p":)" + value + "}}";
}

TEST(RecordBody, FieldsAreKnownAndOfTheirTypes) {
  const struct {
    Kind kind;
    const char* text;
  } bad[] = {
      {Kind::registered_model, ""},
      {Kind::registered_model, "[]"},
      {Kind::registered_model, "null"},
      {Kind::registered_model, R"({"name":"m"} x)"},
      {Kind::registered_model, R"({"name":"m","name":"n"})"},
      {Kind::registered_model, R"({"name":5})"},
      {Kind::registered_model, R"({"name":"m","colour":"red"})"},
      {Kind::registered_model, R"({"name":"m","id":"1"})"},
      {Kind::registered_model, R"({"name":"m","createTimeSinceEpoch":"1"})"},
      {Kind::registered_model, R"({"name":"m","state":"live"})"},
      {Kind::registered_model, R"({"name":"m","state":"LIVE ARCHIVED"})"},
      {Kind::registered_model, R"({"name":"m","state":""})"},
      {Kind::registered_model, R"({"name":"m","language":"en"})"},
      {Kind::registered_model, R"({"name":"m","language":[1]})"},
      {Kind::registered_model, R"({"name":"m\u0000"})"},
      {Kind::registered_model, R"({"name":"m","customProperties":[]})"},
      {Kind::model_version, R"({"name":"v","registeredModelId":1})"},
      {Kind::model_version, R"({"name":"v","registeredModelId":"x"})"},
      {Kind::model_version, R"({"name":"v","registeredModelId":"99999999999"})"},
      {Kind::metric, R"({"value":"1"})"},
      {Kind::metric, R"({"value":1,"step":1.5})"},
      {Kind::metric, R"({"value":1,"step":9223372036854775808})"},
      {Kind::metric, R"({"value":1,"timestamp":5})"},
      {Kind::metric, R"({"value":1,"artifactType":"parameter"})"},
      {Kind::parameter, R"({"value":"1","parameterType":"float"})"},
      {Kind::any_artifact, R"({"name":"a"})"},
      {Kind::any_artifact, R"({"artifactType":"song"})"},
      {Kind::any_artifact, R"({"artifactType":7})"},
      {Kind::any_artifact, R"({"artifactType":"metric","value":"high"})"},
  };
  for (const auto& [kind, text] : bad) EXPECT_NE(problem(kind, Form::create, text), "") << text;
}

TEST(RecordBody, WhatIsRequiredIsMissed) {
  const auto missing = [](Kind kind, const char* text) {
    return problem(kind, Form::create, text, Code::precondition);
  };
  EXPECT_EQ(missing(Kind::registered_model, "{}"), "required field 'name' is zero value.");
  EXPECT_NE(missing(Kind::registered_model, R"({"name":""})"), "");
  EXPECT_NE(missing(Kind::registered_model, R"({"name":null})"), "");
  EXPECT_NE(missing(Kind::model_version, R"({"name":"v"})"), "");
  EXPECT_NE(missing(Kind::inference_service, R"({"registeredModelId":"1"})"), "");
  EXPECT_EQ(missing(Kind::model_artifact, "{}"), "") << "everything is optional";
  EXPECT_EQ(problem(Kind::registered_model, Form::update, "{}"), "");
}

TEST(RecordBody, WhatNeverChangesIsNotInAPatch) {
  const auto patch = [](Kind kind, const char* text) { return problem(kind, Form::update, text); };
  EXPECT_NE(patch(Kind::registered_model, R"({"name":"n"})"), "");
  EXPECT_NE(patch(Kind::registered_model, R"({"id":"1"})"), "");
  EXPECT_NE(patch(Kind::model_version, R"({"registeredModelId":"1"})"), "");
  EXPECT_NE(patch(Kind::serve_model, R"({"modelVersionId":"1"})"), "");
  EXPECT_EQ(patch(Kind::inference_service, R"({"modelVersionId":"1"})"), "");
}

TEST(RecordBody, WholeResourcesMayHoldWhatTheServerSays) {
  const RecordBody body = read_body(
      Kind::model_version, Form::whole,
      R"({"name":"v","registeredModelId":"1","id":"7","createTimeSinceEpoch":"5","author":"me"})");
  EXPECT_EQ(body.id, "7");
  EXPECT_EQ(body.fields.dump(), R"({"author":"me","name":"v","registeredModelId":"1"})");
}

TEST(RecordBody, ArtifactsNameTheirKindAndMayHoldMore) {
  const RecordBody body =
      read_body(Kind::any_artifact, Form::whole,
                R"({"artifactType":"doc-artifact","name":"d","colour":"red","experimentId":"4"})");
  EXPECT_EQ(body.kind, Kind::doc_artifact);
  EXPECT_EQ(body.fields.dump(), R"({"artifactType":"doc-artifact","name":"d"})");
}

TEST(RecordBody, CustomPropertiesHoldOneValueOfTheTypeThatTheyState) {
  for (const char* good : {
           R"({"metadataType":"MetadataStringValue","string_value":""})",
           R"({"metadataType":"MetadataIntValue","int_value":"-2147483648"})",
           R"({"metadataType":"MetadataDoubleValue","double_value":1})",
           R"({"metadataType":"MetadataBoolValue","bool_value":false})",
           R"({"metadataType":"MetadataStructValue","struct_value":"eyJhIjoxfQ=="})",
       })
    EXPECT_EQ(problem(Kind::registered_model, Form::create, property(good)), "") << good;
  for (const char* bad : {
           "null",
           R"("text")",
           "{}",
           R"({"string_value":"x"})",
           R"({"metadataType":"MetadataStringValue"})",
           R"({"metadataType":"MetadataStringValue","string_value":5})",
           R"({"metadataType":"MetadataStringValue","int_value":"5"})",
           R"({"metadataType":"MetadataStringValue","string_value":"x","int_value":"5"})",
           R"({"metadataType":"Text","string_value":"x"})",
           R"({"metadataType":"MetadataIntValue","int_value":5})",
           R"({"metadataType":"MetadataIntValue","int_value":"2147483648"})",
           R"({"metadataType":"MetadataIntValue","int_value":"1.0"})",
           R"({"metadataType":"MetadataIntValue","int_value":""})",
           R"({"metadataType":"MetadataDoubleValue","double_value":"1"})",
           R"({"metadataType":"MetadataBoolValue","bool_value":"true"})",
           R"({"metadataType":"MetadataStructValue","struct_value":"{}"})",
           R"({"metadataType":"MetadataStructValue","struct_value":"WzFd"})",
           R"({"metadataType":"MetadataProtoValue","type":"t","proto_value":"AA=="})",
       })
    EXPECT_NE(problem(Kind::registered_model, Form::create, property(bad)), "") << bad;
  EXPECT_NE(problem(Kind::registered_model, Form::create,
                    R"({"name":"m","customProperties":{"":)"
                    R"({"metadataType":"MetadataBoolValue","bool_value":true}}})"),
            "");
}

TEST(RecordBody, SizesAndDepthsHaveLimits) {
  const auto refused = [](const std::string& text) {
    return !problem(Kind::registered_model, Form::create, text).empty();
  };
  EXPECT_FALSE(refused(R"({"name":")" + std::string(240, 'n') + "\"}"));
  EXPECT_TRUE(refused(R"({"name":")" + std::string(241, 'n') + "\"}"));
  EXPECT_TRUE(refused(R"({"name":"m","readme":)" + std::string(100'000, '[')));
  EXPECT_TRUE(refused(R"({"name":"m","readme":")" + std::string(5 << 20, 'r') + "\"}"));
  EXPECT_FALSE(refused(R"({"name":"m","readme":")" + std::string(1 << 20, 'r') + "\"}"));
  std::string many;
  for (int i = 0; i <= 1000; ++i)
    many += (i == 0 ? "" : ",") + ("\"p" + std::to_string(i)) +
            R"(":{"metadataType":"MetadataBoolValue","bool_value":true})";
  EXPECT_TRUE(refused(R"({"name":"m","customProperties":{)" + many + "}}"));
}

}  // namespace
}  // namespace dray
