// Entry of the test program: prints the seed of randomised tests, which DRAY_TEST_SEED sets.
#include <curl/curl.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/random.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  testing::InitGoogleTest(&argc, argv);
  dray::test::print_seed();
  return RUN_ALL_TESTS();
}
