#include "dray/model/safetensors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "tests/support/random.h"

namespace dray {
namespace {

std::string with_length(std::string_view json) {
  std::string out;
  for (int i = 0; i < 8; ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(json.size()) >> (8 * i));
  return out + std::string(json);
}

SafetensorsHeader parse(std::string_view json, std::uint64_t data_bytes) {
  const auto header = with_length(json);
  return parse_safetensors_header(as_bytes(header), header.size() + data_bytes, "a.safetensors");
}

std::string error_of(std::string_view json, std::uint64_t data_bytes) {
  try {
    parse(json, data_bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::malformed);
    return error.what();
  }
  return "";
}

TEST(Safetensors, ReadsTensorsInDataOrderAndMetadata) {
  const auto header = parse(
      R"({"__metadata__":{"format":"pt"},
          "b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},
          "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
          "scalar":{"dtype":"I64","shape":[],"data_offsets":[16,24]},
          "empty":{"dtype":"F16","shape":[0,5],"data_offsets":[16,16]}}     )",
      24);
  ASSERT_EQ(header.tensors.size(), 4U);
  EXPECT_EQ(header.tensors[0], (TensorInfo{"a", "F32", {1}, {0, 4}}));
  EXPECT_EQ(header.tensors[1], (TensorInfo{"b", "BF16", {2, 3}, {4, 12}}));
  EXPECT_EQ(header.tensors[2], (TensorInfo{"empty", "F16", {0, 5}, {16, 0}}));
  EXPECT_EQ(header.tensors[3], (TensorInfo{"scalar", "I64", {}, {16, 8}}));
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
}

TEST(Safetensors, HeaderBytesAreWhereDataBegins) {
  const std::string json = R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  EXPECT_EQ(parse(json, 3).header_bytes, 8 + json.size());
}

TEST(Safetensors, MoreBytesThanTheHeaderAreNotLookedAt) {
  const auto file = with_length(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})") + "{{{";
  EXPECT_EQ(parse_safetensors_header(as_bytes(file), file.size(), "x").tensors.size(), 1U);
}

TEST(Safetensors, EmptyModelIsAllowed) {
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
  EXPECT_TRUE(parse(R"({"__metadata__":{}})", 0).metadata.empty());
}

TEST(Safetensors, PackedTypesCountBits) {
  EXPECT_EQ(dtype_bits("F4"), 4);
  EXPECT_EQ(dtype_bits("F6_E2M3"), 6);
  EXPECT_EQ(dtype_bits("F8_E4M3"), 8);
  EXPECT_EQ(dtype_bits("BF16"), 16);
  EXPECT_EQ(dtype_bits("C64"), 64);
  EXPECT_EQ(dtype_bits("bf16"), 0);
  EXPECT_EQ(dtype_bits(""), 0);
  EXPECT_EQ(parse(R"({"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", 3).tensors.size(),
            1U);
  EXPECT_NE(error_of(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2), "");
}

struct Broken {
  const char* name;
  const char* json;
  std::uint64_t data_bytes;
  const char* says;
};

class SafetensorsBroken : public testing::TestWithParam<Broken> {};

TEST_P(SafetensorsBroken, IsRefusedAndSaysWhere) {
  const auto text = error_of(GetParam().json, GetParam().data_bytes);
  EXPECT_NE(text.find("a.safetensors"), std::string::npos) << text;
  EXPECT_NE(text.find(GetParam().says), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Headers, SafetensorsBroken,
    testing::Values(
        Broken{"NoObject", "[]", 0, "object"}, Broken{"NoJson", "<html>", 0, ""},
        Broken{"TensorIsNoObject", R"({"w":7})", 0, "'w'"},
        Broken{"NoDtype", R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1, "dtype"},
        Broken{"NoShape", R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1, "shape"},
        Broken{"NoOffsets", R"({"w":{"dtype":"U8","shape":[1]}})", 1, "data_offsets"},
        Broken{"UnknownDtype", R"({"w":{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}})", 1, "Q4"},
        Broken{"NegativeDim", R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
               "'w'"},
        Broken{"FractionalDim", R"({"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1,
               "'w'"},
        Broken{"OneOffset", R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "'w'"},
        Broken{"EndBeforeBegin", R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[5,4]}})", 4,
               "'w'"},
        Broken{"SizeMismatch", R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
               "8 bytes"},
        Broken{"OverflowingShape",
               R"({"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
               "'w'"},
        Broken{"HoleAtTheStart", R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
               "hole"},
        Broken{"Hole",
               R"({"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                   "w":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
               3, "'w'"},
        Broken{"Overlap",
               R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                   "w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
               3, "inside"},
        Broken{"SamePlace",
               R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                   "w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
               2, "inside"},
        Broken{"DataTooShort", R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3,
               "holds 3"},
        Broken{"DataTooLong", R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5,
               "holds 5"},
        Broken{"DoubledName",
               R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                   "w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
               2, "w"},
        Broken{"MetadataIsNoObject", R"({"__metadata__":[]})", 0, "metadata"},
        Broken{"MetadataOfNumbers", R"({"__metadata__":{"a":1}})", 0, "metadata"},
        Broken{"TooDeep", R"({"w":{"dtype":"U8","shape":[[[[[1]]]]],"data_offsets":[0,1]}})", 1,
               ""}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Safetensors, LengthIsLittleEndianAndLimited) {
  EXPECT_EQ(safetensors_json_length(as_bytes(std::string_view("\x01\x02\0\0\0\0\0\0", 8)), "x"),
            0x201U);
  EXPECT_THROW(safetensors_json_length(as_bytes("1234567"), "x"), Error);
  EXPECT_THROW(safetensors_json_length(as_bytes("\xff\xff\xff\xff\xff\xff\xff\xff"), "x"), Error);
  // 100,000,000 is the last length allowed.
  EXPECT_EQ(safetensors_json_length(as_bytes(std::string_view("\x00\xe1\xf5\x05\0\0\0\0", 8)), "x"),
            100'000'000U);
  EXPECT_THROW(
      safetensors_json_length(as_bytes(std::string_view("\x01\xe1\xf5\x05\0\0\0\0", 8)), "x"),
      Error);
}

TEST(Safetensors, HeaderThatIsNotAllThereIsRefused) {
  const auto whole = with_length(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})");
  const auto cut = whole.substr(0, whole.size() - 1);
  EXPECT_THROW(parse_safetensors_header(as_bytes(cut), 1000, "x"), Error);
  EXPECT_THROW(parse_safetensors_header(as_bytes(whole), whole.size() - 1, "x"), Error);
}

TEST(Safetensors, NamesInErrorsAreCleaned) {
  const auto text = error_of("{\"\\u001b[2J\":7}", 0);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' '; })) << text;
}

TEST(Safetensors, RandomHeadersReadBack) {
  constexpr std::string_view kDtypes[] = {"U8", "BF16", "F32", "I64", "F8_E5M2"};
  auto random = test::generator(23);
  for (int round = 0; round < 200; ++round) {
    std::vector<TensorInfo> tensors;
    std::uint64_t at = 0;
    Json json = Json::object();
    for (auto n = random() % 12; n > 0; --n) {
      TensorInfo tensor;
      tensor.name = fmt::format("layer.{}.{}", n, random() % 1000);
      tensor.dtype = kDtypes[random() % std::size(kDtypes)];
      std::uint64_t count = 1;
      for (auto dims = random() % 4; dims > 0; --dims) {
        tensor.shape.push_back(1 + random() % 5);
        count *= tensor.shape.back();
      }
      tensor.data = {at, count * static_cast<std::uint64_t>(dtype_bits(tensor.dtype)) / 8};
      at = tensor.data.end();
      json[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.data.offset, tensor.data.end()}}};
      tensors.push_back(tensor);
    }
    EXPECT_EQ(parse(dump_json(json), at).tensors, tensors);
  }
}

TEST(Safetensors, AHeadIsReadBackAndItsDataIsAligned) {
  for (const std::uint64_t alignment : {1, 8, 4096}) {
    const Buffer head =
        safetensors_head(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", alignment);
    EXPECT_EQ(head.size() % alignment, 0U);
    EXPECT_LT(head.size(), 70 + alignment);
    const auto header = parse_safetensors_header(head, head.size() + 3, "x");
    EXPECT_EQ(header.header_bytes, head.size());
    EXPECT_EQ(header.tensors.at(0), (TensorInfo{"a", "U8", {3}, {0, 3}}));
  }
}

TEST(Safetensors, AnIndexIsAsPythonWritesIt) {
  EXPECT_EQ(safetensors_index({{"b", "two"}, {"a \"q\"", "one"}}, 7), R"({
  "metadata": {
    "total_size": 7
  },
  "weight_map": {
    "a \"q\"": "one",
    "b": "two"
  }
}
)");
}

}  // namespace
}  // namespace dray
