#include "tracer/host_features.h"

#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace warren {
namespace {

constexpr HostFeature kAll[] = {HostFeature::kSyncWakeup, HostFeature::kLandlock,
                                HostFeature::kPidfdEpoll, HostFeature::kPidfdSelf};

bool linux_at_least(int major, int minor) {
  utsname name;
  int is_major = 0, is_minor = 0;
  uname(&name);
  std::sscanf(name.release, "%d.%d", &is_major, &is_minor);
  return is_major > major || (is_major == major && is_minor >= minor);
}

TEST(HostFeatures, NothingIsOffAtFirst) {
  HostFeatures features;
  EXPECT_FALSE(features.switch_off(""));
  for (const HostFeature feature : kAll) EXPECT_FALSE(features.is_off(feature));
}

TEST(HostFeatures, ListsSwitchOff) {
  HostFeatures features;
  EXPECT_FALSE(features.switch_off("landlock"));
  EXPECT_TRUE(features.is_off(HostFeature::kLandlock));
  EXPECT_FALSE(features.is_off(HostFeature::kSyncWakeup));
  EXPECT_FALSE(features.switch_off("pidfd-epoll,sync-wakeup,pidfd-self,landlock,landlock"));
  for (const HostFeature feature : kAll) EXPECT_TRUE(features.is_off(feature));
}

TEST(HostFeatures, AnUnknownNameIsToldAndChangesNothing) {
  HostFeatures features;
  EXPECT_EQ(features.switch_off("frob"), "frob");
  EXPECT_EQ(features.switch_off("landlock,frob,x"), "frob");
  EXPECT_EQ(features.switch_off("landlock,"), "");
  EXPECT_EQ(features.switch_off(","), "");
  EXPECT_EQ(features.switch_off("Landlock"), "Landlock");
  EXPECT_EQ(features.switch_off("landlock "), "landlock ");
  for (const HostFeature feature : kAll) EXPECT_FALSE(features.is_off(feature));
  EXPECT_EQ(HostFeatures::names(), "sync-wakeup, landlock, pidfd-epoll or pidfd-self");
}

TEST(HostFeatures, WhatIsOffIsNotLookedFor) {
  HostFeatures features;
  ASSERT_FALSE(features.switch_off("landlock,pidfd-epoll,pidfd-self"));
  int error = 0;
  EXPECT_EQ(features.landlock_abi(&error), 0);
  EXPECT_EQ(error, EOPNOTSUPP);
  EXPECT_FALSE(features.has_landlock_scopes());
  EXPECT_EQ(features.pidfd_epoll_error(), EOPNOTSUPP);
  EXPECT_EQ(features.pidfd_self_error(), EOPNOTSUPP);
}

TEST(HostFeatures, LandlockSaysHowOldItIs) {
  HostFeatures features;
  int error = 0;
  const int abi = features.landlock_abi(&error);
  EXPECT_EQ(abi == 0, error != 0);
  EXPECT_EQ(features.landlock_abi(), abi);
}

TEST(HostFeatures, OnesOwnPidfdIsThereAsOfLinux618) {
  if (linux_at_least(6, 18)) {
    EXPECT_EQ(HostFeatures().pidfd_self_error(), 0);
  }
}

TEST(HostFeatures, PidfdsInEpollTellOfReapingAsOfLinux69) {
  HostFeatures features;
  EXPECT_EQ(features.pidfd_epoll_error() == 0, linux_at_least(6, 9));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  EXPECT_EQ(errno, ECHILD);
}

TEST(HostFeatures, PidfdsInEpollWithChildrenThatNobodyWaitsFor) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  HostFeatures features;
  EXPECT_EQ(features.pidfd_epoll_error() == 0, linux_at_least(6, 9));
  std::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace warren
