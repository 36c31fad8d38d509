// A transform whose output lies between given bytes: a quantized file inside a tar layer.
#pragma once

#include <memory>
#include <string>

#include "dray/base/digest.h"
#include "dray/base/transform.h"

namespace dray {

/// Writes `before`, then what `inner` makes, then `after`. Its report holds the inner output's
/// digest, which is the file's, beside the inner report: {"sha256": …, "report": …}.
class FramedTransform final : public Transform {
 public:
  FramedTransform(Buffer before, std::shared_ptr<Transform> inner, Buffer after);

  std::uint64_t output_size() const override;
  std::uint64_t memory() const override;
  std::string identity() const override;
  std::string report() const override;
  void restart() override;
  void feed(Bytes input, TransformOutput& output) override;
  void finish(TransformOutput& output) override;

 private:
  class Hashed;
  void begin(TransformOutput& output);

  const Buffer before_, after_;
  const std::shared_ptr<Transform> inner_;
  bool begun_ = false;
  Sha256 sha_;  // of what `inner` made
};

}  // namespace dray
