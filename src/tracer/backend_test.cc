#include "tracer/backend.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "inject/layout.h"

namespace warren {
namespace {

AgentHost good_host() {
  AgentHost host;
  host.known_machine = true;
  host.landlock_abi = kLandlockScopeAbi;
  return host;
}

TEST(Backend, NamesGoThereAndBack) {
  for (const Backend backend : {Backend::kAuto, Backend::kPtrace, Backend::kInject}) {
    EXPECT_EQ(backend_by_name(backend_name(backend)), backend);
  }
  for (const char* name : {"", "Auto", "ptrace ", "agent"}) {
    EXPECT_FALSE(backend_by_name(name)) << name;
  }
}

TEST(Backend, AGoodHostHasTheAgentUnlessPtraceIsWanted) {
  for (const Backend wanted : {Backend::kAuto, Backend::kInject}) {
    const BackendChoice choice = choose_backend(wanted, good_host());
    EXPECT_TRUE(choice.agent);
    EXPECT_EQ(choice.untraced, wanted == Backend::kAuto);
    EXPECT_EQ(choice.why, "");
    EXPECT_EQ(choice.error, 0);
  }
  const BackendChoice choice = choose_backend(Backend::kPtrace, good_host());
  EXPECT_FALSE(choice.agent);
  EXPECT_EQ(choice.error, 0);
}

TEST(Backend, WithoutLandlockScopesOnlyWhoAsksGetsTheAgent) {
  AgentHost host = good_host();
  for (const int abi : {0, 1, kLandlockScopeAbi - 1}) {
    host.landlock_abi = abi;
    const BackendChoice automatic = choose_backend(Backend::kAuto, host);
    EXPECT_FALSE(automatic.agent);
    EXPECT_NE(automatic.why.find("Landlock"), std::string::npos);
    EXPECT_EQ(automatic.error, 0);
    EXPECT_TRUE(choose_backend(Backend::kInject, host).agent);
  }
}

TEST(Backend, WithoutLandlockScopesAnAgentThatAsksForPathsIsForAll) {
  AgentHost host = good_host();
  host.landlock_abi = 0;
  for (const Backend wanted : {Backend::kAuto, Backend::kInject, Backend::kUntraced}) {
    const BackendChoice choice = choose_backend(wanted, host, /*ask_paths=*/true);
    EXPECT_TRUE(choice.agent);
    EXPECT_EQ(choice.untraced, wanted != Backend::kInject);
    EXPECT_EQ(choice.error, 0);
  }
  EXPECT_FALSE(choose_backend(Backend::kPtrace, host, /*ask_paths=*/true).agent);
}

TEST(Backend, WithoutPidfdsInEpollUntracedAloneIsAnError) {
  AgentHost host = good_host();
  host.pidfd_epoll_error = EOPNOTSUPP;
  const BackendChoice choice = choose_backend(Backend::kUntraced, host);
  EXPECT_FALSE(choice.agent);
  EXPECT_FALSE(choice.untraced);
  EXPECT_EQ(choice.error, EOPNOTSUPP);
  EXPECT_NE(choice.why.find("6.9"), std::string::npos);
  for (const Backend wanted : {Backend::kAuto, Backend::kInject}) {
    EXPECT_TRUE(choose_backend(wanted, host).agent);
    EXPECT_FALSE(choose_backend(wanted, host).untraced);
    EXPECT_EQ(choose_backend(wanted, host).error, 0);
  }
}

TEST(Backend, WhatIsSwitchedOffIsNotThere) {
  HostFeatures features;
  ASSERT_FALSE(features.switch_off("landlock,pidfd-epoll"));
  const AgentHost host = examine_agent_host(features, Backend::kUntraced);
  EXPECT_EQ(host.landlock_abi, 0);
  EXPECT_EQ(host.pidfd_epoll_error, EOPNOTSUPP);
  EXPECT_EQ(examine_agent_host(features, Backend::kInject).pidfd_epoll_error, 0);
}

TEST(Backend, WhatTheAgentCannotDoWithoutIsAnErrorWhenAskedFor) {
  struct Case {
    const char* word;
    int error;
    AgentHost host;
  } cases[] = {{"x86-64", EOPNOTSUPP, good_host()},
               {"vm.mmap_min_addr", EPERM, good_host()},
               {"4.14", EINVAL, good_host()},
               {"5.19", ENOSYS, good_host()}};
  cases[0].host.known_machine = false;
  cases[1].host.map_error = EPERM;
  cases[2].host.wipe_error = EINVAL;
  cases[3].host.notification_error = ENOSYS;
  for (const Case& one : cases) {
    const BackendChoice asked = choose_backend(Backend::kInject, one.host);
    EXPECT_FALSE(asked.agent);
    EXPECT_EQ(asked.error, one.error);
    EXPECT_NE(asked.why.find(one.word), std::string::npos) << asked.why;
    EXPECT_EQ(asked.why.find('\n'), std::string::npos);
    const BackendChoice automatic = choose_backend(Backend::kAuto, one.host);
    EXPECT_FALSE(automatic.agent);
    EXPECT_EQ(automatic.why, asked.why);
    EXPECT_EQ(automatic.error, 0);
    EXPECT_EQ(choose_backend(Backend::kPtrace, one.host).error, 0);
  }
}

TEST(Backend, ExaminingLeavesNothingMapped) {
  HostFeatures features;
  const AgentHost host = examine_agent_host(features, Backend::kInject);
  if (host.map_error != 0) return;  // nothing was mapped then
  unsigned char resident;
  EXPECT_NE(mincore(reinterpret_cast<void*>(inject::kBase), inject::kPage, &resident), 0);
  EXPECT_EQ(errno, ENOMEM);
}

}  // namespace
}  // namespace warren
