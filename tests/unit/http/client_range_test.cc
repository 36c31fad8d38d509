#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "dray/http/client.h"
#include "dray/http/retry.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/raw_server.h"

namespace dray::http {
namespace {

using test::error_of;
using test::RawRequest;
using test::RawResponse;
using test::RawServer;

/// Asks a scripted server for bytes 100-1099 of a file of 5000.
class HttpClientRange : public testing::Test {
 protected:
  static constexpr ByteRange kRange{100, 1000};
  static constexpr std::uint64_t kTotal = 5000;

  HttpClientRange() {
    good_.status = 206;
    good_.headers = {{"Content-Range", "bytes 100-1099/5000"}};
    good_.body = as_text(Bytes(file_).subspan(kRange.offset, kRange.length));
  }
  Response ask(ByteRange range = kRange, std::optional<std::uint64_t> total = kTotal) {
    Request request;
    request.url = parse_url(server_.url() + "/file?Signature=secret");
    const MutableBytes out = MutableBytes(buffer_).subspan(kGuard, range.length);
    return client_.send_range(request, {range, out, total});
  }
  bool untouched() const { return buffer_ == Buffer(buffer_.size(), std::byte{0x5A}); }
  bool guards_hold() const {
    for (std::size_t i = 0; i < kGuard; ++i)
      if (buffer_[i] != std::byte{0x5A} || buffer_[buffer_.size() - 1 - i] != std::byte{0x5A})
        return false;
    return true;
  }
  std::string_view got() const { return as_text(buffer_).substr(kGuard, kRange.length); }

  static constexpr std::size_t kGuard = 64;
  const Buffer file_ = test::pattern(kTotal, 3);
  Buffer buffer_ = Buffer(kGuard + kTotal + kGuard, std::byte{0x5A});
  RawResponse good_;
  RawResponse answer_;
  RawServer server_{[this](const RawRequest&) { return answer_; }};
  Client client_;
};

TEST_F(HttpClientRange, FillsTheBuffer) {
  answer_ = good_;
  const Response response = ask();
  EXPECT_EQ(response.status, 206);
  EXPECT_EQ(response.received, 1000U);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(got(), good_.body);
  EXPECT_TRUE(guards_hold());
  EXPECT_EQ(server_.requests()[0].header("range"), "bytes=100-1099");
  answer_.headers = {{"content-range", "bytes 100-1099/*"}};
  EXPECT_EQ(ask().received, 1000U);
  EXPECT_EQ(server_.connections(), 1U);
}

TEST_F(HttpClientRange, AnotherRangeIsRefusedBeforeAByteIsTaken) {
  for (const char* range :
       {"bytes 0-999/5000", "bytes 100-1098/5000", "bytes 100-1100/5000", "bytes 101-1099/5000",
        "bytes */5000", "bytes 100-1099/1000", "", "junk"}) {
    answer_ = good_;
    answer_.headers = {{"Content-Range", range}};
    const Error error = error_of([&] { ask(); });
    EXPECT_EQ(error.code(), Code::malformed) << range;
    EXPECT_FALSE(error.retryable()) << range;
  }
  answer_ = good_;
  answer_.headers = {{"Content-Type", "multipart/byteranges; boundary=x"}};
  EXPECT_EQ(error_of([&] { ask(); }).code(), Code::malformed);
  EXPECT_TRUE(untouched());
}

TEST_F(HttpClientRange, AnotherTotalMeansTheFileWasChanged) {
  answer_ = good_;
  answer_.headers = {{"Content-Range", "bytes 100-1099/5001"}};
  const Error error = error_of([&] { ask(); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_FALSE(error.retryable());
  EXPECT_NE(std::string(error.what()).find("5001"), std::string::npos);
  EXPECT_TRUE(untouched());
  EXPECT_EQ(ask(kRange, std::nullopt).received, 1000U);
}

TEST_F(HttpClientRange, OverlongBodiesAreCutOffAndAnError) {
  answer_ = good_;
  answer_.body += std::string(3000, 'x');  // Content-Length tells
  EXPECT_EQ(error_of([&] { ask(); }).code(), Code::malformed);
  EXPECT_TRUE(untouched());
  answer_.send_length = false;  // only the bytes tell
  EXPECT_EQ(error_of([&] { ask(); }).code(), Code::malformed);
  EXPECT_TRUE(guards_hold());
  EXPECT_EQ(buffer_[kGuard + kRange.length], std::byte{0x5A});
}

TEST_F(HttpClientRange, BytesBeyondTheStatedLengthDoNotReachTheNextAnswer) {
  answer_ = good_;
  answer_.extra = "HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(ask().received, 1000U);
  answer_ = good_;
  EXPECT_EQ(ask().status, 206);
  EXPECT_EQ(got(), good_.body);
}

TEST_F(HttpClientRange, ShortBodiesAreTransientAndSayHowMuchCame) {
  answer_ = good_;
  answer_.close_after = 400;
  const Error truncated = error_of([&] { ask(); });
  answer_ = good_;
  answer_.body.resize(400);
  answer_.send_length = false;  // ends cleanly, only too early
  const Error early = error_of([&] { ask(); });
  answer_.send_length = true;
  const Error honest = error_of([&] { ask(); });  // a true Content-Length, below the range's
  for (const Error& error : {truncated, early, honest}) {
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_EQ(error.retry(), Retry::yes);
    EXPECT_NE(std::string(error.what()).find("400 of 1000 bytes"), std::string::npos)
        << error.what();
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
}

TEST_F(HttpClientRange, AResetIsTransient) {
  answer_ = good_;
  answer_.reset_after = 400;
  const Error error = error_of([&] { ask(); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_EQ(error.retry(), Retry::yes);
}

TEST_F(HttpClientRange, TheWholeFileWillDoOnlyWhereItWasAskedFor) {
  answer_ = {.body = std::string(as_text(file_))};
  EXPECT_EQ(ask({0, kTotal}).received, kTotal);
  EXPECT_EQ(as_text(buffer_).substr(kGuard, kTotal), as_text(file_));

  buffer_.assign(buffer_.size(), std::byte{0x5A});
  for (const auto& [range, total] :
       {std::pair<ByteRange, std::optional<std::uint64_t>>{kRange, kTotal},
        {{0, 1000}, kTotal},
        {{0, kTotal - 1}, kTotal},
        {{0, kTotal}, std::nullopt},
        {{0, kTotal - 1}, kTotal - 1}}) {
    const Response response = ask(range, total);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.received, 0U);
    EXPECT_EQ(response.body, "");
    EXPECT_TRUE(untouched());
  }
}

TEST_F(HttpClientRange, AWholeFileOfUnstatedLengthMustStillFit) {
  answer_ = {.body = std::string(as_text(file_)), .send_length = false};
  EXPECT_EQ(ask({0, kTotal}).received, kTotal);
  answer_.body += "x";
  EXPECT_EQ(error_of([&] { ask({0, kTotal}); }).code(), Code::malformed);
  answer_.body.resize(kTotal - 1);
  EXPECT_EQ(error_of([&] { ask({0, kTotal}); }).retry(), Retry::yes);
  EXPECT_TRUE(guards_hold());
}

TEST_F(HttpClientRange, OtherStatusesComeWithTheirBody) {
  answer_ = {.status = 416, .headers = {{"Content-Range", "bytes */5000"}}, .body = "out of range"};
  Response response = ask();
  EXPECT_EQ(response.status, 416);
  EXPECT_EQ(response.body, "out of range");
  answer_ = {.status = 302, .headers = {{"Location", "/x"}}, .body = std::string(5000, 'r')};
  EXPECT_EQ(ask().status, 302);
  EXPECT_TRUE(untouched());
}

TEST_F(HttpClientRange, ALoginPageInPlaceOfDataIsNamed) {
  answer_ = {.headers = {{"Content-Type", "text/html"}}, .body = "<html>Sign in</html>"};
  const Response response = ask();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.received, 0U);
  const std::string text = status_error({.url = parse_url("http://h/f")}, response).what();
  EXPECT_NE(text.find("an HTML page came instead"), std::string::npos) << text;
}

}  // namespace
}  // namespace dray::http
