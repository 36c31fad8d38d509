#include "dray/quantize/shard_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "dray/quantize/tensor_coder.h"

namespace dray::quantize {

namespace {

/// Writes into memory that is kept.
class KeptOutput final : public TransformOutput {
 public:
  KeptOutput(Buffer& kept, std::uint64_t size) : kept_(kept), size_(size) {}
  MutableBytes space() override {
    filled_ = kept_.size();
    kept_.resize(static_cast<std::size_t>(size_));
    return MutableBytes(kept_).subspan(filled_);
  }
  void filled(std::uint64_t bytes) override {
    kept_.resize(filled_ + static_cast<std::size_t>(bytes));
  }

 private:
  Buffer& kept_;
  std::uint64_t size_;
  std::size_t filled_ = 0;
};

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

TensorError error_of(const std::string& name, const Squares& squares) {
  TensorError out{name, 0, 1};
  if (squares.weights <= 0) return out;
  out.relative = std::sqrt(squares.differences / squares.weights);
  const double product = (squares.weights + squares.restored - squares.differences) / 2;
  out.cosine = squares.restored <= 0 ? 0 : product / std::sqrt(squares.weights * squares.restored);
  return out;
}

}  // namespace

ShardTransform::ShardTransform(ShardRequest request)
    : request_(std::move(request)),
      input_(parse_safetensors_header(request_.header, request_.size, request_.what)),
      plan_(plan_shard(input_, request_.scheme, request_.quantized, request_.what)),
      outputs_(input_.tensors.size()) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i)
    outputs_[plan_.tensors[i].input].push_back(i);
  // In the order in which they are made.
  for (auto& outputs : outputs_) std::sort(outputs.begin(), outputs.end());
  for (const TensorInfo& tensor : input_.tensors)
    if (request_.quantized.contains(tensor.name))
      most = std::max(most, TensorCoder::memory(request_.scheme, tensor));
  first_kept_ = plan_.tensors.size();
  for (std::uint64_t kept = 0; kept < plan_.kept;)
    kept += plan_.tensors[--first_kept_].info.data.length;
  memory_ = most + plan_.kept + request_.header.size() + plan_.header.size();
}

ShardTransform::~ShardTransform() = default;

void ShardTransform::restart() {
  begun_ = false;
  at_ = 0;
  tensor_ = 0;
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
      output.write(shape_bytes(input_.tensors[tensor.input]));
}

void ShardTransform::feed(Bytes input, TransformOutput& output) {
  begin(output);
  if (at_ < request_.header.size()) {
    const auto part = input.first(static_cast<std::size_t>(
        std::min<std::uint64_t>(input.size(), request_.header.size() - at_)));
    if (std::memcmp(part.data(), request_.header.data() + at_, part.size()) != 0)
      problem(Error(Code::verification, "its header is another one than was read before")
                  .on("compress", request_.what));
    at_ += part.size();
    input = input.subspan(part.size());
  }
  while (!input.empty() && tensor_ < input_.tensors.size()) {
    const std::uint64_t end = input_.header_bytes + input_.tensors[tensor_].data.end();
    const auto part =
        input.first(static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), end - at_)));
    if (!part.empty()) feed_tensor(part, output);
    at_ += part.size();
    input = input.subspan(part.size());
    if (at_ == end) end_tensor(output);
  }
}

void ShardTransform::feed_tensor(Bytes input, TransformOutput& output) {
  const TensorInfo& tensor = input_.tensors[tensor_];
  const auto& outputs = outputs_[tensor_];
  const bool quantized = !plan_.tensors[outputs.front()].copied;
  if (quantized && coder_ == nullptr) {
    const auto found = request_.statistics.find(tensor.name);
    coder_ = std::make_unique<TensorCoder>(
        request_.scheme, tensor, found == request_.statistics.end() ? 1 : found->second.global);
  }
  const auto codes = std::find_if(outputs.begin(), outputs.end(), [&](std::size_t i) {
    return plan_.tensors[i].copied || holds_codes(plan_.tensors[i], tensor);
  });
  std::optional<KeptOutput> keep;
  if (*codes >= first_kept_) {
    Buffer& kept = kept_[*codes];
    keep.emplace(kept, plan_.tensors[*codes].info.data.length);
  }
  TransformOutput& to = keep ? *keep : output;
  if (quantized)
    coder_->feed(input, to);
  else
    to.write(input);
}

/// The scales follow the codes.
void ShardTransform::end_tensor(TransformOutput& output) {
  const TensorInfo& tensor = input_.tensors[tensor_++];
  if (coder_ == nullptr) return;
  for (const std::size_t i : outputs_[tensor_ - 1]) {
    const PlannedTensor& planned = plan_.tensors[i];
    if (holds_codes(planned, tensor) || planned.info.dtype == "I64") continue;
    Buffer bytes = coder_->take(suffix_of(planned, tensor));
    if (i >= first_kept_)
      kept_[i] = std::move(bytes);
    else
      output.write(bytes);
  }
  const Seen& seen = coder_->seen();
  if (!seen.finite)
    problem(Error(Code::unsupported, "it holds numbers that are infinite or none (NaN)")
                .on("compress", tensor.name)
                .hint("such a weight is damaged; --ignore leaves it as it is"));
  else if (const auto known = request_.statistics.find(tensor.name);
           known != request_.statistics.end() && known->second.largest != seen.bounds.largest())
    problem(Error(Code::verification, "its numbers are others than in the first pass")
                .on("compress", tensor.name));
  errors_.push_back(error_of(tensor.name, seen.squares));
  coder_.reset();
}

void ShardTransform::finish(TransformOutput& output) {
  begin(output);
  // Tensors without any bytes may come last.
  while (tensor_ < input_.tensors.size() &&
         at_ == input_.header_bytes + input_.tensors[tensor_].data.end())
    end_tensor(output);
  if (problem_) throw Error(*problem_);
  for (std::size_t i = first_kept_; i < plan_.tensors.size(); ++i) output.write(kept_[i]);
  kept_.clear();
}

}  // namespace dray::quantize
