#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;
constexpr std::uint64_t kMega = 1 << 20;

class Memory : public testing::ControllerTest {
 protected:
  void use(const Ref<Task>& task, std::uint64_t megabytes) {
    host.rough[&task->group()].anon = megabytes * kMega;
  }
  void tick() {
    EXPECT_NE(host.tick_ms, 0);
    host.clock += 1000u * host.tick_ms;
    groups->tick();
  }
  std::string kill_of(const Ref<Task>& task) { return "kill 9 " + std::to_string(task->vnr()); }
  std::string events(int max, int oom, int kills, int group_kills = 0) {
    return "max " + std::to_string(max) + "\noom " + std::to_string(oom) + "\noom_kill " +
           std::to_string(kills) + "\noom_group_kill " + std::to_string(group_kills) + "\n";
  }
};

TEST_F(Memory, LimitsAreReadAndWrittenAsInLinux) {
  EXPECT_EQ(read(root_group(), "memory.max"), "errno " + std::to_string(ENOENT));
  Group& a = make("a");
  EXPECT_EQ(read(a, "memory.max"), "max\n");
  EXPECT_EQ(read(a, "memory.limit_in_bytes"), "9223372036854771712\n");
  for (const auto& [text, value] :
       std::map<std::string, std::string>{{"4097", "4096"},
                                          {"1K", "0"},
                                          {"4k", "4096"},
                                          {"1M", "1048576"},
                                          {"1m", "1048576"},
                                          {"0x1000", "4096"},
                                          {"0x10E", "0"},
                                          {"010000", "4096"},
                                          {"1G", "1073741824"},
                                          {"1T", "1099511627776"},
                                          {"2P", "2251799813685248"},
                                          {"1E", "1152921504606846976"},
                                          {"18446744073709551615", "max"},
                                          {"max", "max"}}) {
    EXPECT_EQ(write(a, "memory.max", text), 0) << text;
    EXPECT_EQ(read(a, "memory.max"), value + "\n") << text;
  }
  for (const char* text : {"", "-1", "-2", "abc", "1GB", "K", "1 K", "1.5G"}) {
    EXPECT_EQ(write(a, "memory.max", text), EINVAL) << text;
  }
  EXPECT_EQ(write(a, "memory.max", "16E"), ERANGE);
  EXPECT_EQ(write(a, "memory.limit_in_bytes", "3M"), 0);
  EXPECT_EQ(read(a, "memory.max"), "3145728\n");
  EXPECT_EQ(write(a, "memory.limit_in_bytes", "max"), EINVAL);
  EXPECT_EQ(write(a, "memory.limit_in_bytes", "-1"), 0);
  EXPECT_EQ(read(a, "memory.max"), "max\n");
  for (const char* text : {"", "x", "2"}) {
    EXPECT_EQ(write(a, "memory.oom.group", text), EINVAL) << text;
  }
}

TEST_F(Memory, SumsProcessesNotThreads) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> one = child_in(a);
  const Ref<Task> thread = child_of(one, {.thread = true});
  const Ref<Task> two = child_in(b);
  use(one, 10);
  use(two, 5);
  EXPECT_EQ(read(a, "memory.current"), std::to_string(15 * kMega) + "\n");
  EXPECT_EQ(read(a, "memory.usage_in_bytes"), std::to_string(15 * kMega) + "\n");
  EXPECT_EQ(read(b, "memory.current"), std::to_string(5 * kMega) + "\n");
  // A thread elsewhere takes nothing along, unless the first thread has ended.
  EXPECT_EQ(move(thread, b), 0);
  EXPECT_EQ(read(b, "memory.current"), std::to_string(5 * kMega) + "\n");
  exit(one);
  EXPECT_EQ(read(b, "memory.current"), std::to_string(15 * kMega) + "\n");
  EXPECT_EQ(read(a, "memory.current"), std::to_string(15 * kMega) + "\n");
}

TEST_F(Memory, StatTellsKindsApart) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  host.rough[&task->group()] = {.anon = 1000, .file = 200, .shmem = 30, .swap = 100};
  EXPECT_EQ(read(a, "memory.stat"), "anon 900\nfile 230\nshmem 30\nfile_mapped 230\n");
  EXPECT_EQ(read(a, "memory.current"), "1030\n");
  EXPECT_EQ(read(a, "memory.swap.current"), "100\n");
}

TEST_F(Memory, PeakIsKeptAndReset) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  use(task, 8);
  EXPECT_EQ(read(a, "memory.peak"), std::to_string(8 * kMega) + "\n");
  use(task, 2);
  EXPECT_EQ(read(a, "memory.peak"), std::to_string(8 * kMega) + "\n");
  EXPECT_EQ(write(a, "memory.peak", "0"), EACCES);
  EXPECT_EQ(write(a, "memory.max_usage_in_bytes", "0"), 0);
  EXPECT_EQ(read(a, "memory.max_usage_in_bytes"), std::to_string(2 * kMega) + "\n");
  // With a limit somebody looks from time to time.
  EXPECT_EQ(write(a, "memory.max", "1G"), 0);
  use(task, 20);
  tick();
  use(task, 3);
  tick();
  EXPECT_EQ(read(a, "memory.peak"), std::to_string(20 * kMega) + "\n");
}

TEST_F(Memory, TheLargestProcessDiesOnce) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("c");
  const Ref<Task> small = child_in(a);
  const Ref<Task> large = child_in(b);
  const Ref<Task> outside = child_in(c);
  use(small, 10);
  use(large, 30);
  use(outside, 1000);
  EXPECT_EQ(write(a, "memory.max", "50M"), 0);
  tick();
  EXPECT_EQ(host.take(), Calls{});
  use(small, 25);
  const std::uint64_t seen = groups->file_generation(a, "memory.events");
  tick();
  EXPECT_EQ(host.take(), Calls{kill_of(large)});
  EXPECT_EQ(read(a, "memory.events"), events(1, 1, 1));
  EXPECT_EQ(read(b, "memory.events"), events(0, 0, 1));
  EXPECT_EQ(read(a, "memory.failcnt"), "1\n");
  EXPECT_NE(groups->file_generation(a, "memory.events"), seen);
  // It is not gone yet; nobody else has to die meanwhile.
  tick();
  EXPECT_EQ(host.take(), Calls{});
  end(large);
  tick();
  EXPECT_EQ(host.take(), Calls{});
  use(small, 60);
  tick();
  EXPECT_EQ(host.take(), Calls{kill_of(small)});
  EXPECT_EQ(read(a, "memory.events"), events(2, 2, 2));
  EXPECT_EQ(write(a, "memory.failcnt", "0"), 0);
  EXPECT_EQ(read(a, "memory.failcnt"), "0\n");
}

TEST_F(Memory, LimitsHoldForAllBelow) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("a/c");
  const Ref<Task> one = child_in(b);
  const Ref<Task> two = child_in(c);
  use(one, 30);
  use(two, 40);
  EXPECT_EQ(write(a, "memory.max", "100M"), 0);
  EXPECT_EQ(write(b, "memory.max", "20M"), 0);
  tick();
  EXPECT_EQ(host.take(), Calls{kill_of(one)});
  EXPECT_EQ(read(a, "memory.events"), events(1, 1, 1));
  EXPECT_EQ(read(b, "memory.events"), events(1, 1, 1));
  EXPECT_EQ(read(c, "memory.events"), events(0, 0, 0));
}

TEST_F(Memory, OomGroupKillsAllOfTheTopmost) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("a/b/c");
  const Ref<Task> bystander = child_in(a);
  const Ref<Task> one = child_in(b);
  const Ref<Task> two = child_in(c);
  use(bystander, 1);
  use(one, 2);
  use(two, 30);
  EXPECT_EQ(write(b, "memory.oom.group", "1"), 0);
  EXPECT_EQ(write(c, "memory.oom.group", "1"), 0);
  EXPECT_EQ(write(a, "memory.max", "20M"), 0);
  tick();
  EXPECT_EQ(host.take_sorted(), (std::multiset<std::string>{kill_of(one), kill_of(two)}));
  EXPECT_EQ(read(a, "memory.events"), events(1, 1, 2, 1));
  EXPECT_EQ(read(b, "memory.events"), events(0, 0, 2, 1));
  EXPECT_EQ(read(c, "memory.events"), events(0, 0, 1));
}

TEST_F(Memory, WhatIsSharedCountsOnce) {
  Group& a = make("a");
  const Ref<Task> one = child_in(a);
  const Ref<Task> two = child_in(a);
  use(one, 40);
  use(two, 40);
  host.shares[&one->group()].anon = 20 * kMega;
  host.shares[&two->group()].anon = 20 * kMega;
  EXPECT_EQ(write(a, "memory.max", "50M"), 0);
  tick();
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(read(a, "memory.events"), events(0, 0, 0));
  EXPECT_EQ(read(a, "memory.peak"), std::to_string(40 * kMega) + "\n");
  host.shares[&two->group()].anon = 31 * kMega;
  tick();
  EXPECT_EQ(host.take(), Calls{kill_of(two)});
}

TEST_F(Memory, IsLookedAtCloselyOnlyWhenItMatters) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  use(task, 10);
  EXPECT_EQ(write(a, "memory.max", "10G"), 0);
  for (int i = 0; i < 10; ++i) tick();
  EXPECT_EQ(host.shares_asked, 1);
  EXPECT_EQ(host.tick_ms, 100);
  // Looks are closer together where the limit is near.
  EXPECT_EQ(write(a, "memory.max", "100M"), 0);
  tick();
  EXPECT_EQ(host.tick_ms, 24);
  use(task, 99);
  tick();
  EXPECT_EQ(host.tick_ms, 5);
  EXPECT_EQ(write(a, "memory.max", "max"), 0);
  tick();
  EXPECT_EQ(host.tick_ms, 0);
}

TEST_F(Memory, RemovedGroupsHaveNoLimit) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "memory.max", "1M"), 0);
  EXPECT_TRUE(groups->remove(a));
  tick();
  EXPECT_EQ(host.tick_ms, 0);
}

TEST_F(Memory, EmptyGroupsAreNeverOutOfMemory) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "memory.max", "0"), 0);
  tick();
  EXPECT_EQ(read(a, "memory.events"), events(0, 0, 0));
  use(child_in(a), 1);
  tick();
  EXPECT_EQ(read(a, "memory.events"), events(1, 1, 1));
}

}  // namespace
}  // namespace warren
