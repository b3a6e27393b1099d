// How a program gets its agent: once in each program. Part of agent.S.

// What is left when the code is mapped: the private pages, the texts, then gone with the
// descriptors. r12d: the agent's descriptor; r13: texts to be mapped over the program's own
// (address, length, offset); r14d: how many; r15d: the descriptor of their file. Leaves in rbx
// where the private pages are, in rbp 0.
  .macro MAP_THE_REST
  mov $WARREN_AGENT_STATE, %edi
  mov $(WARREN_AGENT_END - WARREN_AGENT_STATE), %esi
  mov $3, %edx          // PROT_READ | PROT_WRITE
  mov $0x100022, %r10d  // MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
  mov $-1, %r8
  xor %r9d, %r9d
  mov $SYS_mmap, %eax
  syscall
  mov %rax, %rbx
  mov $WARREN_AGENT_STATE, %edi
  mov $PAGE, %esi
  mov $18, %edx  // MADV_WIPEONFORK
  mov $SYS_madvise, %eax
  syscall
  mov %rax, %rbp
  // Without slots, no jumps; and their list may lie in one of the texts.
  cmp $WARREN_AGENT_STATE, %rbx
  jne 2f
  mov %r13, %rsi
  mov $WARREN_AGENT_SLOTS, %edi
  mov %rdi, %r13
  lea (%r14, %r14, 2), %ecx
  rep movsq
1:
  sub $1, %r14d
  js 2f
  mov (%r13), %rdi
  mov 8(%r13), %rsi
  mov 16(%r13), %r9
  add $24, %r13
  mov $5, %edx      // PROT_READ | PROT_EXEC
  mov $0x12, %r10d  // MAP_PRIVATE | MAP_FIXED
  mov %r15d, %r8d
  mov $SYS_mmap, %eax
  syscall
  jmp 1b
2:
  mov %r15d, %edi
  mov $SYS_close, %eax
  syscall
  mov %r12d, %edi
  mov $SYS_close, %eax
  syscall
  .endm

// For a program that is stopped. The supervisor waits for the last call, which the filter shows it,
// and puts the program's registers back.
boot:
  mov %edi, %r12d
  mov %rsi, %r13
  mov %edx, %r14d
  mov %r10d, %r15d
  MAP_THE_REST
  mov %rbx, %rdi
  mov %rbp, %rsi
  mov $WARREN_TRACE_MARK, %r9d
  mov $SYS_setns, %eax
  syscall
  hlt

// For a program that nobody stops: the supervisor has written a copy of this behind the call that
// the program waits in, with Trampoline filled in. The call is made again from where it was. Two
// steps, if the code cannot be mapped: the supervisor puts the text back as far as
// `trampoline_failed_ip` when it is told, and the rest when the call is made again.
trampoline:
  PUSH_ARGUMENTS
  mov $WARREN_AGENT_BASE, %edi
  mov $(WARREN_AGENT_STATE - WARREN_AGENT_BASE), %esi
  mov $5, %edx          // PROT_READ | PROT_EXEC
  mov $0x100001, %r10d  // MAP_SHARED | MAP_FIXED_NOREPLACE
  mov trampoline_end + 12(%rip), %r8d
  xor %r9d, %r9d
  mov $SYS_mmap, %eax
  syscall
  cmp $WARREN_AGENT_BASE, %rax
  jne 1f
  lea trampoline_end(%rip), %rdx
  mov $boot_by_trampoline, %eax
  jmp *%rax
1:
  mov trampoline_end + 12(%rip), %edi
  mov $SYS_close, %eax
  syscall
  mov trampoline_end + 16(%rip), %edi
  mov $SYS_close, %eax
  syscall
  mov $SYS_getpid, %eax
  syscall
trampoline_failed_ip:
  POP_ARGUMENTS
  mov trampoline_end + 8(%rip), %eax
  jmp *trampoline_end(%rip)
trampoline_end:

// rdx: the Trampoline.
boot_by_trampoline:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov 8(%rdx), %eax
  push %rax
  mov 12(%rdx), %r12d
  mov 16(%rdx), %r15d
  mov 20(%rdx), %r14d
  lea 24(%rdx), %r13
  MAP_THE_REST
  mov %rbx, %rdi
  mov %rbp, %rsi
1:
  mov $SYS_getpid, %eax
  syscall
booted_ip:
  cmp $-EINTR, %rax
  je 1b
  mov %rax, %rcx
  pop %rax
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  POP_ARGUMENTS
  jmp *%rcx

