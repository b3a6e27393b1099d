#include "warren/kernel.h"

#include <gtest/gtest.h>

namespace warren {
namespace {

std::unique_ptr<Kernel> make(bool pinned = false) {
  KernelOptions options;
  options.pin_level0 = pinned;
  return std::move(Kernel::create(options)).value();
}

TEST(Kernel, FirstTaskIsInitOfTheRoot) {
  auto kernel = make();
  Ref<Task> init = kernel->adopt(kernel->root(), {}).value();
  EXPECT_EQ(init->vnr(), 1);
  EXPECT_TRUE(init->group().is_init());
  EXPECT_EQ(kernel->find_task(kernel->root(), 1), init);
}

TEST(Kernel, ForkExitReap) {
  auto kernel = make();
  Ref<Task> init = kernel->adopt(kernel->root(), {}).value();
  auto reservation = kernel->reserve_fork(*init);
  ASSERT_TRUE(reservation);
  EXPECT_EQ(reservation->vnr(), 2);
  EXPECT_EQ(kernel->find_pid(kernel->root(), 2), nullptr);
  Ref<Task> child = kernel->publish_fork(std::move(*reservation));
  EXPECT_EQ(child->group().parent(), &init->group());
  EXPECT_EQ(kernel->find_task(kernel->root(), 2), child);
  ExitResult result = kernel->exit_task(*child, 0x100);
  EXPECT_TRUE(result.group_dead);
  EXPECT_EQ(child->group().state(), GroupState::kZombie);
  kernel->reap(child->group());
  EXPECT_EQ(kernel->find_task(kernel->root(), 2), nullptr);
}

TEST(Kernel, PinnedLevelZero) {
  auto kernel = make(true);
  Ref<PidNamespace> ns = kernel->create_namespace(kernel->root()).value();
  Ref<Pid> host = kernel->host_pid(777).value();
  AdoptArgs args;
  args.level0 = 1234;
  args.pgid = host;
  args.sid = host;
  Ref<Task> init = kernel->adopt(*ns, args).value();
  EXPECT_EQ(init->vnr(), 1);
  EXPECT_EQ(init->level0(), 1234);
  EXPECT_EQ(init->group().pgid_nr_in(*ns), 0);
  EXPECT_EQ(init->group().pgid_nr_in(kernel->root()), 777);
  auto reservation = kernel->reserve_fork(*init, {.new_pid_ns = true});
  Ref<Task> inner = kernel->publish_fork(std::move(*reservation), 1300);
  EXPECT_EQ(inner->numbers(), (std::vector<Nr>{1300, 2, 1}));
  ExitResult result = kernel->exit_task(*init, 9);
  ASSERT_EQ(result.dying.size(), 1u);
  EXPECT_EQ(result.dying[0], ns);
  EXPECT_EQ(kernel->begin_zap(*ns).size(), 1u);
  EXPECT_FALSE(kernel->zap_complete(*ns));
  kernel->exit_task(*inner, 9);
  kernel->reap(inner->group());
  EXPECT_TRUE(kernel->zap_complete(*ns));
}

}  // namespace
}  // namespace warren
