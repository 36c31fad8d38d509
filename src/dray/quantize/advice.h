// What vLLM and transformers will not do with quantized weights, told before the first byte moves.
#pragma once

#include <string>
#include <vector>

#include "dray/model/safetensors.h"
#include "dray/quantize/scheme.h"

namespace dray::quantize {

/// Sentences for people: weights that vLLM has no fast kernel for, alone or split over 2, 4 or 8
/// GPUs, kernels that this scheme goes without, and weights that transformers does not run. One for
/// all weights of a shape and a place in their layer. `weights` are those that are quantized.
///
/// Source: vLLM's compressed-tensors loader and its Marlin kernels (marlin_utils.py: 64 rows, 128
/// columns, groups of 32, 64 or 128), and its block-wise FP8 (fp8_utils.py: blocks are not cut);
/// compressed-tensors in transformers, which quantizes activations in whole groups only
/// (quantization/lifecycle/forward_helpers.py).
std::vector<std::string> advice_on(const Scheme& scheme, const std::vector<TensorInfo>& weights);

}  // namespace dray::quantize
