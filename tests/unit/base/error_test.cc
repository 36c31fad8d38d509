#include "dray/base/error.h"

#include <gtest/gtest.h>

namespace dray {
namespace {

TEST(Error, SaysVerbObjectMessageStatusAndCause) {
  Error cause(Code::network, "connection reset");
  Error error = Error(Code::server, "the store failed")
                    .on("put", "s3://b/k")
                    .from(Side::destination)
                    .http(503, "SlowDown", "req-1")
                    .because(cause)
                    .transient();
  EXPECT_STREQ(error.what(),
               "put s3://b/k: the store failed (HTTP 503 SlowDown): connection reset");
  EXPECT_TRUE(error.retryable());
  EXPECT_EQ(error.side(), Side::destination);
  EXPECT_EQ(error.request_id(), "req-1");
  EXPECT_EQ(error.cause()->code(), Code::network);
}

TEST(Error, CopiesAreIndependent) {
  Error a(Code::auth, "no");
  Error b = Error(a).hint("log in");
  EXPECT_EQ(a.hint(), "");
  EXPECT_EQ(b.hint(), "log in");
}

TEST(Error, EveryCodeHasANameAndAnExitStatus) {
  for (int i = 0; i <= static_cast<int>(Code::cancelled); ++i) {
    EXPECT_TRUE(code_name(static_cast<Code>(i)).starts_with("E_"));
    EXPECT_GT(exit_status(static_cast<Code>(i)), 0);
    if (i > 0) {
      EXPECT_NE(code_name(static_cast<Code>(i)), "E_INTERNAL") << i;
    }
  }
}

TEST(Error, ForeignExceptionsAreTranslated) {
  try {
    throw std::runtime_error("boom");
  } catch (...) {
    EXPECT_EQ(current_error().code(), Code::internal);
    EXPECT_STREQ(current_error().what(), "boom");
  }
}

}  // namespace
}  // namespace dray
