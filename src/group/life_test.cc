#include <csignal>

#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

using ::testing::ElementsAre;

class LifeTest : public GroupsTest {};

TEST_F(LifeTest, ManyTasksInTenMembershipsShareTenProxies) {
  std::vector<GroupRef> ten;
  for (int i = 0; i < 10; ++i) ten.push_back(make(top, "g" + std::to_string(i)));
  std::vector<Ref<Task>> tasks;
  for (int i = 0; i < 20000; ++i) {
    tasks.push_back(spawn(init));
    if (i < 10) {
      ASSERT_EQ(move(ten[static_cast<std::size_t>(i)], {tasks.back()}), 0);
    }
  }
  for (std::size_t i = 10; i < tasks.size(); ++i) ASSERT_EQ(move(ten[i % 10], {tasks[i]}), 0);
  call_log.clear();
  EXPECT_EQ(groups->nr_proxies(), 11);  // init is in the root
  EXPECT_EQ(groups->tasks(*ten[3]).size(), 2000u);
  for (const Ref<Task>& task : tasks) end(task);
  EXPECT_EQ(groups->nr_proxies(), 1);
}

TEST_F(LifeTest, AForkCallsBackInOrder) {
  const Ref<Task> child = spawn(init);
  EXPECT_THAT(call_log, ElementsAre("can_fork 0", "can_fork 1", "can_fork 3", "fork 0 2",
                                    "fork 1 2", "fork 2 2", "fork 3 2"));
  call_log.clear();
  groups->exit(*child);
  groups->exit(*child);  // no effect
  groups->release(*child);
  groups->release(*child);
  EXPECT_THAT(call_log, ElementsAre("exit 0 2", "exit 1 2", "exit 2 2", "exit 3 2", "release 0 2",
                                    "release 1 2", "release 2 2", "release 3 2"));
}

TEST_F(LifeTest, ARefusedForkIsChargedToNobody) {
  failure.arm(3);
  EXPECT_EQ(groups->begin_fork(*init).error_code(), Failure::kError);
  EXPECT_THAT(call_log, ElementsAre("can_fork 0", "can_fork 1", "cancel_fork 1", "cancel_fork 0"));
  EXPECT_EQ(read(top, "a.charged"), "1\n");
}

TEST_F(LifeTest, AForkThatIsNotPublishedIsCancelled) {
  {
    Result<ForkMembership> first = groups->begin_fork(*init);
    ForkMembership second = std::move(*first);
    EXPECT_FALSE(*first);
    EXPECT_TRUE(second);
    EXPECT_EQ(read(top, "a.charged"), "2\n");
  }
  EXPECT_EQ(read(top, "a.charged"), "1\n");
}

TEST_F(LifeTest, WhoIsInNoGroupForksIntoNone) {
  const Ref<Task> stranger = fork(init);
  Result<ForkMembership> membership = groups->begin_fork(*stranger);
  ASSERT_TRUE(membership);
  EXPECT_FALSE(*membership);
  const Ref<Task> child = fork(stranger);
  groups->publish_fork(std::move(*membership), *child);
  ReadSection section;
  EXPECT_EQ(groups->proxy(*child, section), nullptr);
}

TEST_F(LifeTest, AChildIsWhereItsParentWasAndAThreadWhereItsProcessIs) {
  const GroupRef a = make(top, "a");
  const Ref<Task> parent = spawn(init);
  Result<ForkMembership> for_child = groups->begin_fork(*parent);
  Result<ForkMembership> for_thread = groups->begin_fork(*parent);
  ASSERT_TRUE(groups->move(*a, parent->group()));
  const Ref<Task> child = fork(parent);
  const Ref<Task> thread = this->thread(parent);
  groups->publish_fork(std::move(*for_child), *child);
  groups->publish_fork(std::move(*for_thread), *thread);
  EXPECT_EQ(read(top, "tasks"), "1\n3\n");
  EXPECT_EQ(read(a, "tasks"), "2\n4\n");
  EXPECT_EQ(read(a, "a.charged"), "2\n");
  EXPECT_EQ(read(top, "a.charged"), "2\n");
}

TEST_F(LifeTest, AThreadThatTheNewGroupRefusesStays) {
  const GroupRef a = make(top, "a");
  const Ref<Task> parent = spawn(init);
  Result<ForkMembership> membership = groups->begin_fork(*parent);
  ASSERT_TRUE(groups->move(*a, parent->group()));
  const Ref<Task> thread = this->thread(parent);
  failure.arm(1);
  groups->publish_fork(std::move(*membership), *thread);
  EXPECT_EQ(read(top, "tasks"), "1\n3\n");
  EXPECT_EQ(read(a, "tasks"), "2\n");
}

TEST_F(LifeTest, AForkInFlightKeepsItsGroup) {
  const GroupRef a = make(top, "a");
  const Ref<Task> parent = spawn(init);
  ASSERT_EQ(move(a, {parent}), 0);
  Result<ForkMembership> membership = groups->begin_fork(*parent);
  ASSERT_EQ(move(top, {parent}), 0);
  EXPECT_EQ(groups->remove(*a).error_code(), EBUSY);
  *membership = {};
  EXPECT_TRUE(groups->remove(*a));
}

TEST_F(LifeTest, WhatHasEndedIsChargedUntilItIsReleased) {
  const GroupRef a = make(top, "a");
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(a, {task}), 0);
  groups->exit(*task);
  EXPECT_EQ(read(a, "tasks"), "");
  EXPECT_EQ(read(a, "a.charged"), "1\n");
  auto& state = counting(*a->state(*kCounting[0]));
  ASSERT_TRUE(groups->remove(*a));
  EXPECT_TRUE(state.destroyed);
  EXPECT_EQ(read(top, "cgroup.stat"), "nr_descendants 0\nnr_dying_descendants 1\nnr_forks 1\n");
  EXPECT_EQ(groups->proc_cgroup(*task), "0::/a (deleted)\n");
  EXPECT_EQ(groups->begin_fork(*task).error_code(), ESRCH);
  EXPECT_EQ(move(top, {task}), ESRCH);
  groups->release(*task);
  EXPECT_EQ(state.charged, 0);
}

TEST_F(LifeTest, AdoptedIntoAGroup) {
  const GroupRef a = make(top, "a");
  const Ref<Task> outsider = kernel->adopt(root, {}).value();
  failure.arm(2);
  EXPECT_EQ(groups->adopt(*outsider, a.get()).error_code(), Failure::kError);
  EXPECT_EQ(read(a, "a.charged"), "0\n");
  ASSERT_TRUE(groups->adopt(*outsider, a.get()));
  EXPECT_EQ(groups->adopt(*outsider).error_code(), EBUSY);
  EXPECT_EQ(read(a, "tasks"), "2\n");
  end(outsider);
  ASSERT_TRUE(groups->remove(*a));
  const Ref<Task> other = kernel->adopt(root, {}).value();
  EXPECT_EQ(groups->adopt(*other, a.get()).error_code(), ENODEV);
}

TEST_F(LifeTest, KillReachesThoseThatAreBeingMade) {
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  const Ref<Task> parent = spawn(init);
  const Ref<Task> thread = spawn(parent, {.thread = true});
  const Ref<Task> below = spawn(init);
  ASSERT_TRUE(groups->move(*a, parent->group()));
  ASSERT_EQ(move(b, {below}), 0);
  Result<ForkMembership> membership = groups->begin_fork(*below);
  EXPECT_EQ(write(a, "cgroup.kill", "2"), ERANGE);
  EXPECT_EQ(write(a, "cgroup.kill", "x"), EINVAL);
  EXPECT_EQ(write(top, "cgroup.kill", "1"), ENOENT);
  ASSERT_EQ(write(a, "cgroup.kill", "1"), 0);
  EXPECT_THAT(host.calls, ::testing::UnorderedElementsAre("kill 2 9", "kill 4 9"));
  host.calls.clear();
  const Ref<Task> child = fork(below);
  groups->publish_fork(std::move(*membership), *child);
  EXPECT_THAT(host.calls, ElementsAre("kill 5 9"));
}

}  // namespace
}  // namespace warren::testing
