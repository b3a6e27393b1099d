#include "tracer/robust_list.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "tracer/remote_memory.h"

namespace warren {

namespace {

// The kernel's own bound on a list that a guest could have made a circle of (ROBUST_LIST_LIMIT).
constexpr int kMostEntries = 2048;

// Others may be about to say in the same word that they wait; what they write meanwhile would be
// lost. So the word says that somebody waits in any case, which costs a needless wake at worst.
void mend_word(const RemoteMemory& memory, std::uint64_t address, Nr from, Nr to) {
  const auto word = memory.read(RemotePtr<std::uint32_t>(address));
  if (!word || (*word & FUTEX_TID_MASK) != static_cast<std::uint32_t>(from)) return;
  (void)memory.write(RemotePtr<std::uint32_t>(address),
                     (*word & ~FUTEX_TID_MASK) | FUTEX_WAITERS | static_cast<std::uint32_t>(to));
}

// The lowest bit of a link tells a PI mutex.
std::uint64_t strip(const void* link) {
  return reinterpret_cast<std::uint64_t>(link) & ~std::uint64_t{1};
}

void rewrite_list(const RemoteMemory& memory, std::uint64_t head, const robust_list_head& list,
                  Nr from, Nr to) {
  const auto offset = static_cast<std::uint64_t>(list.futex_offset);
  std::uint64_t entry = strip(list.list.next);
  for (int i = 0; i < kMostEntries && entry != head; ++i) {
    mend_word(memory, entry + offset, from, to);
    const auto next = memory.read(RemotePtr<struct robust_list>(entry));
    if (!next) break;
    entry = strip(next->next);
  }
  if (const std::uint64_t pending = strip(list.list_op_pending)) {
    mend_word(memory, pending + offset, from, to);
  }
}

}  // namespace

bool holds_robust_mutex(pid_t tid) {
  std::uint64_t head = 0;
  std::size_t length = 0;
  if (syscall(SYS_get_robust_list, tid, &head, &length) != 0 || head == 0) return false;
  const auto list = RemoteMemory(tid).read(RemotePtr<robust_list_head>(head));
  return list && (reinterpret_cast<std::uint64_t>(list->list.next) != head ||
                  list->list_op_pending != nullptr);
}

void rewrite_robust_list(pid_t tid, Nr from, Nr to) {
  std::uint64_t head = 0;
  std::size_t length = 0;
  if (syscall(SYS_get_robust_list, tid, &head, &length) != 0 || head == 0) return;
  const RemoteMemory memory(tid);
  const auto list = memory.read(RemotePtr<robust_list_head>(head));
  if (list) rewrite_list(memory, head, *list, from, to);
}

void rewrite_untold_list(pid_t tid, std::uint64_t head, std::int64_t offset, Nr from, Nr to) {
  const RemoteMemory memory(tid);
  auto list = memory.read(RemotePtr<robust_list_head>(head));
  if (!list || list->list.next == nullptr) return;
  list->futex_offset = offset;
  rewrite_list(memory, head, *list, from, to);
}

void mend_robust_list(pid_t tid, Nr vnr) { rewrite_robust_list(tid, vnr, tid); }

}  // namespace warren
