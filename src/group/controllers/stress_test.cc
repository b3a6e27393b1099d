// All controllers at once, by many threads: what the sanitizers look at.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "kernel/testing/engine_test.h"
#include "warren/groups.h"

namespace warren {
namespace {

// Tasks that use time and memory whenever they are asked.
class BusyHost : public GroupHost {
 public:
  CpuSet cpus() override { return CpuSet(2, true); }
  CpuTime cpu_time(Task&) override { return {clock_.fetch_add(300), 10}; }
  MemoryUse memory(ThreadGroup&) override { return {.anon = clock_.load() % 100'000'000}; }
  std::uint64_t now() override { return clock_.fetch_add(700); }

 private:
  std::atomic<std::uint64_t> clock_{0};
};

class ControllerStress : public testing::EngineTest {
 protected:
  static constexpr int kRounds = 1'000;

  ControllerStress() : groups(std::move(Groups::create(*kernel, host)).value()) {
    EXPECT_TRUE(groups->adopt(*init));
    GroupRef parent = groups->default_root();
    for (GroupRef& place : places) {
      parent = place = groups->make(*parent, "g", {}).value();
      EXPECT_TRUE(groups->make(*place, "kept", {}));  // so that nobody can remove the place
    }
  }
  ~ControllerStress() override {
    kernel->exit_task(*init, 0);
    groups->exit(*init);
    kernel->reap(init->group());
    groups->release(*init);
  }

  // Children of init that move about and end.
  void live(unsigned seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < kRounds; ++round) {
      Result<ForkMembership> membership = groups->begin_fork(*init);
      if (!membership) continue;
      const Ref<Task> child = fork(init);
      groups->publish_fork(std::move(*membership), *child);
      for (int moves = 0; moves < 3; ++moves) {
        (void)groups->move(*places[random() % places.size()], child->group()).ok();
      }
      (void)groups->unshare(*child, 0x24000000, "ns").ok();
      const GroupRef last = groups->group_of(*child, places[0]->hierarchy());
      kernel->exit_task(*child, 0);
      groups->exit(*child);
      kernel->reap(child->group());
      groups->release(*child);
      (void)groups->remove(*last).ok();  // EBUSY: one of `places`, or the other thread's child
    }
  }
  void set(unsigned seed) {
    static constexpr std::array<std::array<const char*, 2>, 9> kSettings = {{
        {"cpu.max", "1000 100000"},
        {"cpu.max", "max"},
        {"cpu.weight", "50"},
        {"cpu.weight", "100"},
        {"memory.max", "10M"},
        {"memory.max", "max"},
        {"memory.oom.group", "1"},
        {"cpuacct.usage", "0"},
        {"uts.nodename", "name"},
    }};
    std::mt19937 random(seed);
    for (int round = 0; round < kRounds; ++round) {
      const auto& [file, text] = kSettings[random() % kSettings.size()];
      EXPECT_TRUE(groups->write(*places[random() % places.size()], file, text, {})) << file;
    }
  }
  void look(unsigned seed) {
    static constexpr std::array kFiles = {"cpuacct.usage", "cpuacct.tasks",  "cpu.stat",
                                          "cpu.max",       "memory.current", "memory.events",
                                          "memory.stat",   "uts.nodename",   "pid.last"};
    std::mt19937 random(seed);
    for (int round = 0; round < kRounds; ++round) {
      const char* file = kFiles[random() % kFiles.size()];
      EXPECT_TRUE(groups->read(*places[random() % places.size()], file, {})) << file;
    }
  }

  BusyHost host;
  std::unique_ptr<Groups> groups;
  std::array<GroupRef, 4> places;  // each in the one before
};

TEST_F(ControllerStress, AllAtOnce) {
  std::atomic<bool> done{false};
  std::thread ticker([&] {
    while (!done) groups->tick();
  });
  std::vector<std::thread> threads;
  threads.emplace_back([&] { live(1); });
  threads.emplace_back([&] { live(2); });
  threads.emplace_back([&] { set(3); });
  threads.emplace_back([&] { look(4); });
  for (std::thread& thread : threads) thread.join();
  done = true;
  ticker.join();
}

}  // namespace
}  // namespace warren
