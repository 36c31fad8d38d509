#include "dray/quantize/shard_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "dray/base/digest.h"
#include "dray/quantize/tensor_coder.h"

namespace dray::quantize {

namespace {

/// What follows the weight's name in that of one of its tensors.
std::string_view suffix_of(const PlannedTensor& output, const TensorInfo& weight) {
  return std::string_view(output.info.name).substr(weight.name.size());
}

bool holds_codes(const PlannedTensor& output, const TensorInfo& weight) {
  const auto suffix = suffix_of(output, weight);
  return suffix.empty() || suffix == "_packed";
}

Buffer shape_bytes(const TensorInfo& weight) {
  Buffer out(16);
  for (std::size_t i = 0; i < 16; ++i)
    out[i] = static_cast<std::byte>(weight.shape[i / 8] >> (8 * (i % 8)));
  return out;
}

WeightError error_of(const std::string& name, const Squares& squares) {
  WeightError out{name, 0, 1};
  if (squares.weights <= 0) return out;
  out.relative = std::sqrt(squares.differences / squares.weights);
  const double product = (squares.weights + squares.restored - squares.differences) / 2;
  out.cosine = squares.restored <= 0 ? 0 : product / std::sqrt(squares.weights * squares.restored);
  return out;
}

}  // namespace

ShardTransform::ShardTransform(ShardRequest request)
    : request_(std::move(request)),
      walk_(request_.shard),
      plan_(plan_shard(*request_.shard, request_.scheme)),
      outputs_(walk_.tensors().size()) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i)
    outputs_[plan_.tensors[i].input].push_back(i);
  // In the order in which they are made.
  for (auto& outputs : outputs_) std::sort(outputs.begin(), outputs.end());
  for (std::size_t i = 0; i < walk_.tensors().size(); ++i)
    if (request_.shard->quantized[i])
      most = std::max(most, TensorCoder::memory(request_.scheme, walk_.tensors()[i]));
  first_kept_ = plan_.tensors.size();
  for (std::uint64_t kept = 0; kept < plan_.kept;)
    kept += plan_.tensors[--first_kept_].info.data.length;
  memory_ = most + plan_.kept + plan_.header.size();
}

ShardTransform::~ShardTransform() = default;

std::string ShardTransform::identity() const {
  const Scheme& scheme = request_.scheme;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < walk_.tensors().size(); ++i)
    if (request_.shard->quantized[i]) names.insert(walk_.tensors()[i].name);
  Sha256 sha = request_.shard->head;
  for (const std::string_view name : names) {
    sha.update(as_bytes(name));
    sha.update(as_bytes("\n"));
  }
  return fmt::format("quantize/{} {} {} {} {}", kRule, scheme.name, scheme.group, scheme.symmetric,
                     sha.hex());
}

std::string ShardTransform::report() const { return dump_json(to_json(errors_)); }

void ShardTransform::restart() {
  begun_ = false;
  walk_.restart();
  coder_.reset();
  kept_.clear();
  errors_.clear();
  problem_.reset();
}

void ShardTransform::problem(Error error) {
  if (!problem_) problem_ = std::move(error);
}

/// What is known from the headers.
void ShardTransform::begin(TransformOutput& output) {
  if (std::exchange(begun_, true)) return;
  output.write(plan_.header);
  for (const PlannedTensor& tensor : plan_.tensors)
    if (!tensor.copied && tensor.info.dtype == "I64")
      output.write(shape_bytes(walk_.tensors()[tensor.input]));
}

void ShardTransform::feed(Bytes input, TransformOutput& output) {
  begin(output);
  walk_.feed(
      input, [&](std::size_t tensor, Bytes bytes) { feed_tensor(tensor, bytes, output); },
      [&](std::size_t tensor) { end_tensor(tensor, output); });
}

void ShardTransform::feed_tensor(std::size_t index, Bytes input, TransformOutput& output) {
  const TensorInfo& tensor = walk_.tensors()[index];
  const auto& outputs = outputs_[index];
  const bool quantized = !plan_.tensors[outputs.front()].copied;
  if (quantized && coder_ == nullptr) {
    coder_ = std::make_unique<TensorCoder>(
        request_.scheme, tensor,
        request_.statistics.empty() ? 1 : request_.statistics[index].global);
  }
  const auto codes = std::find_if(outputs.begin(), outputs.end(), [&](std::size_t i) {
    return plan_.tensors[i].copied || holds_codes(plan_.tensors[i], tensor);
  });
  if (quantized)
    coder_->feed(input, place_of(*codes, output));
  else
    place_of(*codes, output).write(input);
}

/// Where the bytes of a tensor of the output are written to.
TransformOutput& ShardTransform::place_of(std::size_t tensor, TransformOutput& output) {
  if (tensor < first_kept_) return output;
  return kept_.try_emplace(tensor, plan_.tensors[tensor].info.data.length).first->second;
}

/// The scales follow the codes.
void ShardTransform::end_tensor(std::size_t index, TransformOutput& output) {
  const TensorInfo& tensor = walk_.tensors()[index];
  if (coder_ == nullptr) return;
  for (const std::size_t i : outputs_[index]) {
    const PlannedTensor& planned = plan_.tensors[i];
    if (holds_codes(planned, tensor) || planned.info.dtype == "I64") continue;
    place_of(i, output).write(coder_->take(suffix_of(planned, tensor)));
  }
  const Seen& seen = coder_->seen();
  if (!seen.finite)
    problem(not_finite(tensor.name));
  else if (!request_.statistics.empty() &&
           request_.statistics[index].largest != seen.bounds.largest())
    problem(Error(Code::verification, "its numbers are others than in the first pass")
                .on("compress", tensor.name));
  errors_.push_back(error_of(tensor.name, seen.squares));
  coder_.reset();
}

void ShardTransform::finish(TransformOutput& output) {
  begin(output);
  walk_.finish([&](std::size_t tensor) { end_tensor(tensor, output); });
  if (!walk_.same_header()) throw another_header(request_.shard->what);
  if (problem_) throw Error(*problem_);
  for (const auto& [tensor, kept] : kept_) output.write(kept.bytes());
  kept_.clear();
}

}  // namespace dray::quantize
