// The site that agent_guest.h calls through.
#include "inject/agent_guest.h"

extern "C" {
// A site: jumps with the registers `fork_before`, the stack included. The parent comes back, and
// has stored its registers in `fork_after`. A child stores its own at `fork_child_seen`, overwrites
// the memory at `fork_spoil`, executes the program if there is one, or exits.
#define HIDDEN [[gnu::visibility("hidden")]]
HIDDEN warren::inject::Registers fork_before, fork_after, fork_child;
HIDDEN std::uint64_t fork_site_entry;
HIDDEN std::uint32_t fork_site_forks;  // zero: the call makes no child
HIDDEN warren::inject::Registers* fork_child_seen;
HIDDEN std::uint64_t fork_child_looks;
HIDDEN unsigned char* fork_spoil;
HIDDEN std::uint64_t fork_spoil_size;
HIDDEN const char* fork_program;
HIDDEN const char* const* fork_program_arguments;
HIDDEN std::uint64_t fork_site_stack;
#undef HIDDEN
}

#define AS_TEXT(x) #x
#define TEXT_OF(x) AS_TEXT(x)

asm(".set STATE, " TEXT_OF(WARREN_AGENT_STATE) R"(
  .pushsection .text
  .macro store_registers to
  mov %rax, \to + 0(%rip)
  mov %rbx, \to + 8(%rip)
  mov %rcx, \to + 16(%rip)
  mov %rdx, \to + 24(%rip)
  mov %rsi, \to + 32(%rip)
  mov %rdi, \to + 40(%rip)
  mov %rbp, \to + 48(%rip)
  mov %r8, \to + 56(%rip)
  mov %r9, \to + 64(%rip)
  mov %r10, \to + 72(%rip)
  mov %r11, \to + 80(%rip)
  mov %r12, \to + 88(%rip)
  mov %r13, \to + 96(%rip)
  mov %r14, \to + 104(%rip)
  mov %r15, \to + 112(%rip)
  mov %rsp, \to + 120(%rip)
  .endm

  .globl fork_site
  .hidden fork_site
  .type fork_site, @function
fork_site:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, fork_site_stack(%rip)
  mov fork_before + 0(%rip), %rax
  mov fork_before + 8(%rip), %rbx
  mov fork_before + 16(%rip), %rcx
  mov fork_before + 24(%rip), %rdx
  mov fork_before + 32(%rip), %rsi
  mov fork_before + 40(%rip), %rdi
  mov fork_before + 48(%rip), %rbp
  mov fork_before + 56(%rip), %r8
  mov fork_before + 64(%rip), %r9
  mov fork_before + 72(%rip), %r10
  mov fork_before + 80(%rip), %r11
  mov fork_before + 88(%rip), %r12
  mov fork_before + 96(%rip), %r13
  mov fork_before + 104(%rip), %r14
  mov fork_before + 112(%rip), %r15
  mov fork_before + 120(%rip), %rsp
  jmp *fork_site_entry(%rip)
  .globl fork_site_return
  .hidden fork_site_return
fork_site_return:
  cmpl $0, fork_site_forks(%rip)
  je 1f
  test %rax, %rax
  jz 2f
1:
  store_registers fork_after
  mov fork_site_stack(%rip), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
2:
  store_registers fork_child
  mov fork_child_seen(%rip), %rdi
  lea fork_child(%rip), %rsi
  mov $16, %ecx
  rep movsq
  mov $STATE, %esi
  mov $8, %ecx
  rep movsq
  mov fork_child_looks(%rip), %rsi
  test %rsi, %rsi
  jz 4f
  mov (%rsi), %eax
  mov %eax, (%rdi)
4:
  mov fork_spoil(%rip), %rdi
  mov fork_spoil_size(%rip), %rcx
  mov $0xee, %al
  rep stosb
  mov fork_program(%rip), %rdi
  test %rdi, %rdi
  jz 3f
  mov fork_program_arguments(%rip), %rsi
  xor %edx, %edx
  mov $59, %eax  # execve
  syscall
3:
  mov $7, %edi
  mov $60, %eax  # exit
  syscall
  hlt
  .size fork_site, . - fork_site
  .popsection
)");
