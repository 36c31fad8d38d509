#include "dray/http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/http/client.h"
#include "tests/support/environment.h"
#include "tests/support/random.h"

namespace dray::http {
namespace {

Request to(const Server& server, const std::string& path, const std::string& method = "GET") {
  Request request;
  request.method = method;
  request.url = parse_url(server.url() + path);
  return request;
}

ServerResponse text(std::string body, int status = 200) {
  ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

/// Serves `content` on demand, whole or in one range.
ServerResponse file_answer(const ServerRequest& request, const Buffer& content) {
  ServerResponse response;
  ByteRange range{0, content.size()};
  if (const auto asked = request.headers.get("Range")) {
    const std::size_t dash = asked->find('-');
    const std::uint64_t first = parse_u64(asked->substr(6, dash - 6)).value();
    const std::uint64_t last = parse_u64(asked->substr(dash + 1)).value();
    range = {first, last - first + 1};
    response.status = 206;
    response.headers.add("Content-Range", "bytes " + std::to_string(first) + "-" +
                                              std::to_string(last) + "/" +
                                              std::to_string(content.size()));
  }
  response.length = range.length;
  response.produce = [&content, range](std::uint64_t offset, MutableBytes out) {
    const auto from = content.begin() + static_cast<std::ptrdiff_t>(range.offset + offset);
    std::copy_n(from, out.size(), out.begin());
  };
  return response;
}

TEST(HttpServer, GivesTheHandlerTheRequestAsItCame) {
  ServerRequest seen;
  Server server({}, [&](const ServerRequest& request) {
    seen = request;
    ServerResponse response = text("made", 201);
    response.headers.add("X-Two", "a");
    response.headers.add("X-Two", "b");
    response.headers.add("Content-Length", "99");
    return response;
  });
  Client client;
  Request request = to(server, "/a%2Fb%20c/?x=%41+1&y", "POST");
  request.headers.add("X-One", "eins");
  const std::string body = "body\0with zero";
  request.body = as_bytes(body);
  const Response response = client.send(request);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "made");
  EXPECT_EQ(response.headers.get("Content-Length"), "4");
  EXPECT_EQ(response.headers.all("X-Two"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/a%2Fb%20c/");
  EXPECT_EQ(seen.query, "x=%41+1&y");
  EXPECT_EQ(seen.headers.get("x-one"), "eins");
  EXPECT_EQ(seen.body, body);
}

TEST(HttpServer, ReadsTargetsOfTheAbsoluteFormThatProxiesGet) {
  ServerRequest seen;
  Server server({}, [&](const ServerRequest& request) {
    seen = request;
    return text("by proxy");
  });
  test::Environment environment;
  environment.set("http_proxy", server.url());
  environment.set("no_proxy", std::nullopt);
  environment.set("NO_PROXY", std::nullopt);
  Client client;
  EXPECT_EQ(client.send({.url = parse_url("http://host.invalid/a/b?c=d")}).body, "by proxy");
  EXPECT_EQ(seen.path, "/a/b");
  EXPECT_EQ(seen.query, "c=d");
  EXPECT_EQ(seen.headers.get("Host"), "host.invalid");
  seen = {};
  EXPECT_EQ(client.send(to(server, "/direct")).body, "by proxy");  // loopback needs no proxy
  EXPECT_EQ(seen.headers.get("Proxy-Connection"), std::nullopt);
}

TEST(HttpServer, RefusesHeadsThatAreTooLong) {
  std::atomic<int> calls = 0;
  Server server({}, [&](const ServerRequest&) {
    ++calls;
    return text("ok");
  });
  Client client;
  Request request = to(server, "/");
  request.headers.add("X-Long", std::string(60'000, 'x'));
  EXPECT_EQ(client.send(request).status, 200);
  request.headers.add("X-Longer", std::string(200'000, 'x'));
  EXPECT_EQ(client.send(request).status, 431);
  EXPECT_EQ(calls, 1);
}

TEST(HttpServer, ProducesLongBodiesAndRangesOnDemand) {
  const Buffer content = test::pattern(5 * kMiB + 3, 7);
  Server server({}, [&](const ServerRequest& request) { return file_answer(request, content); });
  Client client;
  EXPECT_EQ(client.send(to(server, "/f")).body, as_text(content));
  Buffer part(3 * kMiB);
  const RangeInto into{{kMiB, part.size()}, part, content.size()};
  EXPECT_EQ(client.send_range(to(server, "/f"), into).status, 206);
  EXPECT_EQ(as_text(part), as_text(content).substr(kMiB, part.size()));
}

TEST(HttpServer, HeadIsTheGetAnswerWithoutItsBody) {
  std::atomic<int> produced = 0;
  std::atomic<bool> head_only = false;
  Server server({}, [&](const ServerRequest& request) {
    head_only = request.head_only;
    EXPECT_EQ(request.method, "GET");
    ServerResponse response;
    response.headers.add("ETag", "\"x\"");
    response.length = std::uint64_t{500} << 30;
    response.produce = [&](std::uint64_t, MutableBytes) { ++produced; };
    return response;
  });
  Client client;
  const Response response = client.send(to(server, "/", "HEAD"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Content-Length"), std::to_string(std::uint64_t{500} << 30));
  EXPECT_EQ(response.headers.get("ETag"), "\"x\"");
  EXPECT_TRUE(head_only);
  EXPECT_EQ(produced, 0);
}

TEST(HttpServer, EmptyAnswersHaveNoBody) {
  Server server({}, [&](const ServerRequest& request) {
    if (request.path == "/204") return text("", 204);
    ServerResponse response;
    response.produce = [](std::uint64_t, MutableBytes) { FAIL(); };
    return response;
  });
  Client client;
  EXPECT_EQ(client.send(to(server, "/204")).status, 204);
  const Response response = client.send(to(server, "/empty"));
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.headers.get("Content-Length"), "0");
}

TEST(HttpServer, RefusesBodiesOverTheLimit) {
  std::atomic<int> calls = 0;
  Server server({.max_body = 1000}, [&](const ServerRequest& request) {
    ++calls;
    return text(std::to_string(request.body.size()));
  });
  Client client;
  Request request = to(server, "/", "PUT");
  const std::string fits(1000, 'x');
  request.body = as_bytes(fits);
  EXPECT_EQ(client.send(request).body, "1000");
  const std::string over(1001, 'x');
  request.body = as_bytes(over);
  EXPECT_EQ(client.send(request).status, 413);
  const std::string far_over(3 << 20, 'x');
  request.body = as_bytes(far_over);
  EXPECT_EQ(client.send(request).status, 413);
  EXPECT_EQ(calls, 1);
}

TEST(HttpServer, AThrowingHandlerIsA500WithoutDetails) {
  std::mutex mutex;
  std::string logged;
  set_log_sink([&](LogLevel, std::string_view line) {
    const std::lock_guard lock(mutex);
    logged += line;
  });
  {
    Server server({}, [](const ServerRequest&) -> ServerResponse {
      throw std::runtime_error("password is 123");
    });
    const Response response = Client().send(to(server, "/secret"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body.find("123"), std::string::npos);
  }
  set_log_sink(nullptr);
  EXPECT_NE(logged.find("password is 123"), std::string::npos);
}

TEST(HttpServer, AThrowingProducerBreaksTheConnectionOff) {
  set_log_sink([](LogLevel, std::string_view) {});
  {
    Server server({}, [](const ServerRequest&) {
      ServerResponse response;
      response.length = 10 << 20;
      response.produce = [](std::uint64_t offset, MutableBytes) {
        if (offset > 0) throw std::runtime_error("disk gone");
      };
      return response;
    });
    Client client;
    try {
      client.send(to(server, "/"));
      ADD_FAILURE() << "a truncated answer was taken for whole";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::network);
      EXPECT_TRUE(error.retryable());
    }
  }
  set_log_sink(nullptr);
}

TEST(HttpServer, ServesConnectionsAtTheSameTime) {
  std::mutex mutex;
  std::condition_variable all_there;
  int there = 0;
  Server server({}, [&](const ServerRequest&) {
    std::unique_lock lock(mutex);
    ++there;
    all_there.notify_all();
    all_there.wait(lock, [&] { return there == 4; });  // would hang if one waited for another
    return text("ok");
  });
  Client client;
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { good += client.send(to(server, "/")).body == "ok"; });
  threads.clear();
  EXPECT_EQ(good, 4);
}

TEST(HttpServer, StoppingLetsARunningRequestEnd) {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool may_end = false;
  std::optional<Server> server;
  server.emplace(ServerOptions{.drain_timeout = std::chrono::minutes(5)},
                 [&](const ServerRequest&) {
                   std::unique_lock lock(mutex);
                   entered = true;
                   changed.notify_all();
                   changed.wait(lock, [&] { return may_end; });
                   return text("whole");
                 });
  const Request request = to(*server, "/");
  std::string got;
  std::jthread asking([&] { got = Client().send(request).body; });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  std::jthread stopping([&] { server.reset(); });
  // New connections are refused while the old request still runs.
  Client client;
  for (;;) {
    Request probe = request;
    probe.fresh_connection = true;
    probe.deadline = std::chrono::milliseconds(50);
    try {
      client.send(probe);
    } catch (const Error& error) {
      if (std::string(error.what()).find("could not connect") != std::string::npos) break;
    }
  }
  {
    const std::lock_guard lock(mutex);
    may_end = true;
  }
  changed.notify_all();
  stopping.join();
  asking.join();
  EXPECT_EQ(got, "whole");
}

TEST(HttpServer, StoppingCutsADownloadThatDoesNotEnd) {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  std::optional<Server> server;
  server.emplace(ServerOptions{.drain_timeout = std::chrono::milliseconds(10)},
                 [&](const ServerRequest&) {
                   ServerResponse response;
                   response.length = std::uint64_t{1} << 50;
                   response.produce = [&](std::uint64_t, MutableBytes) {
                     const std::lock_guard lock(mutex);
                     entered = true;
                     changed.notify_all();
                   };
                   return response;
                 });
  const Request request = to(*server, "/");
  std::jthread asking(
      [&] { EXPECT_THROW(Client().send(request, {}, BodyLimit{std::uint64_t{1} << 60}), Error); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  server.reset();
}

TEST(HttpServer, AUsedPortIsAUsageErrorThatNamesIt) {
  Server first({}, [](const ServerRequest&) { return text("1"); });
  try {
    Server second({.port = first.port()}, [](const ServerRequest&) { return text("2"); });
    ADD_FAILURE() << "two servers listen at one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_NE(std::string(error.what()).find(std::to_string(first.port())), std::string::npos);
    EXPECT_NE(error.hint(), "");
  }
}

}  // namespace
}  // namespace dray::http
