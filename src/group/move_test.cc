#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

using ::testing::ElementsAre;

class MoveTest : public GroupsTest {
 protected:
  MoveTest() : a(make(top, "a")), b(make(top, "b")) {}
  ~MoveTest() override { a = b = {}; }
  GroupRef a, b;
};

TEST_F(MoveTest, AllAreAskedBeforeAnybodyMoves) {
  const Ref<Task> one = spawn(init);
  const Ref<Task> two = spawn(init);
  call_log.clear();
  ASSERT_EQ(move(a, {one, two, one}), 0);
  EXPECT_THAT(call_log, ElementsAre("can_attach 0 2", "can_attach 0 3", "can_attach 1 2",
                                    "can_attach 1 3", "can_attach 3 2", "can_attach 3 3",
                                    "attach 0 2", "attach 0 3", "attach 1 2", "attach 1 3",
                                    "attach 2 2", "attach 2 3", "attach 3 2", "attach 3 3"));
  call_log.clear();
  ASSERT_EQ(move(a, {two}), 0);  // is there already
  EXPECT_THAT(call_log, ElementsAre());
}

TEST_F(MoveTest, AFailureAtAnyStepUndoesAllBefore) {
  const Ref<Task> one = spawn(init);
  const Ref<Task> two = spawn(init);
  ASSERT_EQ(move(b, {two}), 0);
  for (int call = 1; call <= 6; ++call) {
    call_log.clear();
    failure.arm(call);
    EXPECT_EQ(move(a, {one, two}), Failure::kError);
    EXPECT_EQ(call_log.size(), static_cast<std::size_t>(2 * (call - 1)));
    EXPECT_EQ(read(a, "tasks"), "");
    EXPECT_EQ(read(b, "tasks"), "3\n");
    for (const char* file : {"a.charged", "b.charged", "d.charged"}) {
      EXPECT_EQ(read(a, file), "0\n");
      EXPECT_EQ(read(b, file), "1\n");
      EXPECT_EQ(read(top, file), "2\n");
    }
    EXPECT_EQ(groups->nr_proxies(), 2);
  }
  failure.arm(3);
  call_log.clear();
  EXPECT_EQ(move(a, {one, two}), Failure::kError);
  EXPECT_EQ(call_log[2].substr(0, 16), "cancel_attach 0 ");
}

TEST_F(MoveTest, ThreadsByThemselvesAndProcessesAsAWhole) {
  const Ref<Task> leader = spawn(init);
  const Ref<Task> thread = spawn(leader, {.thread = true});
  ASSERT_EQ(write(a, "tasks", "3"), 0);
  EXPECT_EQ(read(a, "tasks"), "3\n");
  EXPECT_EQ(read(a, "cgroup.threads"), "3\n");
  EXPECT_EQ(read(a, "cgroup.procs"), "2\n");
  EXPECT_EQ(read(top, "cgroup.procs"), "1\n2\n");
  ASSERT_EQ(write(b, "cgroup.procs", "3"), 0);
  EXPECT_EQ(read(b, "tasks"), "2\n3\n");
  EXPECT_EQ(read(b, "cgroup.procs"), "2\n");
  EXPECT_EQ(groups->processes(*b).size(), 1u);
}

TEST_F(MoveTest, WhoCannotBeMoved) {
  const Ref<Task> task = spawn(init);
  const Ref<Task> stranger = fork(init);
  EXPECT_EQ(move(a, {task, stranger}), ESRCH);
  EXPECT_EQ(read(a, "tasks"), "");
  EXPECT_EQ(groups->move(*a, stranger->group()).error_code(), ESRCH);
  groups->exit(*task);
  kernel->exit_task(*task, 0);
  EXPECT_EQ(move(a, {task}), ESRCH);
  EXPECT_EQ(groups->move(*a, task->group()).error_code(), ESRCH);
  // The kernel takes a zombie's number, and moves nothing.
  EXPECT_EQ(write(a, "cgroup.procs", "2"), 0);
  EXPECT_EQ(write(a, "tasks", "2"), 0);
  ASSERT_TRUE(groups->remove(*b));
  EXPECT_EQ(move(b, {init}), ENODEV);
  EXPECT_EQ(groups->move(*b, init->group()).error_code(), ENODEV);
}

TEST_F(MoveTest, ReshareTakesOnOneMembershipAndKeepsTheRest) {
  ASSERT_TRUE(groups->remove(*a));
  ASSERT_TRUE(groups->remove(*b));
  const GroupRef one = mount("s_a");
  const GroupRef two = mount("s_b,s_c");
  const GroupRef in_one = make(one, "x");
  const GroupRef in_two = make(two, "y");
  const Ref<Task> other = spawn(init);
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(in_one, {other}), 0);
  ASSERT_EQ(move(in_two, {other}), 0);
  ASSERT_TRUE(groups->reshare(task->group(), *other, *kCounting[2]));
  EXPECT_EQ(groups->proc_cgroup(*task), "2:s_b,s_c:/y\n1:s_a:/\n0::/\n");
  EXPECT_EQ(groups->reshare(task->group(), *other, CountingSubsystem<9>::kSubsystem).error_code(),
            ENOENT);
  groups->exit(*other);
  EXPECT_EQ(groups->reshare(task->group(), *other, *kCounting[0]).error_code(), ESRCH);
  for (const GroupRef& root_group : {one, two}) groups->unmount(root_group->hierarchy());
}

TEST_F(MoveTest, UnshareMakesChildGroups) {
  ASSERT_TRUE(groups->remove(*a));
  ASSERT_TRUE(groups->remove(*b));
  const GroupRef one = mount("s_a");
  const GroupRef two = mount("s_b,s_c");
  const Ref<Task> task = spawn(init);
  ASSERT_TRUE(groups->unshare(*task, 0, "2"));
  EXPECT_EQ(groups->proc_cgroup(*task), "2:s_b,s_c:/\n1:s_a:/\n0::/\n");
  ASSERT_TRUE(groups->unshare(*task, 5, "2"));
  EXPECT_EQ(groups->proc_cgroup(*task), "2:s_b,s_c:/2\n1:s_a:/2\n0::/\n");
  ASSERT_TRUE(groups->unshare(*init, 1, "2"));
  EXPECT_EQ(groups->proc_cgroup(*init), "2:s_b,s_c:/\n1:s_a:/2_2\n0::/\n");
  // Three states are made, then three subsystems asked: a failure anywhere leaves nothing behind.
  for (int call = 1; call <= 5; ++call) {
    failure.arm(call);
    EXPECT_EQ(groups->unshare(*task, 3, "z").error_code(), Failure::kError) << call;
    EXPECT_EQ(groups->proc_cgroup(*task), "2:s_b,s_c:/2\n1:s_a:/2\n0::/\n");
    EXPECT_EQ(groups->subtree(*one).size() + groups->subtree(*two).size(), 5u);
  }
  // They go with the last task, parents after their children.
  ASSERT_TRUE(groups->unshare(*task, 1, "below"));
  const Ref<Task> child = spawn(task);
  groups->exit(*task);
  EXPECT_EQ(groups->proc_cgroup(*child), "2:s_b,s_c:/2\n1:s_a:/2/below\n0::/\n");
  groups->exit(*child);
  EXPECT_EQ(groups->subtree(*one).size(), 2u);
  EXPECT_EQ(groups->subtree(*two).size(), 1u);
}

}  // namespace
}  // namespace warren::testing
