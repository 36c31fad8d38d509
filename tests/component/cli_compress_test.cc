// `dray import --compress`, `dray quantize` and `dray show --tensors`, as a user meets them.
#include <gtest/gtest.h>

#include "tests/support/cli_fixture.h"
#include "tests/support/safetensors_file.h"

namespace dray::test {
namespace {

class CliCompress : public Cli {
 protected:
  CliCompress() {
    dray.environment["DRAY_STORE"] = dray.environment["DRAY_TO"] = "dir:store";
    make_model();
    std::vector<FileTensor> tensors;
    for (const char* name : {"model.embed_tokens", "model.layers.0.mlp.up_proj", "lm_head"}) {
      Buffer bytes(2 * 64 * 64);
      for (std::size_t i = 0; i < bytes.size(); i += 2) {
        bytes[i] = static_cast<std::byte>(i * 37 / 2);
        bytes[i + 1] = static_cast<std::byte>(i % 3 == 0 ? 0x3C : 0xBC);
      }
      tensors.push_back({std::string(name) + ".weight", "BF16", {64, 64}, std::move(bytes)});
    }
    write("model/model.safetensors", as_text(safetensors_file(tensors)));
  }
};

TEST_F(CliCompress, ADryRunTellsSizesWhatStaysAndWhatServersLack) {
  const auto text =
      dray({"import", "./model", "--compress", "w4a16", "--group-size", "64", "--dry-run"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(has(text.out, "compressed   W4A16 (rtn, groups of 64), 1 weight, ")) << text.out;
  EXPECT_TRUE(has(text.out, "as they are  1 embeddings, 1 output head")) << text.out;
  EXPECT_TRUE(has(text.out, "quantized to W4A16")) << text.out;
  EXPECT_TRUE(has(text.out, "What vLLM and transformers will not like about it:")) << text.out;
  const Json json = json_of(dray(
      {"import", "./model", "--compress", "W4A16", "--group-size", "64", "--dry-run", "--json"}));
  EXPECT_EQ(json["compress"]["scheme"], "W4A16");
  EXPECT_EQ(json["compress"]["kept"].size(), 2u);
  EXPECT_EQ(json["compress"]["kept"][1]["why"], "embeddings");
  EXPECT_FALSE(json["compress"]["warnings"].empty());
  EXPECT_LT(json["bytes_to_store"], json["bytes_to_fetch"]);
}

TEST_F(CliCompress, AReleaseOfTheSameStoreIsQuantizedAndSaysHowWell) {
  json_of(dray({"import", "./model", "--json"}));
  const Json made = json_of(dray({"quantize", "model:1.0.0", "FP8_DYNAMIC", "--json"}));
  EXPECT_EQ(made["version"], "1.0.1");
  EXPECT_EQ(made["changed"], true);
  EXPECT_EQ(json_of(dray({"quantize", "model:1.0.0", "FP8_DYNAMIC", "--json"}))["changed"], false);
  const Json shown = json_of(dray({"show", "model:1.0.1", "--tensors", "--json"}));
  EXPECT_EQ(shown["transforms"][0]["scheme"], "FP8_DYNAMIC");
  EXPECT_EQ(shown["lineage"]["base"]["version"], "1.0.0");
  bool found = false;
  for (const Json& tensor : shown["tensors"]) {
    if (tensor["name"] != "model.layers.0.mlp.up_proj.weight") continue;
    found = true;
    EXPECT_EQ(tensor["dtype"], "F8_E4M3");
    EXPECT_GT(tensor["relative_error"], 0);
    EXPECT_GT(tensor["cosine"], 0.99);
  }
  EXPECT_TRUE(found);
  const auto text = dray({"show", "model:1.0.1", "--tensors"});
  EXPECT_TRUE(has(text.out, "compressed")) << text.out;
  EXPECT_TRUE(has(text.out, "ERROR")) << text.out;
  EXPECT_FALSE(has(dray({"show", "model:1.0.0", "--tensors"}).out, "ERROR"));
  EXPECT_EQ(dray({"verify", "model:1.0.1"}).status, 0);
}

TEST_F(CliCompress, VariablesThatDoNotApplyArePassedOver) {
  dray.environment["DRAY_GROUP_SIZE"] = "64";
  dray.environment["DRAY_ASYMMETRIC"] = "1";
  dray.environment["DRAY_IGNORE"] = "*.mlp.*";
  const auto plain = dray({"import", "./model", "--dry-run", "--json"});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(json_of(plain)["compress"], Json());
  dray.environment.erase("DRAY_IGNORE");
  const auto fp8 = dray({"quantize", "./model", "FP8_DYNAMIC", "--dry-run", "--json"});
  EXPECT_EQ(fp8.status, 0) << fp8.err;
  EXPECT_EQ(json_of(fp8)["compress"]["group_size"], Json());
  const Json w8 = json_of(dray({"quantize", "./model", "W8A16", "--dry-run", "--json"}));
  EXPECT_EQ(w8["compress"]["group_size"], 64);
  EXPECT_EQ(w8["compress"]["symmetric"], false);
  EXPECT_TRUE(has(dray({"import", "./model", "--ignore", "*"}).err, "--ignore belongs to"));
}

TEST_F(CliCompress, MistakesSayWhatWouldWork) {
  const auto refusal = [&](const std::vector<std::string>& arguments) {
    return dray(arguments).err;
  };
  EXPECT_TRUE(has(refusal({"import", "./model", "--group-size", "64"}),
                  "--group-size belongs to --compress"));
  EXPECT_TRUE(has(refusal({"quantize", "./model", "Q4_K_M"}), "one of FP8_DYNAMIC, W4A16"));
  EXPECT_TRUE(has(refusal({"quantize", "./model", "NVFP4"}), "NVFP4A16 needs none"));
  EXPECT_TRUE(has(refusal({"quantize", "./model", "W8A8", "--group-size", "64"}),
                  "W8A8 has no choice of group size"));
  const auto odd = dray({"quantize", "./model", "W4A16"});
  EXPECT_TRUE(has(odd.err, "a group of 64 fits")) << odd.err;
  EXPECT_TRUE(has(odd.err, "--ignore 'model.layers.0.mlp.up_proj'")) << odd.err;
  const auto nothing = dray({"quantize", "./model", "W8A8", "--ignore", "*"});
  EXPECT_TRUE(has(nothing.err, "nothing is left to quantize")) << nothing.err;
  EXPECT_TRUE(has(refusal({"quantize", "model:9.9.9", "W8A8"}), "there is no"));
}

}  // namespace
}  // namespace dray::test
