#include "tracer/cached_tid.h"

#include "arch/x86_64/thread_block.h"
#include "tracer/remote_memory.h"
#include "tracer/robust_list.h"

namespace warren {

namespace {

bool rewrite(const RemoteMemory& memory, std::uint64_t address, Nr from, Nr to) {
  const RemotePtr<Nr> word(address);
  const auto now = memory.read(word);
  return now && *now == from && memory.write(word, to);
}

// An address from before an exec is not that of a number any more.
bool plausible(std::uint64_t address, std::uint64_t thread_pointer) {
  if (address == 0 || address % alignof(Nr) != 0) return false;
  return thread_pointer == 0 ||
         (address > thread_pointer && address - thread_pointer < arch::kThreadBlockSize);
}

std::uint64_t pointer_at(const RemoteMemory& memory, std::uint64_t address) {
  const auto value = memory.read(RemotePtr<std::uint64_t>(address));
  return value ? *value : 0;
}

enum class Libc { kGlibc, kMusl, kUnknown };

Libc libc_at(const RemoteMemory& memory, std::uint64_t block) {
  if (pointer_at(memory, block) != block) return Libc::kUnknown;
  const bool glibc = pointer_at(memory, block + arch::kGlibcSelf) == block &&
                     pointer_at(memory, block + arch::kMuslNext) != block;
  return glibc ? Libc::kGlibc : Libc::kMusl;
}

void rewrite_go(const RemoteMemory& memory, std::uint64_t thread_pointer, Nr from, Nr to) {
  const std::uint64_t goroutine = pointer_at(memory, thread_pointer - arch::kGoBeforePointer);
  if (goroutine == 0) return;
  const std::uint64_t machine = pointer_at(memory, goroutine + arch::kGoMachine);
  if (machine == 0) return;
  const auto head = memory.read(
      RemotePtr<std::array<std::uint64_t, arch::kGoMachineHead / sizeof(std::uint64_t)>>(machine));
  if (!head || pointer_at(memory, (*head)[0] + arch::kGoMachine) != machine) return;
  for (std::size_t i = 1; i + 1 < head->size(); ++i) {
    if ((*head)[i] != static_cast<std::uint64_t>(from)) continue;
    const std::uint64_t of_signals = (*head)[i + 1];
    if (of_signals == 0 || pointer_at(memory, of_signals + arch::kGoMachine) != machine) continue;
    (void)memory.write(RemotePtr<std::uint64_t>(machine + i * sizeof(std::uint64_t)),
                       static_cast<std::uint64_t>(to));
    return;
  }
}

}  // namespace

void rewrite_cached_tid(pid_t tid, const CachedTid& place, Nr from, Nr to) {
  const RemoteMemory memory(tid);
  bool found = false;
  for (const std::uint64_t address : place.told) {
    if (!found && plausible(address, place.thread_pointer)) {
      found = rewrite(memory, address, from, to);
    }
  }
  if (place.thread_pointer == 0) return;
  const Libc libc = libc_at(memory, place.thread_pointer);
  if (!found && libc != Libc::kUnknown) {
    const std::uint64_t offset = libc == Libc::kGlibc ? arch::kGlibcTid : arch::kMuslTid;
    found = rewrite(memory, place.thread_pointer + offset, from, to);
  }
  if (found && libc == Libc::kMusl) {
    rewrite_untold_list(tid, place.thread_pointer + arch::kMuslMutexes, arch::kMuslMutexWord, from,
                        to);
  }
  rewrite_go(memory, place.thread_pointer, from, to);
}

}  // namespace warren
