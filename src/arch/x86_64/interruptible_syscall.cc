#include "arch/x86_64/interruptible_syscall.h"

#include <cerrno>

// The window between the check and the `syscall` instruction has a name at either end, so that a
// signal handler can see whether it interrupted just there. Nothing short of this is free of a lost
// wake-up: neither wait4 nor ioctl has a variant that takes a signal mask.
asm(R"(
    .text
    .globl warren_interruptible_syscall
    .type warren_interruptible_syscall, @function
warren_interruptible_syscall:
    mov %rsi, %rax
    mov %r9, %r10
    mov %rdi, %r9
    mov %rdx, %rdi
    mov %rcx, %rsi
    mov %r8, %rdx
    .globl warren_interruptible_syscall_begin
warren_interruptible_syscall_begin:
    cmpl $0, (%r9)
    jne warren_interruptible_syscall_cancelled
    .globl warren_interruptible_syscall_instruction
warren_interruptible_syscall_instruction:
    syscall
    ret
    .globl warren_interruptible_syscall_cancelled
warren_interruptible_syscall_cancelled:
    mov $-4, %rax
    ret
    .size warren_interruptible_syscall, . - warren_interruptible_syscall
)");

extern "C" {
long warren_interruptible_syscall(const void* cancel, long nr, long a0, long a1, long a2, long a3);
extern const char warren_interruptible_syscall_begin[];
extern const char warren_interruptible_syscall_instruction[];
extern const char warren_interruptible_syscall_cancelled[];
}

namespace warren::arch {

static_assert(EINTR == 4);
static_assert(sizeof(std::atomic<int>) == 4);

long interruptible_syscall(const std::atomic<int>* cancel, long nr, long a0, long a1, long a2,
                           long a3) {
  return warren_interruptible_syscall(cancel, nr, a0, a1, a2, a3);
}

void leave_interruptible_syscall(ucontext_t* context) {
  auto& ip = context->uc_mcontext.gregs[REG_RIP];
  const auto begin = reinterpret_cast<greg_t>(warren_interruptible_syscall_begin);
  const auto instruction = reinterpret_cast<greg_t>(warren_interruptible_syscall_instruction);
  if (ip >= begin && ip <= instruction) {
    ip = reinterpret_cast<greg_t>(warren_interruptible_syscall_cancelled);
  }
}

}  // namespace warren::arch
