#include "dray/transfer/framed_transform.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dray/base/json.h"

namespace dray {
namespace {

/// Doubles every byte, in rooms of three bytes.
class Doubling final : public Transform {
 public:
  explicit Doubling(std::uint64_t input) : input_(input) {}
  std::uint64_t output_size() const override { return 2 * input_; }
  std::string identity() const override { return "doubling"; }
  std::string report() const override { return fmt::format(R"({{"fed":{}}})", fed_); }
  void restart() override { fed_ = 0; }
  void feed(Bytes input, TransformOutput& output) override {
    for (const std::byte b : input) {
      const std::byte twice[] = {b, b};
      output.write(twice);
      ++fed_;
    }
  }
  void finish(TransformOutput&) override {}

 private:
  const std::uint64_t input_;
  std::uint64_t fed_ = 0;
};

class Text final : public TransformOutput {
 public:
  MutableBytes space() override { return room_; }
  void filled(std::uint64_t bytes) override {
    text += as_text(Bytes(room_).first(static_cast<std::size_t>(bytes)));
  }
  std::string text;

 private:
  std::array<std::byte, 3> room_{};
};

Buffer bytes(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

TEST(FramedTransform, WritesBetweenTheGivenBytesAndTellsTheInnerDigest) {
  FramedTransform framed(bytes("<<head>>"), std::make_shared<Doubling>(3), bytes("end"));
  EXPECT_EQ(framed.output_size(), 8u + 6u + 3u);
  for (int pass = 0; pass < 2; ++pass) {  // also after a restart
    Text out;
    framed.feed(as_bytes("a"), out);
    framed.feed(as_bytes("bc"), out);
    framed.finish(out);
    EXPECT_EQ(out.text, "<<head>>aabbccend");
    const Json report = parse_json(framed.report(), "report");
    EXPECT_EQ(report["sha256"], Sha256::hex_of(as_bytes("aabbcc")));
    EXPECT_EQ(report["report"]["fed"], 3);
    framed.restart();
  }
}

TEST(FramedTransform, AnEmptyInputStillHasItsFrame) {
  FramedTransform framed(bytes("h"), std::make_shared<Doubling>(0), bytes("e"));
  Text out;
  framed.finish(out);
  EXPECT_EQ(out.text, "he");
}

TEST(FramedTransform, AnotherFrameIsAnotherRule) {
  const auto identity = [](std::string_view before, std::string_view after) {
    return FramedTransform(bytes(before), std::make_shared<Doubling>(1), bytes(after)).identity();
  };
  EXPECT_EQ(identity("a", "b"), identity("a", "b"));
  EXPECT_NE(identity("a", "b"), identity("ab", ""));
  EXPECT_NE(identity("a", "b"), identity("a", "c"));
}

}  // namespace
}  // namespace dray
