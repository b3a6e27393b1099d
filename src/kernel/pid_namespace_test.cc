#include "warren/pid_namespace.h"

#include <cerrno>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

using NamespaceTest = EngineTest;

TEST_F(NamespaceTest, Tree) {
  Ref<PidNamespace> a = kernel->create_namespace(root).value();
  Ref<PidNamespace> b = kernel->create_namespace(*a, {.inode = 4711}).value();
  EXPECT_EQ(b->level(), 2);
  EXPECT_EQ(b->parent(), a);
  EXPECT_EQ(root.parent(), nullptr);
  EXPECT_TRUE(b->is_within(root));
  EXPECT_TRUE(b->is_within(*b));
  EXPECT_FALSE(a->is_within(*b));
  EXPECT_EQ(root.inode(), 0xEFFFFFFCu);
  EXPECT_EQ(a->inode(), 0xF0000000u);
  EXPECT_EQ(b->inode(), 4711u);
  b->set_inode(7);
  EXPECT_EQ(b->inode(), 7u);
}

TEST_F(NamespaceTest, IsEmptyUntilItsFirstTask) {
  Ref<PidNamespace> ns = kernel->create_namespace(root).value();
  EXPECT_TRUE(ns->alive());
  EXPECT_FALSE(ns->has_init());
  EXPECT_EQ(ns->init(), nullptr);
  Ref<Task> first = kernel->adopt(*ns, {}).value();
  EXPECT_EQ(first->vnr(), 1);
  EXPECT_EQ(first->level0(), 2);
  EXPECT_EQ(first->group().parent(), nullptr);
  EXPECT_EQ(ns->init(), &first->group());
  EXPECT_EQ(ns->nr_tasks(), 1);
  EXPECT_EQ(root.nr_tasks(), 1);
  EXPECT_EQ(root.nr_visible_tasks(), 2);
  Ref<Task> second = kernel->adopt(*ns, {}).value();
  EXPECT_EQ(second->vnr(), 2);
  EXPECT_FALSE(second->group().is_init());
  AdoptArgs as_init;
  as_init.as_init = true;
  EXPECT_EQ(kernel->adopt(*ns, as_init).error_code(), EEXIST);
}

TEST_F(NamespaceTest, PidMaxAndLastPid) {
  EXPECT_EQ(root.set_pid_max(300).error_code(), EINVAL);
  EXPECT_EQ(root.set_pid_max(kPidMaxCeiling + 1).error_code(), EINVAL);
  EXPECT_TRUE(root.set_pid_max(400));
  EXPECT_EQ(root.set_last_pid(400).error_code(), EINVAL);
  EXPECT_EQ(root.set_last_pid(-1).error_code(), EINVAL);
  EXPECT_TRUE(root.set_last_pid(398));
  EXPECT_EQ(fork(init)->vnr(), 399);
  EXPECT_EQ(fork(init)->vnr(), 300);
  EXPECT_EQ(root.last_pid(), 300);
  Ref<PidNamespace> ns = kernel->create_namespace(root).value();
  EXPECT_EQ(ns->pid_max(), 400);  // inherited
  EXPECT_TRUE(ns->set_pid_max(1000));
  EXPECT_EQ(root.pid_max(), 400);
}

TEST_F(NamespaceTest, FullNamespaceGivesEAGAIN) {
  ASSERT_TRUE(root.set_pid_max(301));
  std::vector<Ref<Task>> tasks;
  for (int i = 2; i < 301; ++i) tasks.push_back(fork(init));
  EXPECT_EQ(fork_error(init), EAGAIN);
  EXPECT_EQ(root.nr_pids(), 300);
  die(tasks.back());
  EXPECT_EQ(fork(init)->vnr(), 300);
}

TEST_F(NamespaceTest, LivesOnWhileItIsHeld) {
  Ref<Task> inner = child_in_new_ns(init);
  Ref<PidNamespace> ns = inner->ns();
  die(inner);
  inner = nullptr;
  EXPECT_FALSE(ns->alive());
  EXPECT_TRUE(ns->has_init());
  EXPECT_EQ(ns->init(), nullptr);
  EXPECT_EQ(ns->nr_pids(), 0);
  EXPECT_EQ(kernel->create_namespace(*ns).error_code(), ENOMEM);
  EXPECT_EQ(kernel->adopt(*ns, {}).error_code(), ENOMEM);
}

TEST_F(NamespaceTest, FirstTaskFoundsAllThatIsEmptyAboveIt) {
  Ref<PidNamespace> a = kernel->create_namespace(root).value();
  Ref<PidNamespace> b = kernel->create_namespace(*a).value();
  Ref<Task> first = kernel->adopt(*b, {}).value();
  EXPECT_EQ(first->numbers(), (std::vector<Nr>{2, 1, 1}));
  EXPECT_EQ(a->init(), &first->group());
  EXPECT_EQ(b->init(), &first->group());
  EXPECT_EQ(root.init(), &init->group());
  ExitResult result = kernel->exit_task(*first, 0);
  ASSERT_EQ(result.dying.size(), 2u);
  EXPECT_EQ(result.dying[0], a);
  kernel->reap(first->group());
  EXPECT_FALSE(first->group().is_init());
}

TEST_F(NamespaceTest, ThousandLevels) {
  Ref<Task> task = init;
  for (int level = 1; level <= 1000; ++level) task = child_in_new_ns(task);
  EXPECT_EQ(task->ns()->level(), 1000);
  EXPECT_EQ(task->vnr(), 1);
  EXPECT_EQ(task->numbers().size(), 1001u);
  EXPECT_EQ(task->level0(), 1001);
  EXPECT_EQ(kernel->find_task(root, 1001), task);
  EXPECT_EQ(kernel->snapshot().namespaces.size(), 1001u);
  Ref<Task> top = kernel->find_task(root, 2);
  EXPECT_EQ(kernel->exit_task(*top, 9).dying.size(), 1u);
  EXPECT_FALSE(task->ns()->alive());
  EXPECT_EQ(kernel->begin_zap(*top->ns()).size(), 999u);
}

}  // namespace
}  // namespace warren::testing
