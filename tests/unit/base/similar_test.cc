#include "dray/base/similar.h"

#include <gtest/gtest.h>

namespace dray {
namespace {

TEST(Similar, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("models", "models"), 0U);
  EXPECT_EQ(edit_distance("models", "model"), 1U);
  EXPECT_EQ(edit_distance("models", "modles"), 1U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_GE(edit_distance(std::string(65, 'a'), std::string(66, 'a')), 64U);
}

TEST(Similar, TheNearestWithinReach) {
  const std::vector<std::string> names{"models-dev", "models-prod", "logs"};
  EXPECT_EQ(nearest("models-prd", names, 2), "models-prod");
  EXPECT_EQ(nearest("models-prod", names, 0), "models-prod");
  EXPECT_EQ(nearest("data", names, 2), "");
  EXPECT_EQ(nearest("x", {}, 2), "");
}

}  // namespace
}  // namespace dray
