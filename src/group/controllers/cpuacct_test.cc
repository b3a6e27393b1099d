#include "group/controllers/controller_test.h"

namespace warren {
namespace {

class Cpuacct : public testing::ControllerTest {
 protected:
  // Microseconds more.
  void run(const Ref<Task>& task, std::uint64_t user, std::uint64_t system = 0) {
    host.times[task.get()].user += user;
    host.times[task.get()].system += system;
  }
  std::string usage(Group& group) { return read(group, "cpuacct.usage"); }
};

TEST_F(Cpuacct, SumsTheLivingAndTheDead) {
  Group& a = make("a");
  EXPECT_EQ(usage(a), "0\n");
  const Ref<Task> one = child_in(a);
  const Ref<Task> two = child_of(one);
  run(one, 1'000'000, 250'000);
  run(two, 3'000);
  EXPECT_EQ(usage(a), "1253000000\n");
  EXPECT_EQ(read(a, "cpuacct.usage_user"), "1003000000\n");
  EXPECT_EQ(read(a, "cpuacct.usage_sys"), "250000000\n");
  EXPECT_EQ(read(a, "cpuacct.stat"), "user 100\nsystem 25\n");
  exit(two);
  EXPECT_EQ(usage(a), "1253000000\n");
  reap(two);
  EXPECT_EQ(usage(a), "1253000000\n");
  end(one);
  EXPECT_EQ(usage(a), "1253000000\n");
}

TEST_F(Cpuacct, CountsWhatIsBelowEvenWhenItWasRemoved) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> task = child_in(b);
  run(task, 5);
  EXPECT_EQ(usage(b), "5000\n");
  EXPECT_EQ(usage(a), "5000\n");
  EXPECT_EQ(usage(root_group()), "5000\n");
  end(task);
  EXPECT_TRUE(groups->remove(b));
  EXPECT_EQ(usage(a), "5000\n");
}

TEST_F(Cpuacct, AMoveTakesOnlyTheFutureAlong) {
  Group& a = make("a");
  Group& b = make("b");
  const Ref<Task> task = child_in(a);
  run(task, 100, 10);
  EXPECT_EQ(move(task, b), 0);
  EXPECT_EQ(usage(a), "110000\n");
  EXPECT_EQ(usage(b), "0\n");
  run(task, 7, 1);
  EXPECT_EQ(usage(a), "110000\n");
  EXPECT_EQ(usage(b), "8000\n");
  EXPECT_EQ(read(b, "cpuacct.tasks"), std::to_string(task->vnr()) + " 7 1\n");
  EXPECT_EQ(move(task, a), 0);
  run(task, 1000);
  end(task);
  EXPECT_EQ(usage(a), "1110000\n");
  EXPECT_EQ(usage(b), "8000\n");
}

TEST_F(Cpuacct, CanBeSetToZero) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  run(task, 20'000);
  for (const char* text : {"", "1", "x", "-0"}) {
    EXPECT_EQ(write(a, "cpuacct.usage", text), EINVAL) << text;
  }
  EXPECT_EQ(write(a, "cpuacct.usage", "0"), 0);
  EXPECT_EQ(usage(a), "0\n");
  run(task, 3);
  EXPECT_EQ(usage(a), "3000\n");
  EXPECT_EQ(read(a, "cpuacct.stat"), "user 2\nsystem 0\n");
  EXPECT_EQ(usage(root_group()), "20003000\n");
}

TEST_F(Cpuacct, ShowsTasksAsTheCallerNumbersThem) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  const Ref<Task> inner = child_of(task, {.new_pid_ns = true});
  run(task, 1);
  run(inner, 2, 3);
  GroupCaller caller;
  caller.ns = inner->ns();
  EXPECT_EQ(*groups->read(a, "cpuacct.tasks", caller), "1 2 3\n");
  EXPECT_EQ(read(a, "cpuacct.tasks"),
            std::to_string(task->level0()) + " 1 0\n" + std::to_string(inner->level0()) + " 2 3\n");
}

TEST_F(Cpuacct, TimeIsShownByCpuStatToo) {
  Group& a = make("a");
  run(child_in(a), 70, 7);
  EXPECT_EQ(read(a, "cpu.stat"),
            "usage_usec 77\nuser_usec 70\nsystem_usec 7\nnr_periods 0\nnr_throttled 0\n"
            "throttled_usec 0\n");
}

TEST_F(Cpuacct, CpuStatHasNoTimeInAnotherHierarchy) {
  const GroupRef cpu = groups->mount(MountOptions::parse("cpu").value()).value();
  EXPECT_EQ(read(*cpu, "cpu.stat"), "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
  groups->unmount(cpu->hierarchy());
}

}  // namespace
}  // namespace warren
