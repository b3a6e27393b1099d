#include <cerrno>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using SessionTest = EngineTest;

TEST_F(SessionTest, Setsid) {
  Ref<Task> child = fork(init);
  EXPECT_FALSE(child->group().is_session_leader());
  EXPECT_TRUE(kernel->setsid(child->group()));
  EXPECT_TRUE(child->group().is_session_leader());
  EXPECT_EQ(child->group().sid(), child->pid());
  EXPECT_EQ(child->group().pgid(), child->pid());
  EXPECT_EQ(kernel->setsid(child->group()).error_code(), EPERM);
}

TEST_F(SessionTest, SetsidByAGroupLeaderIsEPERM) {
  Ref<Task> child = fork(init);
  ASSERT_TRUE(kernel->setpgid(*child, 0, 0));
  EXPECT_EQ(kernel->setsid(child->group()).error_code(), EPERM);
}

TEST_F(SessionTest, SetsidIsEPERMWhileOthersAreInAGroupOfThatNumber) {
  Ref<Task> leader = fork(init);
  Ref<Task> member = fork(init);
  ASSERT_TRUE(kernel->setpgid(*leader, 0, 0));
  ASSERT_TRUE(kernel->setpgid(*member, 0, leader->vnr()));
  ASSERT_TRUE(kernel->setpgid(*leader, 0, 1));
  EXPECT_EQ(kernel->setsid(leader->group()).error_code(), EPERM);
}

TEST_F(SessionTest, SetpgidRules) {
  Ref<Task> child = fork(init);
  Ref<Task> grandchild = fork(child);
  Ref<Task> t = thread(child);
  EXPECT_EQ(kernel->setpgid(*init, 0, -1).error_code(), EINVAL);
  EXPECT_EQ(kernel->setpgid(*init, 99, 0).error_code(), ESRCH);
  EXPECT_EQ(kernel->setpgid(*init, grandchild->vnr(), 0).error_code(), ESRCH);
  EXPECT_EQ(kernel->setpgid(*child, 1, 0).error_code(), ESRCH);
  EXPECT_EQ(kernel->setpgid(*init, t->vnr(), 0).error_code(), EINVAL);
  EXPECT_EQ(kernel->setpgid(*init, 0, 0).error_code(), EPERM);  // a session leader
  EXPECT_EQ(kernel->setpgid(*init, child->vnr(), 99).error_code(), EPERM);
  EXPECT_TRUE(kernel->setpgid(*init, child->vnr(), 0));
  EXPECT_EQ(child->group().pgid_nr_in(root), child->vnr());
  EXPECT_TRUE(kernel->setpgid(*child, grandchild->vnr(), child->vnr()));
  EXPECT_EQ(kernel->members(*child->pid(), PidType::kPgid).size(), 2u);
  kernel->exec(*grandchild);
  EXPECT_EQ(kernel->setpgid(*child, grandchild->vnr(), 1).error_code(), EACCES);
  EXPECT_TRUE(kernel->setpgid(*grandchild, 0, 0));
}

TEST_F(SessionTest, SetpgidAcrossSessionsIsEPERM) {
  Ref<Task> child = fork(init);
  Ref<Task> other = fork(init);
  ASSERT_TRUE(kernel->setsid(other->group()));
  EXPECT_EQ(kernel->setpgid(*child, 0, other->vnr()).error_code(), EPERM);
  Ref<Task> below = fork(other);
  EXPECT_EQ(kernel->setpgid(*init, other->vnr(), 0).error_code(), EPERM);
  EXPECT_TRUE(kernel->setpgid(*other, below->vnr(), 0));
}

TEST_F(SessionTest, ThreadMaySpeakForItsProcess) {
  Ref<Task> child = fork(init);
  Ref<Task> t = thread(child);
  EXPECT_TRUE(kernel->setpgid(*t, 0, 0));
  EXPECT_EQ(child->group().pgid(), child->pid());
}

TEST_F(SessionTest, NumberLivesWhileTheGroupLives) {
  Ref<Task> leader = fork(init);
  Ref<Task> member = fork(leader);
  ASSERT_TRUE(kernel->setpgid(*leader, 0, 0));
  ASSERT_TRUE(kernel->setpgid(*leader, member->vnr(), leader->vnr()));
  Ref<Pid> pid = leader->pid();
  die(leader);
  EXPECT_EQ(kernel->find_pid(root, 2), pid);
  EXPECT_EQ(kernel->find_task(root, 2), nullptr);
  EXPECT_FALSE(pid->in_use(PidType::kPid));
  EXPECT_FALSE(pid->in_use(PidType::kTgid));
  EXPECT_TRUE(pid->in_use(PidType::kPgid));
  EXPECT_FALSE(pid->in_use(PidType::kSid));
  const std::vector<Nr> two = {2};
  EXPECT_EQ(fork_error(init, {.set_tid = two}), EEXIST);
  ASSERT_TRUE(kernel->setpgid(*member, 0, 0));
  EXPECT_EQ(kernel->find_pid(root, 2), nullptr);
  EXPECT_EQ(fork(init, {.set_tid = two})->vnr(), 2);
}

}  // namespace
}  // namespace warren::testing
