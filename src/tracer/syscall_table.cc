#include "tracer/syscall_table.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "tracer/handlers.h"

namespace warren {

namespace {

std::vector<SyscallEntry> sorted_table() {
  std::vector<SyscallEntry> table = {
#define SYSCALL(name, way, condition, handler) {SYS_##name, #name, Way::way, condition, handler, 0},
#define REFUSE(name, condition, error) {SYS_##name, #name, Way::kRefuse, condition, nullptr, error},
#include "tracer/syscalls.def"
#undef SYSCALL
#undef REFUSE
  };
  std::stable_sort(table.begin(), table.end(),
                   [](const SyscallEntry& a, const SyscallEntry& b) { return a.nr < b.nr; });
  return table;
}

const std::vector<SyscallEntry>& table() {
  static const std::vector<SyscallEntry> sorted = sorted_table();
  return sorted;
}

constexpr int kMaxNr = 1024;

using Index = std::array<const SyscallEntry*, kMaxNr>;

Index index_by_way(Way way) {
  Index index{};
  for (const SyscallEntry& entry : table()) {
    if (entry.way == way && entry.nr < kMaxNr && !index[entry.nr]) index[entry.nr] = &entry;
  }
  return index;
}

}  // namespace

std::span<const SyscallEntry> syscall_table() { return table(); }

const SyscallEntry* find_syscall(int nr, Way way) {
  static const Index ptrace = index_by_way(Way::kPtrace);
  static const Index notify = index_by_way(Way::kNotify);
  if (nr < 0 || nr >= kMaxNr) return nullptr;
  return (way == Way::kPtrace ? ptrace : notify)[nr];
}

}  // namespace warren
