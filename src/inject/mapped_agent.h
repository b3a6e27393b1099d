// For tests: the agent in the memory of the calling process, as guests have it.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "inject/image.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace warren::inject {

struct Registers {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rsp;
};

// Fails the child: a test sees the status.
inline void must(bool right) {
  if (!right) abort();
}

inline void map_agent_here(const Image& image) {
  void* const code = mmap(reinterpret_cast<void*>(kBase), kState - kBase, PROT_READ | PROT_EXEC,
                          MAP_SHARED | MAP_FIXED_NOREPLACE, image.fd(), 0);
  must(code == reinterpret_cast<void*>(kBase));
  void* const data = mmap(reinterpret_cast<void*>(kState), kEnd - kState, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  must(data == reinterpret_cast<void*>(kState));
  must(madvise(data, kPage, MADV_WIPEONFORK) == 0);
}

// Makes the slot that of a site of that call, which is left at `return_address`.
inline Slot& fill_slot(int index, int nr, Service service, const void* return_address) {
  Slot& slot = reinterpret_cast<Slots*>(kSlots)->slot[index];
  const Header& header = agent_header();
  slot = {.entry = header.first_stub + static_cast<std::uint64_t>(index) * header.stub_size,
          .return_address = reinterpret_cast<std::uint64_t>(return_address),
          .service = header.services[service],
          .nr = static_cast<std::uint32_t>(nr),
          .unused = 0};
  return slot;
}

}  // namespace warren::inject
