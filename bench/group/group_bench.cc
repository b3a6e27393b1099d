// Speed and memory of task groups, side by side with a plain array of pointers in each task.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "group/core.h"
#include "group/plain_table.h"
#include "warren/groups.h"

namespace warren::bench {
namespace {

struct NoState : SubsystemState {};

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(new NoState);
}

constexpr const char* kNames[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

const std::array<Subsystem, kSubsystems>& subsystems() {
  static const auto all = [] {
    std::array<Subsystem, kSubsystems> made;
    for (std::size_t i = 0; i < kSubsystems; ++i) made[i] = {.name = kNames[i], .create = create};
    return made;
  }();
  return all;
}

// An engine with groups of ten subsystems that do nothing, and a task in each group.
struct World {
  explicit World(int nr_groups) {
    std::vector<const Subsystem*> pointers;
    for (const Subsystem& subsystem : subsystems()) pointers.push_back(&subsystem);
    groups = std::move(*Groups::create(*kernel, host, pointers));
    (void)groups->adopt(*init);
    for (int i = 0; i < nr_groups; ++i) {
      made.push_back(*groups->make(*groups->default_root(), "g" + std::to_string(i), {}));
      tasks.push_back(fork());
      (void)groups->move(*made.back(), {&tasks.back(), 1});
    }
  }
  ~World() {
    made.clear();
    groups.reset();
  }
  Ref<Task> bare_task() { return kernel->publish_fork(std::move(*kernel->reserve_fork(*init))); }
  Ref<Task> fork() {
    ForkMembership membership = std::move(*groups->begin_fork(*init));
    Ref<Task> child = bare_task();
    groups->publish_fork(std::move(membership), *child);
    return child;
  }

  std::unique_ptr<Kernel> kernel = std::move(*Kernel::create());
  Ref<Task> init = *kernel->adopt(kernel->root(), {});
  GroupHost host;
  std::unique_ptr<Groups> groups;
  std::vector<GroupRef> made;
  std::vector<Ref<Task>> tasks;
};

struct PlainWorld {
  explicit PlainWorld(int nr_groups) : made(static_cast<std::size_t>(nr_groups)) {
    for (PlainGroup& group : made) {
      for (SubsystemState*& state : group.states) {
        states.push_back(std::make_unique<NoState>());
        state = states.back().get();
      }
      table.adopt(group, tasks.emplace_back());
    }
  }
  PlainTable table;
  std::vector<std::unique_ptr<SubsystemState>> states;
  std::deque<PlainGroup> made;
  std::deque<PlainTask> tasks;
};

// task → proxy → state, in a read section, for tasks of all groups in turn.
void Lookup_Proxies(benchmark::State& state) {
  World world(static_cast<int>(state.range(0)));
  std::size_t at = 0;
  for (auto _ : state) {
    ReadSection section;
    benchmark::DoNotOptimize(world.groups->state(*world.tasks[at], subsystems()[7], section));
    if (++at == world.tasks.size()) at = 0;
  }
}
BENCHMARK(Lookup_Proxies)->Arg(1)->Arg(10)->Arg(1000);

void Lookup_Plain(benchmark::State& state) {
  PlainWorld world(static_cast<int>(state.range(0)));
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.tasks[at].states[7].load(std::memory_order_acquire));
    if (++at == world.tasks.size()) at = 0;
  }
}
BENCHMARK(Lookup_Plain)->Arg(1)->Arg(10)->Arg(1000);

// A child begins, is published, ends and is released, with parents in all groups in turn.
void ForkAndExit_Proxies(benchmark::State& state) {
  World world(static_cast<int>(state.range(0)));
  const Ref<Task> child = world.bare_task();
  std::size_t at = 0;
  for (auto _ : state) {
    ForkMembership membership = std::move(*world.groups->begin_fork(*world.tasks[at]));
    world.groups->publish_fork(std::move(membership), *child);
    world.groups->exit(*child);
    world.groups->release(*child);
    if (++at == world.tasks.size()) at = 0;
  }
}
BENCHMARK(ForkAndExit_Proxies)->Arg(1)->Arg(10)->Arg(1000);

void ForkAndExit_Plain(benchmark::State& state) {
  PlainWorld world(static_cast<int>(state.range(0)));
  PlainTask child;
  std::size_t at = 0;
  for (auto _ : state) {
    world.table.fork(world.tasks[at], child);
    world.table.exit(child);
    if (++at == world.tasks.size()) at = 0;
  }
}
BENCHMARK(ForkAndExit_Plain)->Arg(1)->Arg(10)->Arg(1000);

// Ten thousand tasks from one group to another and back, with so many groups around.
constexpr std::size_t kMoved = 10000;

void Move10000_Proxies(benchmark::State& state) {
  World world(static_cast<int>(state.range(0)));
  std::vector<Ref<Task>> tasks;
  for (std::size_t i = 0; i < kMoved; ++i) tasks.push_back(world.fork());
  bool there = false;
  for (auto _ : state) {
    there = !there;
    (void)world.groups->move(there ? *world.made[0] : *world.groups->default_root(), tasks);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kMoved));
}
BENCHMARK(Move10000_Proxies)->Arg(1)->Arg(1000)->Unit(benchmark::kMicrosecond);

void Move10000_Plain(benchmark::State& state) {
  PlainWorld world(static_cast<int>(state.range(0)) + 1);
  std::deque<PlainTask> tasks(kMoved);
  for (PlainTask& task : tasks) world.table.adopt(world.made[0], task);
  bool there = false;
  for (auto _ : state) {
    there = !there;
    for (PlainTask& task : tasks) world.table.move(world.made[there ? 1 : 0], task);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kMoved));
}
BENCHMARK(Move10000_Plain)->Arg(1)->Arg(1000)->Unit(benchmark::kMicrosecond);

double heap() { return static_cast<double>(mallinfo2().uordblks); }

// A million tasks in ten memberships: bytes that groups add to each, and proxies.
void MillionTasks_Proxies(benchmark::State& state) {
  for (auto _ : state) {
    World world(10);
    std::vector<Ref<Task>> tasks;
    tasks.reserve(1000000);
    for (int i = 0; i < 1000000; ++i) {
      const Ref<Task>& parent = world.tasks[static_cast<std::size_t>(i % 10)];
      ForkMembership membership = std::move(*world.groups->begin_fork(*parent));
      tasks.push_back(world.bare_task());
      world.groups->publish_fork(std::move(membership), *tasks.back());
    }
    state.counters["proxies"] = world.groups->nr_proxies() - 1;  // the root's
    state.counters["B/task"] = sizeof(Membership);
  }
}
BENCHMARK(MillionTasks_Proxies)->Iterations(1)->Unit(benchmark::kMillisecond);

void MemoryOfAGroup(benchmark::State& state) {
  for (auto _ : state) {
    World world(1);
    const double before = heap();
    constexpr int kGroups = 10000;
    for (int i = 0; i < kGroups; ++i) {
      world.made.push_back(
          *world.groups->make(*world.groups->default_root(), std::to_string(i), {}));
    }
    state.counters["B/group"] = (heap() - before) / kGroups;
    state.counters["B/proxy"] = sizeof(Proxy);
    state.counters["B/task"] = sizeof(Membership);
    state.counters["plain B/task"] = sizeof(PlainTask) + 3 * sizeof(void*);  // its list node
  }
}
BENCHMARK(MemoryOfAGroup)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace warren::bench
