#include <cerrno>
#include <limits>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

class SignalTest : public EngineTest {
 protected:
  std::vector<Nr> targets(const Ref<Task>& sender, Nr pid) {
    auto found = kernel->signal_targets(*sender, pid);
    if (!found) return {-found.error_code()};
    std::vector<Nr> numbers;
    for (const Ref<ThreadGroup>& group : *found) numbers.push_back(group->nr_in(*sender->ns()));
    return numbers;
  }
};

using Numbers = std::vector<Nr>;

TEST_F(SignalTest, OneProcess) {
  Ref<Task> child = fork(init);
  Ref<Task> t = thread(child);
  EXPECT_EQ(targets(init, 2), Numbers{2});
  EXPECT_EQ(targets(init, t->vnr()), Numbers{2});  // any thread's number means its process
  EXPECT_EQ(targets(init, 99), Numbers{-ESRCH});
  kernel->exit_task(*t, 0);
  kernel->exit_task(*child, 0);
  EXPECT_EQ(targets(init, 2), Numbers{2});  // a zombie is there
  kernel->reap(child->group());
  EXPECT_EQ(targets(init, 2), Numbers{-ESRCH});
}

TEST_F(SignalTest, EverybodyButSelfAndInit) {
  Ref<Task> a = fork(init);
  Ref<Task> b = fork(init);
  Ref<Task> c = child_in_new_ns(b);
  EXPECT_EQ(targets(a, -1), (Numbers{3, 4}));
  EXPECT_EQ(targets(init, -1), (Numbers{2, 3, 4}));
  EXPECT_EQ(targets(c, -1), Numbers{-ESRCH});
  fork(c);
  EXPECT_EQ(targets(c, -1), Numbers{2});
}

TEST_F(SignalTest, ProcessGroups) {
  Ref<Task> a = fork(init);
  Ref<Task> b = fork(a);
  ASSERT_TRUE(kernel->setpgid(*a, 0, 0));
  ASSERT_TRUE(kernel->setpgid(*a, b->vnr(), a->vnr()));
  EXPECT_EQ(targets(a, 0), (Numbers{2, 3}));
  EXPECT_EQ(targets(init, -2), (Numbers{2, 3}));
  EXPECT_EQ(targets(init, -3), Numbers{-ESRCH});
  EXPECT_EQ(targets(init, 0), Numbers{1});
  EXPECT_EQ(targets(init, std::numeric_limits<Nr>::min()), Numbers{-ESRCH});
}

TEST_F(SignalTest, GroupsAreSeenOnlyAsFarAsTheNamespaceGoes) {
  Ref<Task> a = fork(init);
  ASSERT_TRUE(kernel->setpgid(*a, 0, 0));
  Ref<Task> inner = child_in_new_ns(a);  // in a's process group
  EXPECT_EQ(targets(inner, 0), Numbers{1});
  EXPECT_EQ(targets(a, 0), (Numbers{2, 3}));
}

TEST_F(SignalTest, InitIsProtectedFromItsOwnNamespace) {
  Ref<Task> inner = child_in_new_ns(init);
  Ref<Task> worker = fork(inner);
  Ref<Task> deeper = child_in_new_ns(worker);
  EXPECT_TRUE(Kernel::init_protected(worker.get(), inner->group()));
  EXPECT_TRUE(Kernel::init_protected(deeper.get(), inner->group()));
  EXPECT_TRUE(Kernel::init_protected(inner.get(), inner->group()));
  EXPECT_FALSE(Kernel::init_protected(init.get(), inner->group()));
  EXPECT_FALSE(Kernel::init_protected(worker.get(), deeper->group()));
  EXPECT_FALSE(Kernel::init_protected(inner.get(), worker->group()));
  EXPECT_FALSE(Kernel::init_protected(nullptr, inner->group()));
}

TEST_F(SignalTest, InitOfSeveralIsProtectedInEach) {
  Ref<Task> process = fork(init);
  ASSERT_TRUE(kernel->grow(process->group()));
  Ref<Task> outer_child = fork(process);
  ASSERT_TRUE(kernel->grow(process->group()));
  EXPECT_TRUE(Kernel::init_protected(outer_child.get(), process->group()));
  EXPECT_FALSE(Kernel::init_protected(init.get(), process->group()));
}

}  // namespace
}  // namespace warren::testing
