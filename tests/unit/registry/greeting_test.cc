#include "dray/registry/greeting.h"

#include <gtest/gtest.h>

namespace dray {
namespace {

using namespace std::string_view_literals;

TEST(ServiceGreeting, KnowsMySql) {
  EXPECT_EQ(recognise_greeting("\x4a\x00\x00\x00\x0a"
                               "8.0.36\x00\x08\x00\x00"sv),
            "a MySQL server (8.0.36)");
  EXPECT_EQ(recognise_greeting("\x45\x00\x00\x00\xff\x6a\x04Host is not allowed"sv),
            "a MySQL server");
  EXPECT_EQ(recognise_greeting("\x4a\x00\x00\x00\x0a"
                               "8.\x1b[2J"sv),
            "a MySQL server (8.[2J)")
      << "cut short, and with an escape that must not reach a terminal";
}

TEST(ServiceGreeting, KnowsOthersByTheirWords) {
  EXPECT_EQ(recognise_greeting("SSH-2.0-OpenSSH_9.2\r\n"), "an SSH server");
  EXPECT_EQ(recognise_greeting("220 mail ESMTP\r\n"),
            "a service that is no web server (it says \"220 mail ESMTP\")");
  EXPECT_EQ(recognise_greeting(""), std::nullopt);
}

TEST(ServiceGreeting, NothingThereIsNothingSaid) {
  EXPECT_EQ(who_speaks_first({.scheme = "http", .host = "name.invalid", .port = 80, .path = "/"}),
            std::nullopt);
}

}  // namespace
}  // namespace dray
