// Bodies that are made while they are sent.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>

#include "dray/base/error.h"
#include "dray/http/client.h"
#include "tests/support/errors.h"
#include "tests/support/fake_registry.h"
#include "tests/support/raw_server.h"

namespace dray::http {
namespace {

/// Gives the text in pieces of at most `piece` bytes.
BodyStream stream_of(const std::string& text, std::size_t piece,
                     std::optional<std::uint64_t> size = std::nullopt) {
  return {[&text, piece, at = std::size_t{0}](MutableBytes out) mutable {
            const std::size_t n = std::min({piece, out.size(), text.size() - at});
            std::memcpy(out.data(), text.data() + at, n);
            at += n;
            return n;
          },
          size};
}

struct BodyStreamTest : testing::Test {
  /// An upload of a registry, which takes bodies of both kinds.
  Request patch() {
    Request start;
    start.method = "POST";
    start.url = parse_url(registry.url() + "/v2/a/blobs/uploads/");
    const Response begun = client.send(start);
    Request out;
    out.method = "PATCH";
    out.url = resolve(start.url, begun.headers.get("Location").value());
    out.fresh_connection = true;
    return out;
  }
  std::string received() const { return registry.uploads().front().content; }
  test::FakeRegistry registry;
  Client client{{.stall_timeout = std::chrono::milliseconds(500)}};
};

TEST_F(BodyStreamTest, ArrivesWholeWithAndWithoutAKnownLength) {
  const std::string text(3'000'000, 'x');
  for (const bool known : {true, false}) {
    test::FakeRegistry fresh;
    Request start;
    start.method = "POST";
    start.url = parse_url(fresh.url() + "/v2/a/blobs/uploads/");
    Request request;
    request.method = "PATCH";
    request.url = resolve(start.url, client.send(start).headers.get("Location").value());
    const Response response = client.send_body(
        request,
        stream_of(text, 70'000, known ? std::optional<std::uint64_t>(text.size()) : std::nullopt));
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(fresh.uploads().front().content, text);
    const auto seen = fresh.requests(test::RegistryOp::patch_upload).front();
    EXPECT_EQ(seen.header("content-length"), known ? "3000000" : "");
    EXPECT_EQ(seen.header("transfer-encoding"), known ? "" : "chunked");
  }
}

TEST_F(BodyStreamTest, AnEmptyBodyIsOne) {
  const std::string nothing;
  EXPECT_EQ(client.send_body(patch(), stream_of(nothing, 10)).status, 202);
  EXPECT_EQ(received(), "");
}

TEST_F(BodyStreamTest, WhoeverMakesItMayTakeTime) {
  const std::string text(100'000, 'y');
  BodyStream body = stream_of(text, 40'000);
  int calls = 0;
  const auto give = body.give;
  body.give = [&](MutableBytes out) {
    if (++calls == 2)
      std::this_thread::sleep_for(std::chrono::milliseconds(900));  // longer than a stall may be
    return give(out);
  };
  EXPECT_EQ(client.send_body(patch(), body).status, 202);
  EXPECT_EQ(received(), text);
}

TEST_F(BodyStreamTest, WhatItThrowsComesOutAndTheServerHasNoWholeBody) {
  const std::string text(100'000, 'z');
  BodyStream body = stream_of(text, 40'000);
  int calls = 0;
  const auto give = body.give;
  body.give = [&](MutableBytes out) {
    if (++calls == 3) throw Error(Code::storage, "the source is gone");
    return give(out);
  };
  const Error error = test::error_of([&] { client.send_body(patch(), body); });
  EXPECT_EQ(error.code(), Code::storage);
  EXPECT_EQ(registry.requests(test::RegistryOp::upload_status).size(), 0u);
}

TEST_F(BodyStreamTest, AnEarlyRefusalIsTheAnswer) {
  registry.fault({.op = test::RegistryOp::patch_upload, .status = 403, .code = "DENIED"});
  const std::string text(200'000, 'r');
  EXPECT_EQ(client.send_body(patch(), stream_of(text, 1'000)).status, 403);
}

TEST_F(BodyStreamTest, ACutIsNoSuccess) {
  registry.fault({.op = test::RegistryOp::patch_upload, .cut_body = 50'000});
  const std::string text(5'000'000, 'c');
  const Error error = test::error_of([&] { client.send_body(patch(), stream_of(text, 10'000)); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_NE(error.retry(), Retry::no);
}

TEST_F(BodyStreamTest, AServerThatTakesNothingMoreIsAStall) {
  registry.fault({.op = test::RegistryOp::patch_upload, .stall_body = 1'000});
  const std::string text(50'000'000, 's');
  const Error error = test::error_of([&] { client.send_body(patch(), stream_of(text, 100'000)); });
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_NE(error.message().find("stalled"), std::string::npos);
}

TEST_F(BodyStreamTest, StopsSoon) {
  std::stop_source stop;
  const std::string text(1'000, 'q');
  BodyStream body = stream_of(text, 100);
  const auto give = body.give;
  body.give = [&](MutableBytes out) {
    stop.request_stop();
    return give(out);
  };
  registry.fault({.op = test::RegistryOp::patch_upload, .silent = true});
  EXPECT_EQ(test::error_of([&] { client.send_body(patch(), body, stop.get_token()); }).code(),
            Code::cancelled);
}

}  // namespace
}  // namespace dray::http
