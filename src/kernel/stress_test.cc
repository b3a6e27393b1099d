// Many threads at once: writers that build and tear down trees, readers that look things up without
// a lock. Meant for ThreadSanitizer and AddressSanitizer as much as for its own checks.
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>

#include "kernel/testing/engine_test.h"

namespace warren::testing {
namespace {

constexpr int kWriters = 3;
constexpr int kReaders = 2;
constexpr int kStepsOfAWriter = 20000;

class StressTest : public EngineTest {
 protected:
  // What is found is whole: a number at every level, a group, a session.
  void check_found(const PidNamespace& ns, Nr nr) {
    if (Ref<Pid> pid = kernel->find_pid(ns, nr)) {
      for (Nr number : pid->numbers()) ASSERT_GT(number, 0);
      ASSERT_NE(pid->ns(), nullptr);
    }
    if (Ref<Task> task = kernel->find_task(ns, nr)) {
      ASSERT_NE(task->pid(), nullptr);
      ASSERT_NE(task->pid_ns_for_children(), nullptr);
      ThreadGroup& group = task->group();
      ASSERT_NE(group.pgid(), nullptr);
      ASSERT_NE(group.sid(), nullptr);
      if (Ref<ThreadGroup> parent = group.parent()) {
        ASSERT_GT(parent->level0(), 0);
      }
      Kernel::init_protected(task.get(), group);
    }
    {
      ReadSection section;
      if (const Pid* pid = kernel->lookup_pid(ns, nr, section)) {
        ASSERT_GT(pid->level0(), 0);
      }
    }
  }

  void read(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop) {
      const PidNamespace& ns = random() % 2 == 0 ? root : *namespaces[random() % kWriters];
      check_found(ns, static_cast<Nr>(1 + random() % 600));
      if (random() % 512 == 0) {
        for (const TaskSnapshot& s : kernel->snapshot().tasks) ASSERT_FALSE(s.numbers.empty());
      }
    }
  }

  // Owns everything below one container's init.
  void write(std::uint64_t seed, const Ref<Task>& top);
  Ref<Task> act(std::mt19937_64& random, const Ref<Task>& task);

  std::vector<Ref<PidNamespace>> namespaces;
  std::atomic<bool> stop{false};
};

// One thing that `task` does; the child that comes of it, if any.
Ref<Task> StressTest::act(std::mt19937_64& random, const Ref<Task>& task) {
  switch (random() % 12) {
    case 0:
      (void)kernel->setpgid(*task, 0, 0);
      return nullptr;
    case 1:
      (void)kernel->setsid(task->group());
      return nullptr;
    case 2:
      (void)kernel->grow(task->group());
      return nullptr;
    case 3:
      (void)kernel->move(task->group(), *namespaces[random() % kWriters]);
      return nullptr;
    case 4:
      kernel->exec(*task);
      return nullptr;
    case 5:
      (void)kernel->unshare_pid(*task);
      return nullptr;
    case 6:
      (void)kernel->signal_targets(*task, random() % 2 == 0 ? 0 : -1);
      return nullptr;
    default: {
      ForkArgs args;
      args.thread = random() % 4 == 0;
      args.new_pid_ns = random() % 8 == 0;
      Result<ForkReservation> reservation = kernel->reserve_fork(*task, args);
      if (!reservation || random() % 8 == 0) return nullptr;
      return kernel->publish_fork(std::move(*reservation));
    }
  }
}

void StressTest::write(std::uint64_t seed, const Ref<Task>& top) {
  std::mt19937_64 random(seed);
  std::vector<Ref<Task>> mine = {top};
  for (int step = 0; step < kStepsOfAWriter; ++step) {
    const std::size_t at = random() % mine.size();
    if (mine.size() > 60 || (at != 0 && random() % 3 == 0)) {
      const std::size_t victim = at == 0 ? mine.size() - 1 : at;
      Ref<Task> task = mine[victim];
      mine.erase(mine.begin() + static_cast<long>(victim));
      kernel->exit_task(*task, 0);
      kernel->reap(task->group());
      continue;
    }
    if (at == 0) {
      mine.push_back(fork(top));
    } else if (Ref<Task> child = act(random, mine[at])) {
      mine.push_back(std::move(child));
    }
  }
  for (std::size_t i = mine.size(); i-- > 1;) {
    kernel->exit_task(*mine[i], 0);
    kernel->reap(mine[i]->group());
  }
}

TEST_F(StressTest, WritersAndReaders) {
  std::vector<Ref<Task>> tops;
  for (int i = 0; i < kWriters; ++i) {
    tops.push_back(child_in_new_ns(init));
    namespaces.push_back(tops.back()->ns());
  }
  std::vector<std::thread> writers, readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([this, i] { read(100 + static_cast<std::uint64_t>(i)); });
  }
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([this, i, &tops] {
      write(static_cast<std::uint64_t>(i), tops[static_cast<std::size_t>(i)]);
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  for (const Ref<Task>& top : tops) {
    kernel->exit_task(*top, 9);
    for (const Ref<ThreadGroup>& group : kernel->begin_zap(*top->ns())) {
      for (const Ref<Task>& task : group->threads()) kernel->exit_task(*task, 9);
    }
  }
  // Whatever was dropped by exec or left as zombie.
  for (const TaskSnapshot& s : kernel->snapshot().tasks) {
    if (s.group != &init->group()) {
      kernel->exit_task(*s.task, 9);
      kernel->reap(*s.group);
    }
  }
  EXPECT_EQ(kernel->snapshot().tasks.size(), 1u);
  EXPECT_EQ(root.nr_pids(), 1);
  EXPECT_EQ(root.nr_visible_tasks(), 1);
}

// Several threads fork as fast as they can from whatever lives in a namespace, at two depths, while
// its init dies. Nothing may be left, and nothing may be made afterwards.
TEST_F(StressTest, ZapUnderAForkStorm) {
  for (int round = 0; round < 20; ++round) {
    Ref<Task> top = child_in_new_ns(init);
    Ref<PidNamespace> ns = top->ns();
    Ref<Task> inner = child_in_new_ns(top);
    std::vector<std::thread> storm;
    storm.reserve(3);
    std::atomic<int> made{0};
    for (int i = 0; i < 3; ++i) {
      storm.emplace_back([&, i] {
        Ref<Task> parent = i == 0 ? inner : top;
        while (true) {
          Result<ForkReservation> reservation = kernel->reserve_fork(*parent);
          if (!reservation) {
            EXPECT_EQ(reservation.error_code(), ENOMEM);
            return;
          }
          Ref<Task> child = kernel->publish_fork(std::move(*reservation));
          if (++made % 7 == 0) parent = child;
        }
      });
    }
    while (made < 100) std::this_thread::yield();
    ExitResult result = kernel->exit_task(*top, 9);
    EXPECT_EQ(result.dying.size(), 1u);
    while (!kernel->zap_complete(*ns)) {
      for (const Ref<ThreadGroup>& group : kernel->begin_zap(*ns)) {
        for (const Ref<Task>& task : group->threads()) kernel->exit_task(*task, 9);
        kernel->reap(*group);
      }
    }
    for (std::thread& thread : storm) thread.join();
    kernel->reap(top->group());
    EXPECT_EQ(ns->nr_pids(), 0);
    EXPECT_EQ(ns->nr_visible_tasks(), 0);
    EXPECT_EQ(root.nr_visible_tasks(), 1);
  }
}

}  // namespace
}  // namespace warren::testing
