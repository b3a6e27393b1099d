#include <random>

#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;

// A machine of a few processors that its runnable tasks share evenly, and a tracer that ticks when
// it was told to, late by as much as it likes.
class Cpu : public testing::ControllerTest {
 protected:
  static constexpr std::uint64_t kStep = 500;  // microseconds

  Cpu() : ControllerTest(CpuSet(2, true)) {}

  // All of `spinning` want to run for so long.
  void simulate(std::uint64_t microseconds) {
    const std::uint64_t end = host.clock + microseconds;
    while (host.clock < end) {
      step();
      if (host.tick_ms == 0 || host.clock < last_tick + 1000u * host.tick_ms + late) continue;
      last_tick = host.clock;
      if (max_late != 0) late = random() % max_late;
      ++nr_ticks;
      groups->tick();
    }
  }
  void step() {
    std::vector<const Task*> running;
    for (const Ref<Task>& task : spinning) {
      if (task->alive() && host.freezes[task.get()] == 0) running.push_back(task.get());
    }
    const std::uint64_t nr_cpus = host.machine.size();
    for (const Task* task : running) {
      host.times[task].user += running.size() <= nr_cpus ? kStep : kStep * nr_cpus / running.size();
    }
    host.clock += kStep;
  }
  Ref<Task> spin_in(Group& group) {
    spinning.push_back(child_in(group));
    return spinning.back();
  }
  std::uint64_t used(const Ref<Task>& task) { return host.times[task.get()].user; }
  std::uint64_t used() {
    std::uint64_t sum = 0;
    for (const Ref<Task>& task : spinning) sum += used(task);
    return sum;
  }
  // What they use in ten seconds, as a share of one processor.
  double share() {
    const std::uint64_t before = used();
    simulate(10'000'000);
    return static_cast<double>(used() - before) / 10'000'000;
  }

  std::vector<Ref<Task>> spinning;
  std::uint64_t last_tick = 0;
  std::uint64_t late = 0;
  std::uint64_t max_late = 0;
  int nr_ticks = 0;
  std::mt19937 random{1};
};

TEST_F(Cpu, MaxIsReadAndWrittenAsInLinux) {
  EXPECT_EQ(read(root_group(), "cpu.max"), "errno " + std::to_string(ENOENT));
  Group& a = make("a");
  EXPECT_EQ(read(a, "cpu.max"), "max 100000\n");
  EXPECT_EQ(write(a, "cpu.max", "20000"), 0);
  EXPECT_EQ(read(a, "cpu.max"), "20000 100000\n");
  EXPECT_EQ(write(a, "cpu.max", "5000 \t 10000"), 0);
  EXPECT_EQ(read(a, "cpu.max"), "5000 10000\n");
  EXPECT_EQ(write(a, "cpu.max", "max"), 0);
  EXPECT_EQ(read(a, "cpu.max"), "max 10000\n");
  for (const char* text : {"", "x", "999", "-1", "1000 999", "1000 1000001", "1000 x",
                           "1000 1000 1", "1000x", "max max", "99999999999999999999"}) {
    EXPECT_EQ(write(a, "cpu.max", text), EINVAL) << text;
  }
  EXPECT_EQ(read(a, "cpu.max"), "max 10000\n");
}

TEST_F(Cpu, TheFilesOfVersion1AreTheSameLimit) {
  Group& a = make("a");
  EXPECT_EQ(read(a, "cpu.cfs_quota_us"), "-1\n");
  EXPECT_EQ(read(a, "cpu.cfs_period_us"), "100000\n");
  EXPECT_EQ(write(a, "cpu.cfs_quota_us", "50000"), 0);
  EXPECT_EQ(write(a, "cpu.cfs_period_us", "200000"), 0);
  EXPECT_EQ(read(a, "cpu.max"), "50000 200000\n");
  EXPECT_EQ(read(a, "cpu.cfs_quota_us"), "50000\n");
  for (const char* text : {"999", "0", "abc", ""}) {
    EXPECT_EQ(write(a, "cpu.cfs_quota_us", text), EINVAL) << text;
  }
  for (const char* text : {"999", "0", "1000001", "abc", "-1"}) {
    EXPECT_EQ(write(a, "cpu.cfs_period_us", text), EINVAL) << text;
  }
  EXPECT_EQ(write(a, "cpu.cfs_quota_us", "-5"), 0);
  EXPECT_EQ(read(a, "cpu.max"), "max 200000\n");
}

TEST_F(Cpu, WeightSharesAndNiceAreOneNumber) {
  Group& a = make("a");
  EXPECT_EQ(read(a, "cpu.weight"), "100\n");
  EXPECT_EQ(read(a, "cpu.shares"), "1024\n");
  EXPECT_EQ(read(a, "cpu.weight.nice"), "0\n");
  EXPECT_EQ(write(a, "cpu.weight", "50"), 0);
  EXPECT_EQ(read(a, "cpu.weight"), "50\n");
  EXPECT_EQ(read(a, "cpu.shares"), "512\n");
  EXPECT_EQ(read(a, "cpu.weight.nice"), "3\n");
  EXPECT_EQ(write(a, "cpu.weight.nice", "10"), 0);
  EXPECT_EQ(read(a, "cpu.shares"), "110\n");
  EXPECT_EQ(read(a, "cpu.weight"), "11\n");
  EXPECT_EQ(read(a, "cpu.weight.nice"), "10\n");
  EXPECT_EQ(write(a, "cpu.shares", "1"), 0);
  EXPECT_EQ(read(a, "cpu.shares"), "2\n");
  EXPECT_EQ(write(a, "cpu.shares", "999999"), 0);
  EXPECT_EQ(read(a, "cpu.shares"), "262144\n");
  EXPECT_EQ(write(a, "cpu.weight", "0"), ERANGE);
  EXPECT_EQ(write(a, "cpu.weight", "10001"), ERANGE);
  EXPECT_EQ(write(a, "cpu.weight", "x"), EINVAL);
  EXPECT_EQ(write(a, "cpu.weight.nice", "20"), ERANGE);
  EXPECT_EQ(write(a, "cpu.weight.nice", "-21"), ERANGE);
  EXPECT_EQ(write(a, "cpu.shares", "-1"), EINVAL);
  for (int weight = 1; weight <= 10000; ++weight) {
    ASSERT_EQ(write(a, "cpu.weight", std::to_string(weight)), 0);
    ASSERT_EQ(read(a, "cpu.weight"), std::to_string(weight) + "\n");
  }
}

TEST_F(Cpu, WeightBecomesANiceValue) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> one = child_in(a);
  const Ref<Task> two = child_in(b);
  const std::string first = " " + std::to_string(one->vnr());
  const std::string second = " " + std::to_string(two->vnr());
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(write(a, "cpu.weight", "50"), 0);
  EXPECT_EQ(host.take(), (Calls{"nice 3" + first, "nice 3" + second}));
  EXPECT_EQ(write(b, "cpu.weight", "50"), 0);
  EXPECT_EQ(host.take(), Calls{"nice 6" + second});
  EXPECT_EQ(read(b, "cpu.weight.effective"), "27\n");
  // Within the subtree a fork inherits; who comes and goes is told.
  const Ref<Task> child = child_of(two);
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(host.take(), Calls{"nice 3 " + std::to_string(child->vnr())});
  EXPECT_EQ(move(child, root_group()), 0);
  EXPECT_EQ(host.take(), Calls{"nice 0 " + std::to_string(child->vnr())});
}

TEST_F(Cpu, WeightThatTheHostRefusesIsNotInEffect) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  host.errors[task->vnr()] = EACCES;
  EXPECT_EQ(write(a, "cpu.weight", "1000"), 0);
  EXPECT_EQ(read(a, "cpu.weight"), "1000\n");
  EXPECT_EQ(read(a, "cpu.weight.effective"), "100\n");
}

TEST_F(Cpu, NobodyTicksWithoutALimit) {
  Group& a = make("a");
  spin_in(a);
  EXPECT_EQ(host.tick_ms, 0);
  EXPECT_EQ(write(a, "cpu.max", "20000"), 0);
  EXPECT_GT(host.tick_ms, 0);
  simulate(100'000);
  EXPECT_EQ(write(a, "cpu.max", "max"), 0);
  simulate(100'000);
  EXPECT_EQ(host.tick_ms, 0);
  EXPECT_EQ(host.freezes[spinning[0].get()], 0);
}

TEST_F(Cpu, OneSpinningTaskGetsItsQuota) {
  Group& a = make("a");
  spin_in(a);
  for (const auto& [text, wanted] : std::map<std::string, double>{{"20000 100000", 0.2},
                                                                  {"1000 100000", 0.01},
                                                                  {"50000 100000", 0.5},
                                                                  {"95000 100000", 0.95},
                                                                  {"5000 10000", 0.5},
                                                                  {"1000 1000000", 0.001},
                                                                  {"300000 1000000", 0.3},
                                                                  {"200000 100000", 1}}) {
    EXPECT_EQ(write(a, "cpu.max", text), 0);
    EXPECT_NEAR(share(), wanted, 0.02 * wanted + 0.0005) << text;
  }
}

TEST_F(Cpu, ManySpinningTasksShareTheQuota) {
  Group& a = make("a");
  for (int i = 0; i < 20; ++i) spin_in(a);
  for (const auto& [text, wanted] : std::map<std::string, double>{
           {"20000 100000", 0.2}, {"100000 100000", 1}, {"150000 100000", 1.5}}) {
    EXPECT_EQ(write(a, "cpu.max", text), 0);
    EXPECT_NEAR(share(), wanted, 0.02 * wanted) << text;
  }
}

TEST_F(Cpu, TheAverageHoldsThoughTicksComeLate) {
  Group& a = make("a");
  spin_in(a);
  spin_in(a);
  max_late = 30'000;
  EXPECT_EQ(write(a, "cpu.max", "20000 100000"), 0);
  EXPECT_NEAR(share(), 0.2, 0.01);
}

TEST_F(Cpu, LooksAreRare) {
  Group& a = make("a");
  spin_in(a);
  EXPECT_EQ(write(a, "cpu.max", "20000 100000"), 0);
  share();
  EXPECT_LT(nr_ticks, 10 * 10 * 5);
}

TEST_F(Cpu, TheTightestLimitRules) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("a/c");
  spin_in(b);
  spin_in(c);
  EXPECT_EQ(write(a, "cpu.max", "50000"), 0);
  EXPECT_EQ(write(b, "cpu.max", "10000"), 0);
  EXPECT_NEAR(share(), 0.5, 0.02);
  EXPECT_NEAR(static_cast<double>(used(spinning[0])) / 10'000'000, 0.1, 0.005);
  EXPECT_EQ(write(a, "cpu.max", "max"), 0);
  EXPECT_NEAR(share(), 1.1, 0.03);
}

TEST_F(Cpu, TasksThatEndAreCharged) {
  Group& a = make("a");
  const Ref<Task> parent = child_in(a);
  EXPECT_EQ(write(a, "cpu.max", "20000 100000"), 0);
  // Each works for 3 ms and ends.
  std::uint64_t worked = 0;
  while (host.clock < 10'000'000) {
    if (host.freezes[parent.get()] > 0) {
      simulate(1'000);
      continue;
    }
    spinning = {child_of(parent)};
    simulate(3'000);
    worked += used();
    end(spinning[0]);
  }
  EXPECT_NEAR(static_cast<double>(worked) / 10'000'000, 0.2, 0.01);
}

TEST_F(Cpu, FreezesBalance) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& free = make("free");
  const Ref<Task> task = spin_in(a);
  const Ref<Task> below = spin_in(b);
  EXPECT_EQ(write(a, "cpu.max", "10000 1000000"), 0);
  EXPECT_EQ(write(b, "cpu.max", "1000 1000000"), 0);
  simulate(100'000);
  EXPECT_EQ(host.freezes[task.get()], 1);
  EXPECT_EQ(host.freezes[below.get()], 1);
  // A child that a throttled group gets, by fork, by a new group, or by a move.
  const Ref<Task> child = child_of(below);
  EXPECT_EQ(host.freezes[child.get()], 1);
  Group& c = make("a/b/c");
  const Ref<Task> moved = child_in(c);
  EXPECT_EQ(host.freezes[moved.get()], 1);
  EXPECT_EQ(move(moved, free), 0);
  EXPECT_EQ(host.freezes[moved.get()], 0);
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(host.freezes[child.get()], 1);
  EXPECT_NE(read(a, "cpu.stat").find("nr_throttled 1\n"), std::string::npos);
  EXPECT_EQ(write(b, "cpu.max", "max"), 0);
  EXPECT_EQ(host.freezes[below.get()], 1);
  EXPECT_EQ(write(a, "cpu.max", "max"), 0);
  for (const Ref<Task>& each : living) EXPECT_EQ(host.freezes[each.get()], 0);
}

TEST_F(Cpu, ComposesWithTheFreezer) {
  Group& a = make("a");
  const Ref<Task> task = spin_in(a);
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  EXPECT_EQ(write(a, "cpu.max", "20000"), 0);
  simulate(1'000'000);
  EXPECT_EQ(used(task), 0u);
  EXPECT_EQ(host.freezes[task.get()], 1);
  EXPECT_EQ(write(a, "cgroup.freeze", "0"), 0);
  EXPECT_NEAR(share(), 0.2, 0.01);
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  simulate(50'000);
  EXPECT_EQ(write(a, "cpu.max", "max"), 0);
  EXPECT_EQ(host.freezes[task.get()], 1);
}

TEST_F(Cpu, WhatWasUsedBeforeTheLimitIsFree) {
  Group& a = make("a");
  const Ref<Task> task = spin_in(a);
  simulate(5'000'000);
  EXPECT_EQ(write(a, "cpu.max", "20000"), 0);
  EXPECT_NEAR(share(), 0.2, 0.01);
  // Nor does what was used elsewhere count, nor by somebody who ends before the first look.
  Group& b = make("b");
  EXPECT_EQ(write(b, "cpu.max", "20000"), 0);
  EXPECT_EQ(move(task, b), 0);
  EXPECT_NEAR(share(), 0.2, 0.01);
  Group& c = make("c");
  EXPECT_EQ(move(task, c), 0);
  simulate(1'000'000);
  EXPECT_EQ(write(c, "cpu.max", "20000"), 0);
  end(task);
  simulate(10'000);
  EXPECT_NE(read(c, "cpu.stat").find("nr_throttled 0\n"), std::string::npos);
}

TEST_F(Cpu, RemovedGroupsHaveNoLimit) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "cpu.max", "20000"), 0);
  EXPECT_TRUE(groups->remove(a));
  simulate(100'000);
  EXPECT_EQ(host.tick_ms, 0);
}

TEST_F(Cpu, StatCountsPeriods) {
  Group& a = make("a");
  spin_in(a);
  EXPECT_EQ(write(a, "cpu.max", "20000 100000"), 0);
  simulate(1'000'000);
  const std::string stat = read(a, "cpu.stat");
  EXPECT_NE(stat.find("nr_periods 10\nnr_throttled 10\nthrottled_usec 7"), std::string::npos)
      << stat;
}

TEST_F(Cpu, RandomMovesAndLimitsLeaveNobodyFrozen) {
  std::vector<Group*> places = {&root_group(), &make("a"), &make("a/b"), &make("a/b/c"),
                                &make("d")};
  for (int i = 0; i < 8; ++i) spin_in(*places[random() % places.size()]);
  for (int round = 0; round < 2000; ++round) {
    Group& group = *places[random() % places.size()];
    switch (random() % 6) {
      case 0:
        write(group, "cpu.max", std::to_string(1000 + random() % 50'000));
        break;
      case 1:
        write(group, "cpu.max", "max");
        break;
      case 2:
      case 3:
        EXPECT_EQ(move(spinning[random() % spinning.size()], group), 0);
        break;
      case 4: {
        const std::size_t at = random() % spinning.size();
        if (host.freezes[spinning[at].get()] > 0) break;
        const Ref<Task> child = child_of(spinning[at]);
        end(spinning[at]);
        spinning[at] = child;
        break;
      }
      default:
        simulate(1'000 * (random() % 40));
    }
    for (const Ref<Task>& each : spinning) {
      ASSERT_GE(host.freezes[each.get()], 0);
      ASSERT_LE(host.freezes[each.get()], 1);
    }
  }
  for (Group* group : places) write(*group, "cpu.max", "max");
  for (const Ref<Task>& each : spinning) EXPECT_EQ(host.freezes[each.get()], 0);
}

}  // namespace
}  // namespace warren
