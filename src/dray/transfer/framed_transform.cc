#include "dray/transfer/framed_transform.h"

#include <fmt/format.h>

#include <utility>

namespace dray {

/// Hashes what the inner transform writes.
class FramedTransform::Hashed final : public TransformOutput {
 public:
  Hashed(TransformOutput& output, Sha256& sha) : output_(output), sha_(sha) {}
  MutableBytes space() override { return space_ = output_.space(); }
  void filled(std::uint64_t bytes) override {
    sha_.update(space_.first(static_cast<std::size_t>(bytes)));
    output_.filled(bytes);
  }

 private:
  TransformOutput& output_;
  Sha256& sha_;
  MutableBytes space_;
};

FramedTransform::FramedTransform(Buffer before, std::shared_ptr<Transform> inner, Buffer after)
    : before_(std::move(before)), after_(std::move(after)), inner_(std::move(inner)) {}

std::uint64_t FramedTransform::output_size() const {
  return before_.size() + inner_->output_size() + after_.size();
}

std::uint64_t FramedTransform::memory() const {
  return inner_->memory() + before_.size() + after_.size();
}

std::string FramedTransform::identity() const {
  return inner_->identity() + " between " + Sha256::hex_of(before_) + " and " +
         Sha256::hex_of(after_);
}

std::string FramedTransform::report() const {
  Sha256 sha = sha_;
  const std::string inner = inner_->report();
  return fmt::format(R"({{"sha256":"{}","report":{}}})", sha.hex(), inner.empty() ? "null" : inner);
}

void FramedTransform::restart() {
  begun_ = false;
  sha_ = Sha256();
  inner_->restart();
}

void FramedTransform::begin(TransformOutput& output) {
  if (std::exchange(begun_, true)) return;
  output.write(before_);
}

void FramedTransform::feed(Bytes input, TransformOutput& output) {
  begin(output);
  Hashed hashed(output, sha_);
  inner_->feed(input, hashed);
}

void FramedTransform::finish(TransformOutput& output) {
  begin(output);
  Hashed hashed(output, sha_);
  inner_->finish(hashed);
  output.write(after_);
}

}  // namespace dray
