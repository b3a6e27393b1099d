// Signals of an init that nobody traces. Part of agent.S.
//
// An init gets no signal that it has no handler for (pid_namespaces(7)). Of one that is traced, the
// supervisor takes such signals away as they come. Of one that is not, it sends none; those that the
// kernel itself sends are ignored here in place of their default, and neither the program nor its
// children are to find that: children restore them before they run, and whenever the program looks
// at one or is about to become another, the supervisor takes over again.

  // Default again, of the signals in r9. Uses rax, rcx, rdx, rdi, rsi, r8, r10, r11.
  .macro RESTORE_SIGNALS
  mov $default_action, %esi
  xor %edx, %edx
  mov $WARREN_OWN_CALL, %r8d
  mov $8, %r10d
91:
  bsf %r9, %rdi
  jz 92f
  btr %rdi, %r9
  inc %edi
  mov $SYS_rt_sigaction, %eax
  syscall
  jmp 91b
92:
  .endm

  .macro PUSH_ALL
  PUSH_ARGUMENTS
  push %rax
  push %rcx
  push %r11
  .endm

  .macro POP_ALL
  pop %r11
  pop %rcx
  pop %rax
  POP_ARGUMENTS
  .endm

// From now on the supervisor need not look after the init, if it agrees. Uses rax, rcx, r11.
leave_init:
  mov $SYS_getpid, %eax
  syscall
leave_init_ip:
  cmp $-EINTR, %rax
  je leave_init
  test %rax, %rax
  jnz ignore_signals
  ret

// What has its default so far is ignored. Keeps all registers.
ignore_signals:
  PUSH_ALL
  lea -32(%rsp), %rsp  // a struct sigaction
  mov $from_kernel, %r9d
1:
  movzbl (%r9), %edi
  test %edi, %edi
  jz 3f
  inc %r9
  xor %esi, %esi
  mov %rsp, %rdx
  mov $8, %r10d
  mov $SYS_rt_sigaction, %eax
  syscall
  test %rax, %rax
  jnz 1b
  cmpq $0, (%rsp)  // SIG_DFL
  jne 1b
  mov $ignore_action, %esi
  xor %edx, %edx
  mov $WARREN_OWN_CALL, %r8d
  mov $SYS_rt_sigaction, %eax
  syscall
  lea -1(%rdi), %ecx
  lock btsq %rcx, IGNORED
  jmp 1b
3:
  lea 32(%rsp), %rsp
  POP_ALL
  ret

// A child of vfork, which has its parent's State, has dispositions of its own.
restore_vforked:
  PUSH_ALL
  mov IGNORED, %r9
  RESTORE_SIGNALS
  POP_ALL
  jmp vforked_child

sigaction_of_init:
  mov $serve_sigaction, %r11d
  cmpq $0, VFORK_KEY
  je act_as_init
  // A child of vfork, whose signals are as they seem.
  UNLESS_UNTRACED ask
  jmp sigaction_by_flags

serve_exec:
  cmpq $0, IGNORED
  je ask
  cmpq $0, VFORK_KEY
  jne ask
  mov $ask, %r11d

// Goes on at r11 with all registers kept, as an init that the supervisor looks after. It
// has one thread: it comes here before it makes another.
act_as_init:
  PUSH_ALL
1:
  mov $SYS_getpid, %eax
  syscall
init_acts_ip:
  cmp $-EINTR, %rax
  je 1b
  mov IGNORED, %r9
  RESTORE_SIGNALS
  movq $0, IGNORED
  POP_ALL
  jmp *%r11

// Those that the kernel sends by itself and that end a process by default, but for faults, which end
// an init, too, and a terminal's, which do so here (docs/compat.md).
from_kernel:
  .byte SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, 0

  .balign 8
default_action:
  .quad 0, 0, 0, 0
ignore_action:
  .quad 1, 0, 0, 0  // SIG_IGN
