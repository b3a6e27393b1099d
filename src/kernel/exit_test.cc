#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using ExitTest = EngineTest;

TEST_F(ExitTest, ZombieKeepsItsNumberUntilReaped) {
  Ref<Task> child = fork(init);
  ExitResult result = kernel->exit_task(*child, 0x300);
  EXPECT_TRUE(result.group_dead);
  EXPECT_FALSE(child->alive());
  EXPECT_EQ(child->group().state(), GroupState::kZombie);
  EXPECT_EQ(child->group().exit_status(), 0x300);
  EXPECT_EQ(kernel->find_task(root, 2), child);
  EXPECT_FALSE(kernel->exit_task(*child, 9).group_dead);  // no effect twice
  EXPECT_EQ(child->group().exit_status(), 0x300);
  kernel->reap(child->group());
  EXPECT_EQ(child->group().state(), GroupState::kDead);
  EXPECT_EQ(kernel->find_pid(root, 2), nullptr);
  EXPECT_EQ(child->group().leader(), nullptr);
  EXPECT_EQ(child->group().parent(), nullptr);
  EXPECT_EQ(child->vnr(), 2);  // for those who still ask
}

TEST_F(ExitTest, ReapTakesZombiesOnly) {
  Ref<Task> child = fork(init);
  kernel->reap(child->group());
  EXPECT_EQ(child->group().state(), GroupState::kAlive);
}

TEST_F(ExitTest, LeaderMayGoBeforeItsThreads) {
  Ref<Task> leader = fork(init);
  Ref<Task> t = thread(leader);
  EXPECT_FALSE(kernel->exit_task(*leader, 0x100).group_dead);
  EXPECT_EQ(leader->group().state(), GroupState::kAlive);
  EXPECT_EQ(kernel->find_task(root, 2), leader);
  EXPECT_TRUE(kernel->exit_task(*t, 0x200).group_dead);
  EXPECT_EQ(kernel->find_task(root, 3), nullptr);  // threads leave no zombie
  EXPECT_EQ(leader->group().exit_status(), 0x100);
  kernel->set_exit_status(leader->group(), 0x200);
  EXPECT_EQ(leader->group().exit_status(), 0x200);
}

TEST_F(ExitTest, OrphansGoToInit) {
  Ref<Task> parent = fork(init);
  Ref<Task> child = fork(parent);
  Ref<Task> zombie = fork(parent);
  kernel->exit_task(*zombie, 0);
  ExitResult result = kernel->exit_task(*parent, 0);
  ASSERT_EQ(result.reparented.size(), 2u);
  EXPECT_EQ(result.reparented[0], &child->group());
  EXPECT_EQ(result.reparented[1], &zombie->group());
  EXPECT_EQ(child->group().parent(), &init->group());
  EXPECT_TRUE(result.dying.empty());
}

TEST_F(ExitTest, OrphansGoToTheNearestSubreaperOfTheSameLevel) {
  Ref<Task> far = fork(init);
  Ref<Task> near = fork(far);
  Ref<Task> parent = fork(near);
  Ref<Task> child = fork(parent);
  kernel->set_child_subreaper(far->group(), true);
  kernel->set_child_subreaper(near->group(), true);
  kernel->exit_task(*near, 0);  // a dead one does not count
  kernel->exit_task(*parent, 0);
  EXPECT_EQ(child->group().parent(), &far->group());
  // Not across a namespace.
  Ref<Task> inner = child_in_new_ns(far);
  Ref<Task> inner_parent = fork(inner);
  Ref<Task> inner_child = fork(inner_parent);
  kernel->exit_task(*inner_parent, 0);
  EXPECT_EQ(inner_child->group().parent(), &inner->group());
}

TEST_F(ExitTest, ParentOutsideIsZeroInside) {
  Ref<Task> inner = child_in_new_ns(init);
  EXPECT_EQ(inner->group().parent_nr_in(*inner->ns()), 0);
  EXPECT_EQ(inner->group().parent_nr_in(root), 1);
}

TEST_F(ExitTest, InitTakesItsNamespaceWithIt) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> a2 = fork(a);
  Ref<Task> b = child_in_new_ns(a2);
  Ref<Task> b2 = fork(b);
  Ref<PidNamespace> ns = a->ns();
  ExitResult result = kernel->exit_task(*a, 9);
  ASSERT_EQ(result.dying.size(), 1u);
  EXPECT_EQ(result.dying[0], ns);
  ASSERT_EQ(result.reparented.size(), 1u);
  EXPECT_EQ(a2->group().parent(), nullptr);
  EXPECT_FALSE(b->ns()->alive());
  EXPECT_EQ(kernel->begin_zap(*ns).size(), 3u);
  die(b2);
  die(b);
  EXPECT_EQ(kernel->begin_zap(*ns).size(), 1u);
  EXPECT_FALSE(kernel->zap_complete(*ns));
  kernel->exit_task(*a2, 9);
  EXPECT_TRUE(kernel->begin_zap(*ns).empty());
  EXPECT_FALSE(kernel->zap_complete(*ns));  // a zombie is left
  kernel->reap(a2->group());
  EXPECT_TRUE(kernel->zap_complete(*ns));
  kernel->reap(a->group());
  EXPECT_TRUE(kernel->zap_complete(*ns));
  EXPECT_EQ(ns->nr_visible_tasks(), 0);
}

TEST_F(ExitTest, ZapWaitsForReservations) {
  Ref<Task> a = child_in_new_ns(init);
  Result<ForkReservation> late = kernel->reserve_fork(*a);
  kernel->exit_task(*a, 9);
  EXPECT_FALSE(kernel->zap_complete(*a->ns()));
  Ref<Task> child = kernel->publish_fork(std::move(*late));
  EXPECT_EQ(child->group().parent(), nullptr);
  ASSERT_EQ(kernel->begin_zap(*a->ns()).size(), 1u);
  die(child);
  EXPECT_TRUE(kernel->zap_complete(*a->ns()));
}

TEST_F(ExitTest, InitWithThreadsDiesWithTheLast) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> t = thread(a);
  EXPECT_TRUE(kernel->exit_task(*a, 0).dying.empty());
  EXPECT_TRUE(a->ns()->alive());
  EXPECT_EQ(kernel->exit_task(*t, 0).dying.size(), 1u);
  EXPECT_FALSE(a->ns()->alive());
  EXPECT_TRUE(kernel->zap_complete(*a->ns()));
}

TEST_F(ExitTest, ExecByALeader) {
  Ref<Task> leader = fork(init, {.exit_signal = 0});
  Ref<Task> t = thread(leader);
  kernel->exec(*leader);
  EXPECT_FALSE(t->alive());
  EXPECT_EQ(kernel->find_task(root, 3), nullptr);
  EXPECT_TRUE(leader->group().did_exec());
  EXPECT_EQ(leader->group().nr_threads(), 1);
  EXPECT_EQ(leader->exit_signal(), SIGCHLD);
}

TEST_F(ExitTest, ExecByAThreadTakesTheLeadersPlace) {
  Ref<Task> leader = fork(init);
  Ref<Task> t = thread(leader);
  Ref<Task> other = thread(leader);
  Ref<Pid> pid = leader->pid();
  kernel->exec(*t);
  EXPECT_EQ(t->vnr(), 2);
  EXPECT_EQ(t->pid(), pid);
  EXPECT_EQ(pid->task(), t);
  EXPECT_TRUE(t->is_leader());
  EXPECT_FALSE(leader->alive());
  EXPECT_FALSE(leader->is_leader());
  EXPECT_FALSE(other->alive());
  EXPECT_EQ(kernel->find_task(root, 2), t);
  EXPECT_EQ(kernel->find_pid(root, 3), nullptr);
  EXPECT_EQ(kernel->find_pid(root, 4), nullptr);
  EXPECT_EQ(t->group().leader(), t);
  EXPECT_EQ(root.nr_tasks(), 2);
  EXPECT_TRUE(kernel->exit_task(*t, 0x500).group_dead);
  EXPECT_EQ(t->group().exit_status(), 0x500);
}

TEST_F(ExitTest, ExecByAThreadAfterTheLeaderExited) {
  Ref<Task> leader = fork(init);
  Ref<Task> t = thread(leader);
  kernel->exit_task(*leader, 0);
  kernel->exec(*t);
  EXPECT_EQ(t->vnr(), 2);
  EXPECT_EQ(t->group().nr_threads(), 1);
  die(t);
  EXPECT_EQ(kernel->find_pid(root, 2), nullptr);
}

TEST_F(ExitTest, KernelEndsWithLiveTasks) {
  child_in_new_ns(fork(init));
  thread(init);
  // ~Kernel takes them all.
}

using ExitDeathTest = EngineTest;

TEST_F(ExitDeathTest, AReferenceMustNotOutliveTheKernel) {
  EXPECT_DEATH(kernel.reset(), "objects were in use");
}

}  // namespace
}  // namespace warren::testing
