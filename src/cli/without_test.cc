#include "cli/without.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace warren::cli {
namespace {

TEST(Without, AnUnknownNameIsOneLineWithTheKnownOnes) {
  HostFeatures features;
  const auto failure = do_without(features, "landlock,x\ny", "run: --without");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->exit_status, kOwnFailure);
  EXPECT_EQ(describe(*failure),
            "run: --without: x?y: Invalid argument; give sync-wakeup, landlock, pidfd-epoll or "
            "pidfd-self");
}

TEST(Without, TheVariable) {
  HostFeatures features;
  unsetenv("WARREN_WITHOUT");
  EXPECT_FALSE(do_without_by_variable(features, "doctor"));
  setenv("WARREN_WITHOUT", "", 1);
  EXPECT_FALSE(do_without_by_variable(features, "doctor"));
  setenv("WARREN_WITHOUT", "landlock", 1);
  EXPECT_FALSE(do_without_by_variable(features, "doctor"));
  EXPECT_TRUE(features.is_off(HostFeature::kLandlock));
  setenv("WARREN_WITHOUT", "x", 1);
  const auto failure = do_without_by_variable(features, "doctor");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->what, "doctor: WARREN_WITHOUT");
  unsetenv("WARREN_WITHOUT");
}

}  // namespace
}  // namespace warren::cli
