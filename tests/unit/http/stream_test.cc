// Bodies that are given away as they come.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "dray/base/error.h"
#include "dray/http/client.h"
#include "tests/support/raw_server.h"

namespace dray::http {
namespace {

Request get(const test::RawServer& server) {
  Request request;
  request.url = parse_url(server.url() + "/body");
  return request;
}

TEST(HttpStream, GivesTheBodyInOrderAndKeepsNothing) {
  const std::string body(3'000'000, 'x');
  test::RawServer server([&](const test::RawRequest&) { return test::RawResponse{.body = body}; });
  Client client;
  std::string got;
  const Response response = client.send_streamed(get(server), [&](Bytes bytes) {
    got += as_text(bytes);
    return true;
  });
  EXPECT_EQ(got, body);
  EXPECT_EQ(response.received, body.size());
  EXPECT_EQ(response.body, "");
}

TEST(HttpStream, ASinkThatBlocksIsNoStall) {
  const std::string body(4'000'000, 'x');
  test::RawServer server([&](const test::RawRequest&) { return test::RawResponse{.body = body}; });
  Client client({.stall_timeout = std::chrono::milliseconds(500)});
  std::size_t got = 0;
  client.send_streamed(get(server), [&](Bytes bytes) {
    if (got == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(900));  // longer than a stall may be
    got += bytes.size();
    return true;
  });
  EXPECT_EQ(got, body.size());
}

TEST(HttpStream, EndsWhenTheSinkHasEnough) {
  test::RawServer server([&](const test::RawRequest&) {
    return test::RawResponse{.body = std::string(100'000, 'x'), .stall_after = 100};
  });
  Client client;
  const Response response = client.send_streamed(get(server), [](Bytes) { return false; });
  EXPECT_EQ(response.status, 200);
  EXPECT_LE(response.received, 100u);
}

TEST(HttpStream, WhatTheSinkThrowsComesOut) {
  test::RawServer server([&](const test::RawRequest&) { return test::RawResponse{.body = "x"}; });
  Client client;
  try {
    client.send_streamed(get(server), [](Bytes) -> bool { throw Error(Code::storage, "full"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::storage);
  }
}

TEST(HttpStream, OtherAnswersGoToTheBody) {
  test::RawServer server([&](const test::RawRequest&) {
    return test::RawResponse{.status = 404, .body = "nothing here"};
  });
  Client client;
  bool called = false;
  const Response response = client.send_streamed(get(server), [&](Bytes) { return called = true; });
  EXPECT_EQ(response.body, "nothing here");
  EXPECT_FALSE(called);
}

TEST(HttpStream, ABodyThatEndsEarlyIsTransient) {
  test::RawServer server([&](const test::RawRequest&) {
    return test::RawResponse{.body = std::string(1000, 'x'), .close_after = 10};
  });
  Client client;
  try {
    client.send_streamed(get(server), [](Bytes) { return true; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::network);
    EXPECT_TRUE(error.retryable());
  }
}

}  // namespace
}  // namespace dray::http
