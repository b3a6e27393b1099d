// Memory of the engine, as counters of one-shot benchmarks.
#include <benchmark/benchmark.h>

#include <cstdio>

#include "engine/tables.h"

namespace warren::bench {
namespace {

double resident_bytes() {
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * 4096;
}

// Bytes of the object itself, and of one more level.
void BytesOfAPid(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sizeof(kernel::PidImpl));
  const std::size_t level = sizeof(kernel::Upid);
  const std::size_t slot = sizeof(kernel::PidNode) / 64 + 1;  // in a dense tree
  state.counters["pid"] = static_cast<double>(kernel::PidImpl::bytes(0) - level);
  state.counters["level"] = static_cast<double>(level + slot);
}
BENCHMARK(BytesOfAPid)->Iterations(1);

// A namespace with one pid in it, all that the engine takes for both.
void BytesOfAFreshNamespace(benchmark::State& state) {
  for (auto _ : state) {
    EngineTable table(1, 1 << 22);
    constexpr int kCount = 100000;
    std::vector<std::pair<kernel::NamespaceImpl*, kernel::PidImpl*>> made;
    made.reserve(kCount);
    const std::size_t before = table.footprint();
    for (int i = 0; i < kCount; ++i) {
      kernel::NamespaceImpl* ns = table.new_namespace(table.innermost());
      made.emplace_back(ns, table.allocate_in(ns));
    }
    state.counters["bytes"] = static_cast<double>(table.footprint() - before) / kCount;
    for (auto [ns, pid] : made) {
      table.free(pid);
      ns->release();
    }
  }
}
BENCHMARK(BytesOfAFreshNamespace)->Iterations(1)->Unit(benchmark::kMillisecond);

// One million namespaces with ten pids each.
void MillionNamespacesTenMillionPids(benchmark::State& state) {
  for (auto _ : state) {
    EngineTable table(1, 1 << 24);
    constexpr std::size_t kNamespaces = 1000000;
    constexpr std::size_t kPids = 10;
    std::vector<kernel::NamespaceImpl*> namespaces(kNamespaces);
    std::vector<kernel::PidImpl*> pids(kNamespaces * kPids);
    const double before = resident_bytes();
    for (std::size_t i = 0; i < kNamespaces; ++i) {
      namespaces[i] = table.new_namespace(table.innermost());
      for (std::size_t j = 0; j < kPids; ++j) {
        pids[i * kPids + j] = table.allocate_in(namespaces[i]);
      }
    }
    state.counters["resident_GB"] = (resident_bytes() - before) / 1e9;
    state.counters["footprint_GB"] = static_cast<double>(table.footprint()) / 1e9;
    state.PauseTiming();
    for (kernel::PidImpl* pid : pids) table.free(pid);
    for (kernel::NamespaceImpl* ns : namespaces) ns->release();
    state.ResumeTiming();
  }
}
BENCHMARK(MillionNamespacesTenMillionPids)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace warren::bench
