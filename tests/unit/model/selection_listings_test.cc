// The default choice on listings of the shape of real repositories. '+' is taken, '-' is left.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/listing.h"

namespace dray {
namespace {

constexpr std::string_view kLlama =
    R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":128256})";

struct Repo {
  std::string_view name;
  std::string_view weights;
  std::string_view table;
};

// gtest prints the parameter of a failed test.
void PrintTo(const Repo& repo, std::ostream* out) { *out << repo.name; }

constexpr Repo kRepos[] = {
    {"GptOss20b", "safetensors", R"(
- .gitattributes
+ LICENSE
+ README.md
+ USAGE_POLICY
+ chat_template.jinja
+ config.json
+ generation_config.json
- metal/model.bin 13750886400
+ model-{00000..00002}-of-00002.safetensors 4792272488
+ model.safetensors.index.json 36355
- original/config.json
- original/dtypes.json
- original/model.safetensors 13761300984
+ special_tokens_map.json
+ tokenizer.json 27868174
+ tokenizer_config.json
index model.safetensors.index.json model-{00000..00002}-of-00002.safetensors
text config.json {"architectures":["GptOssForCausalLM"],"model_type":"gpt_oss","vocab_size":201088}
)"},
    {"Mistral7bInstruct", "safetensors", R"(
- .gitattributes
+ README.md
+ config.json
- consolidated.safetensors 14496078512
+ generation_config.json
+ model-{00001..00003}-of-00003.safetensors 4949453792
+ model.safetensors.index.json
+ params.json
+ special_tokens_map.json
+ tokenizer.json
+ tokenizer.model
+ tokenizer.model.v3
+ tokenizer_config.json
index model.safetensors.index.json model-{00001..00003}-of-00003.safetensors
text config.json {"architectures":["MistralForCausalLM"],"vocab_size":32768}
)"},
    {"MistralLargeWithConsolidatedShards", "safetensors", R"(
+ README.md
+ config.json
- consolidated-{00001..00003}-of-00003.safetensors 4983000000
- consolidated.safetensors.index.json
+ model-{00001..00003}-of-00003.safetensors 4949453792
+ model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model-{00001..00003}-of-00003.safetensors
)"},
    {"PixtralOnlyConsolidated", "safetensors", R"(
- .gitattributes
+ README.md
+ consolidated.safetensors 25365078512
+ params.json
+ tekken.json 14801223
)"},
    {"DeepSeekV3SixDigits", "safetensors", R"(
- .gitattributes
+ LICENSE-CODE
+ LICENSE-MODEL
+ README.md
+ config.json
+ configuration_deepseek.py
+ figures/benchmark.png 184101
+ inference/configs/config_671B.json
+ inference/convert.py
+ model-{00001..00009}-of-000163.safetensors 5234139343
+ model-{00010..00163}-of-000163.safetensors 4302383966
+ model.safetensors.index.json 8898324
+ modeling_deepseek.py
+ tokenizer.json
+ tokenizer_config.json
index model.safetensors.index.json model-{00001..00163}-of-000163.safetensors
text config.json {"architectures":["DeepseekV3ForCausalLM"],"vocab_size":129280}
)"},
    {"Llama3WithOriginal", "safetensors", R"(
- .gitattributes
+ LICENSE
+ README.md
+ USE_POLICY.md
+ config.json
+ generation_config.json
+ model-{00001..00004}-of-00004.safetensors 4976698672
+ model.safetensors.index.json
- original/consolidated.00.pth 16060617592
- original/params.json
- original/tokenizer.model
+ special_tokens_map.json
+ tokenizer.json
+ tokenizer_config.json
index model.safetensors.index.json model-{00001..00004}-of-00004.safetensors
)"},
    {"Llama2NativeOnly", "pytorch", R"(
+ LICENSE.txt
+ README.md
+ checklist.chk
+ consolidated.{00..01}.pth 13016334699
+ params.json
+ tokenizer.model
)"},
    {"MixtralWithPickleShardsAtTheTop", "safetensors", R"(
+ README.md
+ config.json
- consolidated.{00..07}.pt 12000000000
+ model-{00001..00019}-of-00019.safetensors 4892809584
+ model.safetensors.index.json
+ tokenizer.model
index model.safetensors.index.json model-{00001..00019}-of-00019.safetensors
)"},
    {"MiniLmSentenceTransformers", "safetensors", R"(
- .gitattributes
+ 1_Pooling/config.json
+ README.md
+ config.json
+ config_sentence_transformers.json
+ data_config.json
+ model.safetensors 90868376
+ modules.json
- onnx/model.onnx 90405214
- onnx/model_O{1..4}.onnx 90360328
- onnx/model_qint8_avx512_vnni.onnx 23026053
- openvino/openvino_model.bin 90265744
- openvino/openvino_model.xml 211315
- openvino/openvino_model_qint8_quantized.bin 22933664
- openvino/openvino_model_qint8_quantized.xml
- pytorch_model.bin 90888945
- rust_model.ot 90887379
+ sentence_bert_config.json
+ special_tokens_map.json
- tf_model.h5 91005696
+ tokenizer.json
+ tokenizer_config.json
+ train_script.py
+ vocab.txt
text config.json {"architectures":["BertModel"],"model_type":"bert","vocab_size":30522}
)"},
    {"SentenceTransformersWithDense", "safetensors", R"(
+ 1_Pooling/config.json
+ 2_Dense/config.json
+ 2_Dense/model.safetensors 2362528
- 2_Dense/pytorch_model.bin 2363201
+ 3_Dense/config.json
+ 3_Dense/pytorch_model.bin 2363201
+ config.json
+ model.safetensors 442494816
+ modules.json
- pytorch_model.bin 442540000
+ spiece.model
+ tokenizer.json
)"},
    {"GgufOnly", "gguf", R"(
- .gitattributes
+ Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf 4920739232
- Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf 2948285856
- Meta-Llama-3.1-8B-Instruct-Q8_0.gguf 8540775840
- Meta-Llama-3.1-8B-Instruct-Q6_K_L.gguf 6850000000
- Meta-Llama-3.1-8B-Instruct-f32/Meta-Llama-3.1-8B-Instruct-f32-{00001..00002}-of-00002.gguf 16000000000
+ Meta-Llama-3.1-8B-Instruct.imatrix
+ README.md
)"},
    {"GgufVisionInFolders", "gguf", R"(
- BF16/Qwen3-VL-30B-BF16-{00001..00002}-of-00002.gguf 30000000000
+ README.md
+ UD-Q4_K_XL/Qwen3-VL-30B-UD-Q4_K_XL-{00001..00002}-of-00002.gguf 9000000000
- UD-IQ1_S/Qwen3-VL-30B-UD-IQ1_S.gguf 8000000000
+ config.json
- mmproj-BF16.gguf 1080000000
+ mmproj-F16.gguf 1080000000
- mmproj-F32.gguf 2160000000
)"},
    {"LoraAdapter", "adapter", R"(
- .gitattributes
+ README.md
+ adapter_config.json
- adapter_model.bin 33600906
+ adapter_model.safetensors 33571624
- checkpoint-500/adapter_model.safetensors 33571624
- checkpoint-500/optimizer.pt 67216581
- optimizer.pt 67216581
- rng_state_0.pth
- runs/Mar04_10-11-12_host/events.out.tfevents.1709547072.host.1.0
- scheduler.pt
+ special_tokens_map.json
+ tokenizer.json
- trainer_state.json
- training_args.bin
text adapter_config.json {"base_model_name_or_path":"meta-llama/Llama-2-7b-hf","peft_type":"LORA"}
)"},
    {"Qwen2Vl", "safetensors", R"(
- .gitattributes
+ LICENSE
+ README.md
+ chat_template.json
+ config.json
+ generation_config.json
+ merges.txt
+ model-{00001..00005}-of-00005.safetensors 3900233256
+ model.safetensors.index.json
+ preprocessor_config.json
+ tokenizer.json
+ tokenizer_config.json
+ vocab.json
index model.safetensors.index.json model-{00001..00005}-of-00005.safetensors
text config.json {"architectures":["Qwen2VLForConditionalGeneration"],"vocab_size":152064}
)"},
    {"QwenShardsNamedAfterTheSingleFile", "safetensors", R"(
+ config.json
+ model.safetensors-{00001..00003}-of-00003.safetensors 4000000000
+ model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model.safetensors-{00001..00003}-of-00003.safetensors
)"},
    {"WhisperLargeV3", "safetensors", R"(
- .gitattributes
+ README.md
+ added_tokens.json
+ config.json
- flax_model.msgpack 3086759000
+ generation_config.json
+ merges.txt
- model.fp32-{00001..00002}-of-00002.safetensors 4993448880
+ model.safetensors 3087130976
- model.safetensors.index.fp32.json
+ normalizer.json
+ preprocessor_config.json
- pytorch_model.bin 3087359158
- pytorch_model.bin.index.fp32.json
- pytorch_model.fp32-{00001..00002}-of-00002.bin 4993548880
+ special_tokens_map.json
+ tokenizer.json
+ tokenizer_config.json
+ vocab.json
text config.json {"architectures":["WhisperForConditionalGeneration"],"vocab_size":51866}
)"},
    {"BertBaseInEveryFormat", "safetensors", R"(
- .gitattributes
+ LICENSE
+ README.md
+ config.json
- coreml/fill-mask/float32_model.mlpackage/Data/com.apple.CoreML/model.mlmodel
- coreml/fill-mask/float32_model.mlpackage/Data/com.apple.CoreML/weights/weight.bin 532091246
- coreml/fill-mask/float32_model.mlpackage/Manifest.json
- flax_model.msgpack 438064459
- model.onnx 532091246
+ model.safetensors 440449768
- pytorch_model.bin 440473133
- rust_model.ot 534240408
- tf_model.h5 536063208
+ tokenizer.json
+ tokenizer_config.json
+ vocab.txt
text config.json {"architectures":["BertForMaskedLM"],"vocab_size":30522}
)"},
    {"Gpt2WithTflite", "safetensors", R"(
- 64-8bits.tflite 125162496
- 64-fp16.tflite 248269688
- 64.tflite 495791932
+ config.json
- flax_model.msgpack 497764120
+ generation_config.json
+ merges.txt
+ model.safetensors 548105171
- onnx/config.json
- onnx/decoder_model.onnx 653665842
- onnx/decoder_with_past_model.onnx 653672649
- onnx/tokenizer.json
- pytorch_model.bin 548118077
- rust_model.ot 702517648
- tf_model.h5 497933648
+ tokenizer.json
+ vocab.json
text config.json {"architectures":["GPT2LMHeadModel"],"n_embd":768,"vocab_size":50257}
)"},
    {"T5WithSpiece", "safetensors", R"(
+ README.md
+ config.json
- flax_model.msgpack 891625348
+ generation_config.json
+ model.safetensors 891646390
- pytorch_model.bin 891691430
- rust_model.ot 891676510
+ spiece.model 791656
- tf_model.h5 892146080
text config.json {"architectures":["T5ForConditionalGeneration"],"vocab_size":32128}
)"},
    {"BloomUnderscoreShards", "safetensors", R"(
+ config.json
- flax_model_{00001..00003}-of-00003.msgpack 4932876303
- flax_model.msgpack.index.json
+ model_{00001..00003}-of-00003.safetensors 4932876303
+ model.safetensors.index.json
- pytorch_model_{00001..00003}-of-00003.bin 4932877095
- pytorch_model.bin.index.json
+ tokenizer.json
index model.safetensors.index.json model_{00001..00003}-of-00003.safetensors
)"},
    {"PickleShardsOnly", "pytorch", R"(
+ config.json
+ pytorch_model-{00001..00002}-of-00002.bin 9949053000
- pytorch_model-{00001..00004}-of-00004.bin 4949053000
+ pytorch_model.bin.index.json
+ tokenizer.model
index pytorch_model.bin.index.json pytorch_model-{00001..00002}-of-00002.bin
)"},
    {"OverlappingSplits", "safetensors", R"(
+ config.json
- model-{00001..00002}-of-00002.safetensors 9000000000
+ model-{00001..00005}-of-00005.safetensors 3600000000
- model.safetensors 18000000000
+ model.safetensors.index.json
+ tokenizer.json
index model.safetensors.index.json model-{00001..00005}-of-00005.safetensors
)"},
    {"Fp16VariantOnly", "safetensors", R"(
+ config.json
+ model.fp16.safetensors 1000
+ tokenizer.json
)"},
    {"PrecisionFolders", "safetensors", R"(
+ config.json
- fp16/config.json
- fp16/model.safetensors 1000
+ model.safetensors 2000
+ tokenizer.json
)"},
    {"SafetensorsBesideGguf", "safetensors", R"(
+ README.md
+ config.json
- gguf/model-q8_0.gguf 2700000000
+ model.safetensors 5000000000
- model-q4_k_m.gguf 1700000000
+ tokenizer.json
)"},
    {"StableDiffusionXl", "safetensors", R"(
- .gitattributes
+ 01.png 2000000
+ LICENSE.md
+ model_index.json
+ scheduler/scheduler_config.json
- sd_xl_base_1.0.safetensors 6938078334
- sd_xl_base_1.0_0.9vae.safetensors 6938078334
+ sd_xl_offset_example-lora_1.0.safetensors 49553604
+ text_encoder/config.json
- text_encoder/flax_model.msgpack 246000000
- text_encoder/model.fp16.safetensors 246144152
- text_encoder/model.onnx 492587457
+ text_encoder/model.safetensors 492265168
- text_encoder/openvino_model.bin 492242672
- text_encoder/openvino_model.xml 1057789
+ tokenizer/merges.txt
+ tokenizer/vocab.json
+ unet/config.json
- unet/diffusion_flax_model.msgpack 10270000000
- unet/diffusion_pytorch_model.fp16.safetensors 5135149760
+ unet/diffusion_pytorch_model.safetensors 10270077736
- unet/model.onnx 7293842
- unet/model.onnx_data 10269854720
+ vae/config.json
- vae/diffusion_pytorch_model.fp16.safetensors 167335342
+ vae/diffusion_pytorch_model.safetensors 334643268
+ vae_decoder/config.json
- vae_decoder/model.onnx 198093688
)"},
    {"OldDiffusionWithPickles", "pytorch", R"(
+ model_index.json
+ unet/config.json
+ unet/diffusion_pytorch_model.bin 3438375973
- unet/diffusion_pytorch_model.fp16.bin 1719327893
- v1-5-pruned.ckpt 7703807346
+ vae/config.json
+ vae/diffusion_pytorch_model.bin 334707217
)"},
    {"OnnxOnly", "onnx", R"(
+ README.md
+ config.json
+ onnx/model.onnx 90387606
- onnx/model_bnb4.onnx 50000000
- onnx/model_fp16.onnx 45236104
- onnx/model_q4f16.onnx 30000000
- onnx/model_quantized.onnx 22972370
+ tokenizer.json
)"},
    {"OnnxWithPickledVoices", "onnx", R"(
+ config.json
+ onnx/model.onnx 325532232
- onnx/model_fp16.onnx 163234740
+ tokenizer.json
+ voices/af_{01..30}.bin 522240
)"},
    {"SpeechPickles", "pytorch", R"(
+ README.md
+ config.json
+ kokoro-v1_0.pth 327212226
+ samples/HEARME.wav 2000000
+ voices/af_{01..30}.pt 523425
text config.json {"istftnet":{"gen_istft_n_fft":20},"n_token":178}
)"},
    {"FineTuneWithTrainingState", "safetensors", R"(
+ all_results.json
- checkpoint-1000/config.json
- checkpoint-1000/model.safetensors 1000
- checkpoint-1000/optimizer.pt 2000
+ config.json
- global_step1000/zero_pp_rank_0_mp_rank_00_optim_states.pt 3000
+ model.safetensors 1000
- optimizer.bin 2000
+ tokenizer.json
- trainer_state.json
- training_args.bin
- wandb/run-1/output.log
- zero_to_fp32.py
)"},
    {"LlavaWithProjectorPickle", "safetensors", R"(
+ config.json
+ mm_projector.bin 41961648
+ model-{00001..00002}-of-00002.safetensors 4900000000
+ model.safetensors.index.json
+ tokenizer.model
- demo.mp4 20000000
index model.safetensors.index.json model-{00001..00002}-of-00002.safetensors
)"},
    {"NemoAlone", "nemo", R"(
+ README.md
+ parakeet-tdt-0.6b-v2.nemo 2472079360
)"},
};

class SelectionListing : public testing::TestWithParam<Repo> {};

TEST_P(SelectionListing, TakesWhatServesAndLeavesCopies) {
  auto listing = test::parse_listing(GetParam().table);
  listing.contents.try_emplace("config.json", kLlama);
  const auto choice = choose_files(listing.snapshot, {}, listing.read());

  std::vector<std::string> taken, left;
  std::uint64_t left_bytes = 0, all_left_bytes = 0;
  for (const auto& file : choice.files) taken.push_back(file.path);
  for (const auto& out : choice.left_out) {
    EXPECT_NE(out.why, "");
    left.insert(left.end(), out.paths.begin(), out.paths.end());
    left_bytes += out.bytes;
  }
  std::sort(left.begin(), left.end());
  for (const auto& path : left) all_left_bytes += listing.snapshot.find(path)->size;
  EXPECT_EQ(taken, listing.taken);
  EXPECT_EQ(left, listing.left);
  EXPECT_EQ(left_bytes, all_left_bytes);
  EXPECT_EQ(choice.weights, GetParam().weights);
  EXPECT_EQ(choice.problems, std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Repos, SelectionListing, testing::ValuesIn(kRepos),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace dray
