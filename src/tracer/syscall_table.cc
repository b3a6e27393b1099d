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
    const Way as = entry.way == Way::kNotifyFirst ? Way::kPtrace : entry.way;
    if (as == way && entry.nr < kMaxNr && !index[entry.nr]) index[entry.nr] = &entry;
  }
  return index;
}

Index index_of_first() {
  Index index{};
  for (const SyscallEntry& entry : table()) {
    if (entry.nr < kMaxNr && !index[entry.nr]) index[entry.nr] = &entry;
  }
  return index;
}

bool holds(const TrapCondition& condition, const std::array<std::uint64_t, 6>& args) {
  for (std::uint8_t i = 0; i < condition.count; ++i) {
    const ArgumentTest& test = condition.tests[i];
    const auto value = static_cast<std::uint32_t>(args[test.argument]) & test.mask;
    const auto* const end = test.values.begin() + test.count;
    if ((std::find(test.values.begin(), end, value) != end) != test.wanted) return false;
  }
  return true;
}

}  // namespace

TraceMark trace_mark(int nr) {
  switch (nr) {
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
    case SYS_move_pages:
      return {0, true};
    default:
      return {5, false};
  }
}

std::span<const SyscallEntry> syscall_table() { return table(); }

const SyscallEntry* find_syscall(int nr, Way way) {
  static const Index ptrace = index_by_way(Way::kPtrace);
  static const Index notify = index_by_way(Way::kNotify);
  if (nr < 0 || nr >= kMaxNr) return nullptr;
  return (way == Way::kPtrace ? ptrace : notify)[nr];
}

std::string syscall_name(int nr) {
  for (const SyscallEntry& entry : table()) {
    if (entry.nr == nr) return entry.name;
  }
  return "call " + std::to_string(nr);
}

const SyscallEntry* find_untraced_syscall(int nr, const std::array<std::uint64_t, 6>& args) {
  static const Index first = index_of_first();
  if (nr < 0 || nr >= kMaxNr) return nullptr;
  const SyscallEntry* const end = table().data() + table().size();
  for (const SyscallEntry* entry = first[nr]; entry && entry != end && entry->nr == nr; ++entry) {
    if (holds(entry->condition, args)) return entry;
  }
  return nullptr;
}

}  // namespace warren
