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

void mend_word(const RemoteMemory& memory, std::uint64_t address, pid_t tid, Nr vnr) {
  const auto word = memory.read(RemotePtr<std::uint32_t>(address));
  if (!word || (*word & FUTEX_TID_MASK) != static_cast<std::uint32_t>(vnr)) return;
  (void)memory.write(RemotePtr<std::uint32_t>(address),
                     (*word & ~FUTEX_TID_MASK) | static_cast<std::uint32_t>(tid));
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

void mend_robust_list(pid_t tid, Nr vnr) {
  std::uint64_t head = 0;
  std::size_t length = 0;
  if (syscall(SYS_get_robust_list, tid, &head, &length) != 0 || head == 0) return;
  const RemoteMemory memory(tid);
  const auto list = memory.read(RemotePtr<robust_list_head>(head));
  if (!list) return;
  const auto offset = static_cast<std::uint64_t>(list->futex_offset);
  // The lowest bit of a link tells a PI mutex.
  const auto strip = [](const void* p) {
    return reinterpret_cast<std::uint64_t>(p) & ~std::uint64_t{1};
  };
  std::uint64_t entry = strip(list->list.next);
  for (int i = 0; i < kMostEntries && entry != head; ++i) {
    mend_word(memory, entry + offset, tid, vnr);
    const auto next = memory.read(RemotePtr<struct robust_list>(entry));
    if (!next) break;
    entry = strip(next->next);
  }
  if (const std::uint64_t pending = strip(list->list_op_pending)) {
    mend_word(memory, pending + offset, tid, vnr);
  }
}

}  // namespace warren
