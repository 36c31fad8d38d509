#include "dray/base/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <concepts>
#include <cstring>
#include <new>
#include <ostream>
#include <type_traits>

namespace dray {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!Printable<Secret>);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::equality_comparable<Secret>);
static_assert(!std::convertible_to<Secret, std::string>);
static_assert(!std::convertible_to<std::string, Secret>);

TEST(SecretValue, CopiesAndMoves) {
  Secret a("token");
  Secret b = a;
  EXPECT_EQ(b.reveal(), "token");
  Secret c = std::move(a);
  EXPECT_EQ(c.reveal(), "token");
  EXPECT_TRUE(
      a.empty());  // NOLINT(bugprone-use-after-move): moved-from secrets are empty by contract
  b = std::move(c);
  EXPECT_EQ(b.reveal(), "token");
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
  const Secret& self = b;
  b = self;
  EXPECT_EQ(b.reveal(), "token");
  EXPECT_TRUE(Secret().empty());
}

// Short strings lie inside the object: look at its bytes after the destructor ran. A place of our
// own, read as bytes, so that looking is allowed.
TEST(SecretValue, IsWipedWhenItGoesAway) {
  alignas(Secret) unsigned char place[sizeof(Secret)] = {};
  auto* secret = ::new (place) Secret(std::string("hunter2hunter2"));
  ASSERT_NE(::memmem(place, sizeof place, "hunter2", 7), nullptr);
  secret->~Secret();
  volatile unsigned char* bytes = place;
  std::string after;
  for (std::size_t i = 0; i < sizeof place; ++i) after += static_cast<char>(bytes[i]);
  EXPECT_EQ(after.find("hunter2"), std::string::npos);
}

TEST(SecretValue, IsWipedWhereItWasMovedFrom) {
  Secret from(std::string("hunter2hunter2"));
  const Secret to = std::move(from);
  EXPECT_EQ(::memmem(&from, sizeof from, "hunter2", 7), nullptr);
  EXPECT_EQ(to.reveal(), "hunter2hunter2");
}

}  // namespace
}  // namespace dray
