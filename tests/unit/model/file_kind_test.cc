#include "dray/model/file_kind.h"

#include <gtest/gtest.h>

#include "dray/model/quantizations.h"

namespace dray {
namespace {

TEST(FileKind, IsToldFromThePath) {
  const std::pair<std::string_view, FileKind> rows[] = {
      {"model.safetensors", FileKind::safetensors},
      {"unet/diffusion_pytorch_model.SAFETENSORS", FileKind::safetensors},
      {"model.safetensors.index.json", FileKind::index},
      {"model.safetensors.index.fp16.json", FileKind::index},
      {"pytorch_model.bin.index.json", FileKind::index},
      {"tf_model.h5.index.json", FileKind::tensorflow},
      {"flax_model.msgpack.index.json", FileKind::flax},
      {"pytorch_model.bin", FileKind::pickle},
      {"original/consolidated.00.pth", FileKind::pickle},
      {"training_args.bin", FileKind::training},
      {"last/optimizer_0.bin", FileKind::training},
      {"rng_state_12.pth", FileKind::training},
      {"scheduler.pt", FileKind::training},
      {"scheduler/scheduler_config.json", FileKind::other},
      {"runs/May1/events.out.tfevents.1", FileKind::training},
      {"my-runs/notes.txt", FileKind::other},
      {"openvino_model.bin", FileKind::openvino},
      {"ggml-large-v3.bin", FileKind::ggml},
      {"model.onnx_data_1", FileKind::onnx},
      {"onnx/tokenizer.json", FileKind::onnx},
      {"onnxruntime.md", FileKind::other},
      {"bert_model.ckpt.data-00000-of-00001", FileKind::tensorflow},
      {"v1-5-pruned.ckpt", FileKind::pickle},
      {"a/.gitattributes", FileKind::git},
      {"tokenizer.model", FileKind::other},
      {"spiece.model", FileKind::other},
      {"modeling_x.py", FileKind::other},
      {"figures/a.PNG", FileKind::picture},
  };
  for (const auto& [path, kind] : rows) EXPECT_EQ(file_kind(path), kind) << path;
}

TEST(FileKind, NamesOfWeightsAreTakenApart) {
  struct Row {
    std::string_view name, stem, extension;
    unsigned shard, shards;
    bool index;
  };
  const Row rows[] = {
      {"model.safetensors", "model", ".safetensors", 0, 0, false},
      {"model-00003-of-000163.safetensors", "model", ".safetensors", 3, 163, false},
      {"model-00000-of-00002.safetensors", "model", ".safetensors", 0, 2, false},
      {"pytorch_model_00001-of-00072.bin", "pytorch_model", ".bin", 1, 72, false},
      {"model.fp16-00001-of-00002.safetensors", "model.fp16", ".safetensors", 1, 2, false},
      {"model-00001-of-00002.fp16.safetensors", "model.fp16", ".safetensors", 1, 2, false},
      {"model.safetensors.index.json", "model", ".safetensors", 0, 0, true},
      {"model.safetensors.index.fp16.json", "model.fp16", ".safetensors", 0, 0, true},
      {"model.fp16.safetensors.index.json", "model.fp16", ".safetensors", 0, 0, true},
      {"model.safetensors-00001-of-00014.safetensors", "model.safetensors", ".safetensors", 1, 14,
       false},
      {"consolidated.00.pth", "consolidated.00", ".pth", 0, 0, false},
      {"best-of-both.bin", "best-of-both", ".bin", 0, 0, false},
      {"model-00005-of-00002.bin", "model-00005-of-00002", ".bin", 0, 0, false},
      {"a-1-of-99999999999999999999.bin", "a-1-of-99999999999999999999", ".bin", 0, 0, false},
      {"-of-3.bin", "-of-3", ".bin", 0, 0, false},
      {"model", "model", "", 0, 0, false},
      {"model_index.json", "model_index", ".json", 0, 0, false},
      {"", "", "", 0, 0, false},
  };
  for (const auto& row : rows) {
    const auto name = parse_weight_name(row.name);
    EXPECT_EQ(name.stem, row.stem) << row.name;
    EXPECT_EQ(name.extension, row.extension) << row.name;
    EXPECT_EQ(name.shard, row.shard) << row.name;
    EXPECT_EQ(name.shards, row.shards) << row.name;
    EXPECT_EQ(name.index, row.index) << row.name;
  }
}

TEST(FileKind, GgufNamesAreTakenApart) {
  const std::tuple<std::string_view, std::string_view, std::string_view> rows[] = {
      {"Llama-3.1-8B-Instruct-Q4_K_M.gguf", "llama-3.1-8b-instruct", "Q4_K_M"},
      {"llama-3.1-8b-instruct.Q4_K_M.gguf", "llama-3.1-8b-instruct", "Q4_K_M"},
      {"tinyllama-1.1b-chat-v1.0.Q2_K.gguf", "tinyllama-1.1b-chat-v1.0", "Q2_K"},
      {"DeepSeek-R1-UD-Q4_K_XL-00002-of-00009.gguf", "deepseek-r1", "UD-Q4_K_XL"},
      {"x.i1-IQ1_S.gguf", "x", "I1-IQ1_S"},
      {"gemma-3-4b-it-q4_0.gguf", "gemma-3-4b-it", "Q4_0"},
      {"phi-2_Q5_K_M.gguf", "phi-2", "Q5_K_M"},
      {"gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b", "MXFP4"},
      {"mmproj-model-f16.gguf", "mmproj-model", "F16"},
      {"Qwen2-7B-bf16.gguf", "qwen2-7b", "BF16"},
      {"Q8_0.gguf", "", "Q8_0"},
      {"my-model.gguf", "my-model", ""},
      {"model-IQ4_XS-v2.gguf", "model-v2", "IQ4_XS"},
  };
  for (const auto& [name, model, quantization] : rows) {
    const auto parsed = parse_gguf_name(name);
    EXPECT_EQ(parsed.model, model) << name;
    EXPECT_EQ(parsed.quantization, quantization) << name;
  }
}

}  // namespace
}  // namespace dray
