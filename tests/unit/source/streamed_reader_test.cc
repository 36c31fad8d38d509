#include "dray/source/streamed_reader.h"

#include <gtest/gtest.h>

#include <atomic>

#include "dray/base/error.h"
#include "tests/support/random.h"

namespace dray {
namespace {

using Sink = std::function<bool(Bytes)>;

FileEntry entry(const std::string& path, std::uint64_t size) {
  return {.path = path, .size = size};
}

StreamedReader reader(std::vector<FileEntry> files, StreamedReader::Stream stream,
                      std::stop_token stop = {}) {
  return StreamedReader(std::move(files), std::move(stream), "test:", std::move(stop));
}

TEST(StreamedReader, GivesFilesOneAfterAnotherThroughABoundedBuffer) {
  const Buffer content = test::pattern(StreamedReader::kAhead * 2 + 12'345, 1);
  std::atomic<std::uint64_t> pushed = 0;
  StreamedReader r = reader({entry("a", content.size()), entry("empty", 0), entry("b", 10)},
                            [&](const FileEntry& file, const Sink& sink, const std::stop_token&) {
                              pushed = 0;
                              for (std::uint64_t at = 0; at < file.size;) {
                                const auto n = std::min<std::uint64_t>(100'000, file.size - at);
                                if (!sink(Bytes(content).subspan(at, n))) return;
                                at += n;
                                pushed = at;
                              }
                            });
  const FileEntry* file = r.next();
  ASSERT_NE(file, nullptr);
  Buffer got(content.size());
  for (std::uint64_t at = 0; at < content.size();) {
    const auto n = std::min<std::uint64_t>(70'000, content.size() - at);
    r.read(MutableBytes(got).subspan(at, n));
    at += n;
    EXPECT_LE(pushed, at + StreamedReader::kAhead);
  }
  EXPECT_EQ(got, content);
  EXPECT_EQ(r.next()->path, "empty");
  EXPECT_EQ(r.next()->path, "b");
  Buffer small(10);
  r.read(small);
  EXPECT_EQ(small, Buffer(content.begin(), content.begin() + 10));
  EXPECT_EQ(r.next(), nullptr);
}

// The last byte came, and then it turned out that the answer is not what it should be.
TEST(StreamedReader, AFailureAfterTheLastByteComesOutAtTheNextFile) {
  StreamedReader r =
      reader({entry("a", 3)}, [](const FileEntry&, const Sink& sink, const std::stop_token&) {
        sink(as_bytes("abc"));
        throw Error(Code::verification, "longer than stated");
      });
  r.next();
  Buffer out(3);
  r.read(out);
  EXPECT_EQ(as_text(out), "abc");
  try {
    r.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::verification);
  }
}

TEST(StreamedReader, BytesBeforeAFailureAreGivenFirst) {
  StreamedReader r =
      reader({entry("a", 10)}, [](const FileEntry&, const Sink& sink, const std::stop_token&) {
        sink(as_bytes("abc"));
        throw Error(Code::network, "cut").transient();
      });
  r.next();
  Buffer out(3);
  r.read(out);
  EXPECT_EQ(as_text(out), "abc");
  EXPECT_THROW(r.read(out), Error);
}

TEST(StreamedReader, AStreamThatEndsEarlyIsTransient) {
  StreamedReader r = reader(
      {entry("a", 10)},
      [](const FileEntry&, const Sink& sink, const std::stop_token&) { sink(as_bytes("abc")); });
  r.next();
  Buffer out(10);
  try {
    r.read(out);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_TRUE(error.retryable());
  }
}

TEST(StreamedReader, ReadingPastTheEndIsABug) {
  StreamedReader r = reader({entry("a", 3)}, [](const FileEntry&, const Sink& sink,
                                                const std::stop_token&) { sink(as_bytes("abc")); });
  Buffer out(4);
  EXPECT_THROW(r.read(out), Error);
  r.next();
  EXPECT_THROW(r.read(out), Error);
}

TEST(StreamedReader, GivingUpAFileStopsItsStream) {
  std::atomic<int> ended = 0;
  const Buffer block(1 << 20);
  {
    StreamedReader r = reader({entry("a", 1 << 30), entry("b", 1 << 30)},
                              [&](const FileEntry&, const Sink& sink, const std::stop_token&) {
                                while (sink(block)) {
                                }
                                ++ended;
                              });
    r.next();
    r.next();
    EXPECT_EQ(ended, 1);
  }
  EXPECT_EQ(ended, 2);
}

TEST(StreamedReader, StoppingReachesTheStreamAndTheReader) {
  std::stop_source source;
  StreamedReader r = reader(
      {entry("a", 10)},
      [&](const FileEntry&, const Sink&, const std::stop_token& stop) {
        std::stop_source(source).request_stop();
        EXPECT_TRUE(stop.stop_requested());
      },
      source.get_token());
  r.next();
  Buffer out(10);
  try {
    r.read(out);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
}

}  // namespace
}  // namespace dray
