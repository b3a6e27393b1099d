// Speed of the engine, side by side with a naive table and with the seeds' bitmap.
#include <benchmark/benchmark.h>

#include <random>

#include "engine/tables.h"

namespace warren::bench {
namespace {

constexpr Nr kPidMax = 1 << 20;

// A pid of `levels` levels made and freed, in a table with some hundred others.
template <typename Table>
void AllocateFree(benchmark::State& state) {
  Table table(static_cast<int>(state.range(0)), kPidMax);
  std::vector<typename Table::Handle> others;
  for (int i = 0; i < 300; ++i) others.push_back(table.allocate());
  for (auto _ : state) table.free(table.allocate());
  for (auto pid : others) table.free(pid);
}
BENCHMARK_TEMPLATE(AllocateFree, EngineTable)->Arg(1)->Arg(2)->Arg(4)->Arg(8);
BENCHMARK_TEMPLATE(AllocateFree, MapTable)->Arg(1)->Arg(2)->Arg(4)->Arg(8);
BENCHMARK_TEMPLATE(AllocateFree, PidmapTable)->Arg(1)->Arg(2)->Arg(4)->Arg(8);

// The same at level 0 with 99.9 % of a million numbers taken, the free ones strewn at random.
template <typename Table>
void AllocateFreeNearlyFull(benchmark::State& state) {
  Table table(1, kPidMax);
  std::mt19937 random(1);
  for (Nr nr = 1; nr < kPidMax; ++nr) {
    if (random() % 1000 != 0) table.occupy(nr);
  }
  for (auto _ : state) table.free(table.allocate());
}
BENCHMARK_TEMPLATE(AllocateFreeNearlyFull, EngineTable);
BENCHMARK_TEMPLATE(AllocateFreeNearlyFull, MapTable);
BENCHMARK_TEMPLATE(AllocateFreeNearlyFull, PidmapTable);

// A number looked up among `range` pids; hot: sixteen of them again and again.
template <typename Table>
struct Lookup {
  static Table& table(int pids) {
    static std::map<int, Table*> tables;  // kept to the end of the program
    Table*& table = tables[pids];
    if (table == nullptr) {
      table = new Table(1, kPidMax);
      for (int i = 0; i < pids; ++i) table->allocate();
    }
    return *table;
  }
};

template <typename Table>
void LookupHot(benchmark::State& state) {
  static Table* shared;
  if (state.thread_index() == 0) shared = &Lookup<Table>::table(static_cast<int>(state.range(0)));
  Nr nr = 0;
  for (auto _ : state) {
    nr = (nr + 1) & 15;
    benchmark::DoNotOptimize(shared->find(1 + nr * (static_cast<Nr>(state.range(0)) / 16)));
  }
}
BENCHMARK_TEMPLATE(LookupHot, EngineTable)->Arg(300)->Arg(30000)->Arg(1000000)->ThreadRange(1, 2);
BENCHMARK_TEMPLATE(LookupHot, MapTable)->Arg(300)->Arg(30000)->Arg(1000000)->ThreadRange(1, 2);
BENCHMARK_TEMPLATE(LookupHot, PidmapTable)->Arg(300)->Arg(30000)->ThreadRange(1, 2);

template <typename Table>
void LookupRandom(benchmark::State& state) {
  Table& table = Lookup<Table>::table(static_cast<int>(state.range(0)));
  std::uint32_t random = 1;
  for (auto _ : state) {
    random = random * 1664525u + 1013904223u;
    const auto nr = static_cast<Nr>(
        (static_cast<std::uint64_t>(random) * static_cast<std::uint64_t>(state.range(0))) >> 32);
    benchmark::DoNotOptimize(table.find(1 + nr));
  }
}
BENCHMARK_TEMPLATE(LookupRandom, EngineTable)->Arg(30000)->Arg(1000000);
BENCHMARK_TEMPLATE(LookupRandom, MapTable)->Arg(30000)->Arg(1000000);

// With a reference of the caller's own: two atomic operations on the pid more.
void LookupWithReference(benchmark::State& state) {
  EngineTable& table = Lookup<EngineTable>::table(30000);
  Nr nr = static_cast<Nr>(state.thread_index()) * 64;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.find_ref(1 + nr));
    nr = (nr + 1) & 127;
  }
}
BENCHMARK(LookupWithReference)->ThreadRange(1, 2);

// A whole life through the public interface: reserve, publish, exit, reap.
void ForkExitReap(benchmark::State& state) {
  auto kernel = std::move(Kernel::create()).value();
  Ref<Task> parent = kernel->adopt(kernel->root(), {}).value();
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    parent = kernel->publish_fork(
        std::move(kernel->reserve_fork(*parent, {.new_pid_ns = true})).value());
  }
  for (auto _ : state) {
    Ref<Task> child = kernel->publish_fork(std::move(kernel->reserve_fork(*parent)).value());
    kernel->exit_task(*child, 0);
    kernel->reap(child->group());
  }
}
BENCHMARK(ForkExitReap)->Arg(1)->Arg(2)->Arg(8);

}  // namespace
}  // namespace warren::bench
