#include "dray/base/transform.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dray {

void TransformOutput::write(Bytes bytes) {
  while (!bytes.empty()) {
    MutableBytes room = space();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    filled(n);
    bytes = bytes.subspan(n);
  }
}

TransformFacts facts_of(const Transform& transform) {
  return {transform.output_size(), transform.memory(), transform.identity()};
}

LateTransform::LateTransform(TransformFacts facts, std::function<std::unique_ptr<Transform>()> make)
    : facts_(std::move(facts)), make_(std::move(make)) {}

Transform& LateTransform::made() {
  if (!made_) made_ = make_();
  return *made_;
}

void LateTransform::feed(Bytes input, TransformOutput& output) { made().feed(input, output); }

void LateTransform::finish(TransformOutput& output) {
  made().finish(output);
  report_ = made_->report();
  made_.reset();
}

}  // namespace dray
