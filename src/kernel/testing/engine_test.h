// What the engine's unit tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "warren/kernel.h"

namespace warren::testing {

// A Kernel that gives all numbers itself, with an init in the root.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : EngineTest(KernelOptions{}) {}
  explicit EngineTest(const KernelOptions& options)
      : kernel(std::move(Kernel::create(options)).value()), root(kernel->root()) {
    if (!options.pin_level0) init = kernel->adopt(root, {}).value();
  }

  Ref<Task> fork(const Ref<Task>& parent, const ForkArgs& args = {}, Nr level0 = 0) {
    Result<ForkReservation> reservation = kernel->reserve_fork(*parent, args);
    EXPECT_TRUE(reservation) << reservation.error_code();
    return kernel->publish_fork(std::move(*reservation), level0);
  }
  Ref<Task> thread(const Ref<Task>& parent) { return fork(parent, {.thread = true}); }
  Ref<Task> child_in_new_ns(const Ref<Task>& parent) { return fork(parent, {.new_pid_ns = true}); }
  int fork_error(const Ref<Task>& parent, const ForkArgs& args = {}) {
    return kernel->reserve_fork(*parent, args).error_code();
  }
  void die(const Ref<Task>& task, int status = 0) {
    kernel->exit_task(*task, status);
    kernel->reap(task->group());
  }

  std::unique_ptr<Kernel> kernel;
  PidNamespace& root;
  Ref<Task> init;
};

inline KernelOptions pinned_options() {
  KernelOptions options;
  options.pin_level0 = true;
  return options;
}

// A Kernel whose level 0 belongs to a host.
class PinnedTest : public EngineTest {
 protected:
  PinnedTest() : EngineTest(pinned_options()) {}

  Ref<Task> container(Nr level0) {
    Ref<PidNamespace> ns = kernel->create_namespace(root).value();
    AdoptArgs args;
    args.level0 = level0;
    return kernel->adopt(*ns, args).value();
  }
};

}  // namespace warren::testing
