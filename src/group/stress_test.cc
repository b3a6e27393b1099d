// Many threads at once: tasks fork, move and end, groups and hierarchies come and go, and readers
// follow task → proxy → state without a lock. Meant for ThreadSanitizer and AddressSanitizer as
// much as for its own checks.
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

// Subsystem without global notes: many threads call it, under the lock.
Result<std::unique_ptr<SubsystemState>> create_counting(Groups&, GroupHost&, SubsystemState*) {
  struct Quiet : SubsystemState {};
  return std::unique_ptr<SubsystemState>(new Quiet);
}

constexpr Subsystem kOne{.name = "one", .create = create_counting};
constexpr Subsystem kTwo{.name = "two", .create = create_counting};
constexpr Subsystem kThree{.name = "three", .create = create_counting};
constexpr const Subsystem* kAll[] = {&kOne, &kTwo, &kThree};

constexpr int kWriters = 2;
constexpr int kReaders = 2;
constexpr int kSteps = 8000;
constexpr std::size_t kShared = 16;

class GroupStressTest : public EngineTest {
 protected:
  GroupStressTest() : groups(std::move(*Groups::create(*kernel, host, kAll))) {
    EXPECT_TRUE(groups->adopt(*init));
    for (Ref<Task>& task : shared) task = init;
  }

  Ref<Task> pick(std::uint64_t random) {
    std::lock_guard guard(mutex);
    return shared[random % kShared];
  }
  void offer(std::uint64_t random, const Ref<Task>& task) {
    std::lock_guard guard(mutex);
    shared[random % kShared] = task;
  }

  void read(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop) {
      const Ref<Task> task = pick(random());
      ReadSection section;
      const TaskProxy* proxy = groups->proxy(*task, section);
      if (proxy == nullptr) continue;
      for (const Subsystem* subsystem : kAll) {
        SubsystemState* state = proxy->state(*subsystem);
        ASSERT_NE(state, nullptr);
        ASSERT_GE(state->group().depth(), 0);
        if (state->parent() != nullptr) {
          ASSERT_EQ(&state->parent()->groups(), groups.get());
        }
      }
      const Group* group = proxy->group(top->hierarchy());
      ASSERT_NE(group, nullptr);
      ASSERT_FALSE(group->path().empty());
    }
  }

  void write(std::uint64_t seed);
  void arrange(std::uint64_t seed);

  GroupHost host;
  std::unique_ptr<Groups> groups;
  GroupRef top = groups->default_root();
  std::mutex mutex;
  std::array<Ref<Task>, kShared> shared;
  std::atomic<bool> stop{false};
};

// Tasks of its own.
void GroupStressTest::write(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Ref<Task>> mine;
  for (int step = 0; step < kSteps; ++step) {
    const std::uint64_t choice = random() % 10;
    if (mine.empty() || (choice < 4 && mine.size() < 50)) {
      const Ref<Task> parent = mine.empty() ? init : mine[random() % mine.size()];
      const bool thread = !mine.empty() && random() % 3 == 0;
      Result<ForkMembership> membership = groups->begin_fork(*parent);
      ASSERT_TRUE(membership);
      if (random() % 8 == 0) continue;
      Ref<Task> child = fork(parent, {.thread = thread});
      groups->publish_fork(std::move(*membership), *child);
      offer(random(), child);
      mine.push_back(std::move(child));
    } else if (choice < 8) {
      const std::vector<GroupRef> all = groups->subtree(*top);
      Group& to = *all[random() % all.size()];
      const Ref<Task>& task = mine[random() % mine.size()];
      // The group may be gone by now.
      if (choice % 2 == 0) {
        (void)groups->move(to, {&task, 1});
      } else {
        (void)groups->move(to, task->group());
      }
      (void)groups->proc_cgroup(*task);
      (void)groups->read(to, "cgroup.procs", {});
    } else {
      const std::size_t at = random() % mine.size();
      const Ref<Task> task = mine[at];
      mine.erase(mine.begin() + static_cast<long>(at));
      groups->exit(*task);
      kernel->exit_task(*task, 0);
      kernel->reap(task->group());
      groups->release(*task);
    }
  }
  for (const Ref<Task>& task : mine) {
    groups->exit(*task);
    groups->release(*task);
    kernel->exit_task(*task, 0);
    kernel->reap(task->group());
  }
}

// Groups and hierarchies come and go.
void GroupStressTest::arrange(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (!stop) {
    const std::vector<GroupRef> all = groups->subtree(*top);
    Group& at = *all[random() % all.size()];
    switch (random() % 5) {
      case 0:
      case 1:
        if (all.size() < 12) (void)groups->make(at, "g" + std::to_string(random() % 4), {});
        break;
      case 2:
        (void)groups->remove(at);
        break;
      case 3:
        (void)groups->rename(at, "r" + std::to_string(random() % 4));
        break;
      default:
        if (Result<GroupRef> root_group =
                groups->mount(*MountOptions::parse(random() % 2 == 0 ? "none,name=x" : "two"))) {
          (void)groups->make(**root_group, "g", {});
          groups->unmount((*root_group)->hierarchy());
          if (GroupRef g = groups->find(**root_group, "g")) (void)groups->remove(*g);
        }
    }
  }
}

TEST_F(GroupStressTest, WritersAndReaders) {
  std::vector<std::thread> writers, others;
  for (std::uint64_t i = 0; i < kReaders; ++i) others.emplace_back([this, i] { read(100 + i); });
  others.emplace_back([this] { arrange(7); });
  for (std::uint64_t i = 0; i < kWriters; ++i) writers.emplace_back([this, i] { write(i); });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& other : others) other.join();
  shared = {};
  for (const TaskSnapshot& left : kernel->snapshot().tasks) {
    if (left.task == init) continue;
    kernel->exit_task(*left.task, 0);
    kernel->reap(*left.group);
  }
  EXPECT_EQ(groups->nr_proxies(), 1);
  EXPECT_EQ(groups->tasks(*top).size(), 1u);
  top = {};
}

}  // namespace
}  // namespace warren::testing
