#include <cerrno>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using MoveTest = EngineTest;
using PinnedMoveTest = PinnedTest;
using Numbers = std::vector<Nr>;

TEST_F(MoveTest, UnsharePutsChildrenElsewhere) {
  Ref<Task> task = fork(init);
  ASSERT_TRUE(kernel->unshare_pid(*task));
  EXPECT_EQ(task->ns(), &root);
  EXPECT_EQ(task->pid_ns_for_children()->level(), 1);
  EXPECT_EQ(kernel->unshare_pid(*task).error_code(), EINVAL);
  Ref<Task> first = fork(task);
  EXPECT_EQ(first->vnr(), 1);
  EXPECT_TRUE(first->group().is_init());
  EXPECT_EQ(first->pid_ns_for_children(), first->ns());
  EXPECT_EQ(fork(task)->vnr(), 2);
  kernel->exit_task(*first, 0);
  EXPECT_EQ(fork_error(task), ENOMEM);
}

TEST_F(MoveTest, SetnsGoesDownOnly) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> b = child_in_new_ns(a);
  Ref<Task> c = child_in_new_ns(init);
  EXPECT_TRUE(kernel->setns_pid(*a, *b->ns()));
  EXPECT_EQ(fork(a)->numbers().size(), 3u);
  EXPECT_TRUE(kernel->setns_pid(*a, *a->ns()));
  EXPECT_EQ(kernel->setns_pid(*a, root).error_code(), EINVAL);
  EXPECT_EQ(kernel->setns_pid(*a, *c->ns()).error_code(), EINVAL);
  EXPECT_TRUE(kernel->setns_pid(*init, *b->ns()));
}

// The three questions: can a process unshare, make children and unshare again? Is it then the
// reaper of several namespaces? Do all end with it?
TEST_F(MoveTest, ProcessMayGrowMoreThanOnceAndIsReaperOfEach) {
  Ref<Task> process = fork(init);
  Ref<Pid> pid = process->pid();
  EXPECT_EQ(kernel->grow(process->group()).value(), 1);
  Ref<PidNamespace> first = process->ns();
  Ref<Task> child = fork(process);
  Ref<Task> grandchild = fork(child);
  EXPECT_EQ(child->numbers(), (Numbers{3, 2}));
  EXPECT_EQ(kernel->grow(process->group()).value(), 1);
  Ref<PidNamespace> second = process->ns();
  Ref<Task> inner = fork(process);
  EXPECT_EQ(process->numbers(), (Numbers{2, 1, 1}));
  EXPECT_EQ(inner->numbers(), (Numbers{5, 4, 2}));
  EXPECT_EQ(process->pid(), pid);  // the identity is the same
  EXPECT_EQ(kernel->find_task(*second, 1), process);
  EXPECT_EQ(first->init(), &process->group());
  EXPECT_EQ(second->init(), &process->group());

  kernel->exit_task(*child, 0);
  EXPECT_EQ(grandchild->group().parent(), &process->group());  // reaper of the first
  Ref<Task> inner2 = fork(inner);
  kernel->exit_task(*inner, 0);
  EXPECT_EQ(inner2->group().parent(), &process->group());  // and of the second

  ExitResult result = kernel->exit_task(*process, 9);
  ASSERT_EQ(result.dying.size(), 2u);
  EXPECT_EQ(result.dying[0], first);
  EXPECT_EQ(result.dying[1], second);
  EXPECT_FALSE(second->alive());
  EXPECT_EQ(kernel->begin_zap(*first).size(), 2u);
  EXPECT_EQ(kernel->begin_zap(*second).size(), 1u);
}

TEST_F(MoveTest, EveryThreadGrows) {
  Ref<Task> process = fork(init);
  Ref<Task> t = thread(process);
  ASSERT_TRUE(kernel->unshare_pid(*t));
  EXPECT_EQ(kernel->grow(process->group()).error_code(), EINVAL);
  ASSERT_TRUE(kernel->setns_pid(*t, root));
  {
    Result<ForkReservation> pending = kernel->reserve_fork(*t, {.thread = true});
    EXPECT_EQ(kernel->grow(process->group()).error_code(), EBUSY);
  }
  ASSERT_TRUE(kernel->grow(process->group()));
  EXPECT_EQ(process->numbers(), (Numbers{2, 1}));
  EXPECT_EQ(t->numbers(), (Numbers{3, 2}));
  EXPECT_EQ(t->ns()->nr_tasks(), 2);
  kernel->exit_task(*t, 0);
  kernel->exit_task(*process, 0);
  EXPECT_EQ(kernel->grow(process->group()).error_code(), ESRCH);
}

TEST_F(MoveTest, MoveKeepsWhatIsCommonAndTheNumberIfFree) {
  Ref<Task> a = child_in_new_ns(init);  // 2
  Ref<Task> b = child_in_new_ns(init);  // 3
  Ref<Task> worker = fork(a);           // 4, 2
  Ref<PidNamespace> from = a->ns();
  ASSERT_TRUE(kernel->move(worker->group(), *b->ns()));
  EXPECT_EQ(worker->numbers(), (Numbers{4, 2}));
  EXPECT_EQ(kernel->find_pid(*from, 2), nullptr);
  EXPECT_EQ(kernel->find_task(*b->ns(), 2), worker);
  EXPECT_EQ(worker->nr_in(*from), 0);
  EXPECT_EQ(from->nr_visible_tasks(), 1);
  EXPECT_EQ(b->ns()->nr_visible_tasks(), 2);
  EXPECT_EQ(worker->pid_ns_for_children(), b->ns());
  // Number 2 is taken in the first now.
  Ref<Task> other = fork(a);
  EXPECT_EQ(other->vnr(), 3);
  const Numbers two = {2};
  fork(a, {.set_tid = two});
  ASSERT_TRUE(kernel->move(worker->group(), *from));
  EXPECT_EQ(worker->vnr(), 4);
  // Up, and down again.
  ASSERT_TRUE(kernel->move(worker->group(), root));
  EXPECT_EQ(worker->numbers(), Numbers{4});
  ASSERT_TRUE(kernel->move(worker->group(), *from));
  EXPECT_EQ(worker->numbers(), (Numbers{4, 4}));
}

TEST_F(MoveTest, MoveErrors) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> b = child_in_new_ns(init);
  Ref<Task> below = child_in_new_ns(a);
  Ref<Task> worker = fork(init);
  EXPECT_EQ(kernel->move(a->group(), *b->ns()).error_code(), EBUSY);
  EXPECT_EQ(kernel->move(a->group(), root).error_code(), EBUSY);
  EXPECT_TRUE(kernel->move(a->group(), *below->ns()));  // leaves nothing
  EXPECT_TRUE(a->group().is_init());
  Ref<PidNamespace> empty = kernel->create_namespace(root).value();
  EXPECT_EQ(kernel->move(worker->group(), *empty).error_code(), ENOMEM);
  kernel->exit_task(*b, 0);
  EXPECT_EQ(kernel->move(worker->group(), *b->ns()).error_code(), ENOMEM);
  Ref<Task> full = child_in_new_ns(init);
  ASSERT_TRUE(full->ns()->set_pid_max(301));
  std::vector<Ref<Task>> crowd;
  for (int i = 2; i < 301; ++i) crowd.push_back(fork(full));
  const int used = full->ns()->nr_pids();
  EXPECT_EQ(kernel->move(worker->group(), *full->ns()).error_code(), EAGAIN);
  EXPECT_EQ(full->ns()->nr_pids(), used);
  EXPECT_TRUE(kernel->move(worker->group(), root));
  kernel->exit_task(*worker, 0);
  EXPECT_EQ(kernel->move(worker->group(), root).error_code(), ESRCH);
}

TEST_F(MoveTest, OrphanOfOneThatMovedAwayGoesToItsOwnInit) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> b = child_in_new_ns(init);
  Ref<Task> parent = fork(a);
  Ref<Task> child = fork(parent);
  ASSERT_TRUE(kernel->move(parent->group(), *b->ns()));
  kernel->exit_task(*parent, 0);
  EXPECT_EQ(child->group().parent(), &a->group());
}

TEST_F(MoveTest, NoCircleOfParents) {
  Ref<Task> outer = fork(init);
  Ref<Task> process = fork(outer);
  Ref<Task> inner = child_in_new_ns(process);
  ASSERT_TRUE(kernel->move(outer->group(), *inner->ns()));
  ASSERT_TRUE(kernel->move(process->group(), *inner->ns()));
  kernel->exit_task(*outer, 0);  // the init of its namespace is a child of the orphan
  EXPECT_EQ(process->group().parent(), &init->group());
}

TEST_F(MoveTest, ProcessGroupMovesWithTheIdentity) {
  Ref<Task> a = child_in_new_ns(init);
  Ref<Task> leader = fork(init);
  ASSERT_TRUE(kernel->setpgid(*leader, 0, 0));
  Ref<Task> member = fork(leader);
  ASSERT_TRUE(kernel->move(leader->group(), *a->ns()));
  EXPECT_EQ(member->group().pgid_nr_in(root), leader->level0());
  EXPECT_EQ(member->group().pgid_nr_in(*a->ns()), leader->vnr());
}

TEST_F(PinnedMoveTest, HostNumberStays) {
  Ref<Task> a = container(100);
  Ref<Task> b = container(200);
  Ref<Task> worker = fork(a, {}, 101);
  ASSERT_TRUE(kernel->move(worker->group(), *b->ns()));
  EXPECT_EQ(worker->numbers(), (Numbers{101, 2}));
  ASSERT_TRUE(kernel->move(worker->group(), root));
  EXPECT_EQ(worker->numbers(), Numbers{101});
  ASSERT_TRUE(kernel->grow(worker->group()));
  EXPECT_EQ(worker->numbers(), (Numbers{101, 1}));
}

}  // namespace
}  // namespace warren::testing
