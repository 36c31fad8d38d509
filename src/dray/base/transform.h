// A pure step between the ordered bytes of an input and a planned output object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dray/base/bytes.h"

namespace dray {

/// Where a transform writes. Space is memory of the part that will be stored, so nothing is copied.
class TransformOutput {
 public:
  virtual ~TransformOutput() = default;
  /// At least one byte of room (at most what is left of the current part); may wait for a part to
  /// be stored.
  virtual MutableBytes space() = 0;
  /// The first `bytes` of the last space() are filled.
  virtual void filled(std::uint64_t bytes) = 0;
  /// Copies `bytes` through space()/filled().
  void write(Bytes bytes);
};

/// Deterministic: the same input gives the same output, so that a resumed run agrees with the parts
/// already stored. Output order follows input order, so both sides are one sequential stream. Used
/// by one thread at a time.
class Transform {
 public:
  virtual ~Transform() = default;
  /// Exact size of the output, known before the first byte (from the headers).
  virtual std::uint64_t output_size() const = 0;
  /// Bytes that it holds at most, beside what it is fed and where it writes.
  virtual std::uint64_t memory() const { return 0; }
  /// Names its rule: transforms of equal identity make the same of the same input. What an earlier
  /// process made by another rule is of no use.
  virtual std::string identity() const = 0;
  /// What it found out on the way, for the record, as JSON; "" for nothing. After finish().
  virtual std::string report() const { return ""; }
  /// Back to the beginning of the input.
  virtual void restart() = 0;
  /// The next bytes of the input; throws Code::malformed for input it cannot handle.
  virtual void feed(Bytes input, TransformOutput& output) = 0;
  /// The input is complete; whatever is still held back must be written now.
  virtual void finish(TransformOutput& output) = 0;
};

/// What is asked of a transform before its first byte.
struct TransformFacts {
  std::uint64_t output_size = 0, memory = 0;
  std::string identity;
};
TransformFacts facts_of(const Transform& transform);

/// A transform that is made when its first bytes come, and let go of when they are complete or
/// begin anew: of many, only those that are at work take memory.
class LateTransform final : public Transform {
 public:
  /// `make` gives one of these facts, each time it is called.
  LateTransform(TransformFacts facts, std::function<std::unique_ptr<Transform>()> make);

  std::uint64_t output_size() const override { return facts_.output_size; }
  std::uint64_t memory() const override { return facts_.memory; }
  std::string identity() const override { return facts_.identity; }
  std::string report() const override { return report_; }
  void restart() override { made_.reset(); }
  void feed(Bytes input, TransformOutput& output) override;
  void finish(TransformOutput& output) override;

 private:
  Transform& made();

  TransformFacts facts_;
  std::function<std::unique_ptr<Transform>()> make_;
  std::unique_ptr<Transform> made_;
  std::string report_;
};

}  // namespace dray
