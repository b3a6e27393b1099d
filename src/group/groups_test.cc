#include "warren/groups.h"

#include <gmock/gmock.h>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using ::testing::ElementsAre;

class BuiltInGroupsTest : public EngineTest {
 protected:
  BuiltInGroupsTest() : groups(std::move(*Groups::create(*kernel, host))) {}

  GroupHost host;
  std::unique_ptr<Groups> groups;
};

TEST_F(BuiltInGroupsTest, EverySubsystemOfTheLibraryIsLinkedIn) {
  for (const char* name : {"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pid",
                           "pids", "prio", "rlimit", "uts"}) {
    EXPECT_NE(groups->find_subsystem(name), nullptr) << name;
  }
}

TEST_F(BuiltInGroupsTest, ATaskForksMovesAndEnds) {
  ASSERT_TRUE(groups->adopt(*init));
  const GroupRef root = groups->default_root();
  const GroupRef a = *groups->make(*root, "a", {});
  Result<ForkMembership> membership = groups->begin_fork(*init);
  ASSERT_TRUE(membership);
  const Ref<Task> child = fork(init);
  groups->publish_fork(std::move(*membership), *child);
  EXPECT_EQ(*groups->read(*root, "cgroup.procs", {}), "1\n2\n");
  ASSERT_TRUE(groups->write(*a, "cgroup.procs", " 2\n", {}));
  EXPECT_EQ(*groups->read(*root, "cgroup.procs", {}), "1\n");
  EXPECT_EQ(*groups->read(*a, "tasks", {}), "2\n");
  EXPECT_EQ(groups->proc_cgroup(*child), "0::/a\n");
  EXPECT_EQ(groups->nr_proxies(), 2);
  EXPECT_EQ(groups->remove(*a).error_code(), EBUSY);
  groups->exit(*child);
  groups->release(*child);
  ASSERT_TRUE(groups->remove(*a));
  groups->exit(*init);
  groups->release(*init);
  EXPECT_EQ(groups->nr_proxies(), 0);
}

}  // namespace
}  // namespace warren::testing
