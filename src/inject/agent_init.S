// Signals of an init that nobody traces. Part of agent.S.
//
// An init gets no signal that it has no handler for (pid_namespaces(7)). Of one that is traced, the
// supervisor takes such signals away as they come. Of one that is not, it sends none; those that the
// kernel itself sends are ignored here in place of their default, and neither the program nor its
// children are to find that: children restore them before they run, the program is told what it
// set itself, and when it is about to become another, the supervisor takes over again.

// In State's set of signals that are ignored: that the init is left at all. No signal can be that.
#define LEFT_BIT (SIGKILL - 1)

// A frame that begins with the return address.
#define I_R8 8
#define I_MASK 16
#define I_RESULT 24
#define I_WAS_IGNORED 32
#define I_ACTION 40
#define INIT_FRAME (I_ACTION + SIGACTION_SIZE + 128)

  .macro LEAVE_INIT_FRAME
  mov -8(%rsp), %eax
  mov (%rsp), %rcx
  lea INIT_FRAME(%rsp), %rsp
  .endm

  // rax: those that are pending; rdi: where the kernel may write them. Uses rcx, rsi, r11.
  .macro PENDING_SIGNALS
  mov $8, %esi
  mov $SYS_rt_sigpending, %eax
  syscall
  mov (%rdi), %rax
  .endm

  // One thread at a time changes signals and says so. Others wait, with all signals blocked, or a
  // handler might wait for its own thread; the mask is kept at `mask`. Uses rax, rcx, rdx, rdi, rsi,
  // r10, r11.
  .macro BEGIN_CHANGE mask
  mov $all_signals, %esi
  lea \mask, %rdx
  SET_SIGNAL_MASK
91:
  mov $1, %eax
  xchg %eax, CHANGING
  test %eax, %eax
  jz 92f
  mov $SYS_sched_yield, %eax
  syscall
  jmp 91b
92:
  .endm

  .macro END_CHANGE mask
  movl $0, CHANGING
  lea \mask, %rsi
  xor %edx, %edx
  SET_SIGNAL_MASK
  .endm

  // Default again, of the signals in r9. Uses rax, rcx, rdx, rdi, rsi, r8, r10, r11.
  .macro RESTORE_SIGNALS
  mov $default_action, %esi
  xor %edx, %edx
  mov $WARREN_OWN_CALL, %r8d
  mov $8, %r10d
  btr $LEFT_BIT, %r9
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

// What has its default so far is ignored. Keeps all registers. Ignoring one that is pending, blocked,
// would take it away: the supervisor looks after the init for a while longer.
ignore_signals:
  PUSH_ALL
  lea -SIGACTION_SIZE(%rsp), %rsp
  mov %rsp, %rdi
  PENDING_SIGNALS
  test kernel_signals, %rax
  jnz 4f
  lock btsq $LEFT_BIT, IGNORED
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
  cmpq $SIG_DFL, (%rsp)
  jne 1b
  movq $SIG_IGN, (%rsp)
  mov %rsp, %rsi
  xor %edx, %edx
  mov $WARREN_OWN_CALL, %r8d
  mov $SYS_rt_sigaction, %eax
  syscall
  lea -1(%rdi), %ecx
  lock btsq %rcx, IGNORED
  jmp 1b
4:
  call init_acts
3:
  lea SIGACTION_SIZE(%rsp), %rsp
  POP_ALL
  ret

// The supervisor looks after the init again. Uses rax, rcx, r11.
init_acts:
  mov $SYS_getpid, %eax
  syscall
init_acts_ip:
  cmp $-EINTR, %rax
  je init_acts
  ret

// A child of vfork, which has its parent's State, has dispositions of its own.
restore_vforked:
  PUSH_ALL
  mov IGNORED, %r9
  RESTORE_SIGNALS
  POP_ALL
  jmp vforked_child

// One of those that the kernel sends by itself: what the program sets to its default is ignored, and
// is told to have it. Its flags and its mask are the program's own.
sigaction_of_init:
  // A child of vfork, whose signals are as they seem.
  cmpq $0, VFORK_KEY
  jne sigaction_of_others
  cmp $8, %r10
  jne sigaction_of_others
  lea -1(%rdi), %r11d
  cmp $(NSIG - 1), %r11d
  ja sigaction_of_others
  btq %r11, kernel_signals
  jnc sigaction_of_others
  UNLESS_UNTRACED hand_over_sigaction
  lea -INIT_FRAME(%rsp), %rsp
  mov %rcx, (%rsp)
  SAVE_SIGACTION
  test %rsi, %rsi
  jz 3f
  PROBE_SIGACTION
  RESTORE_SIGACTION
  jne unreadable_of_init
  lea -1(%rdi), %ecx
  testl $SA_SIGINFO, SA_FLAGS(%rsi)
  jz 1f
  // These carry a number.
  cmp $SIGPIPE, %edi
  je hand_over_framed
  cmp $SIGXFSZ, %edi
  je hand_over_framed
  lock btrq %rcx, PLAIN_HANDLERS
  jmp 2f
1:
  NOTE_PLAIN_HANDLER
2:
  .irp word, 0, 8, 16, 24
  mov \word(%rsi), %rax
  mov %rax, I_ACTION + \word(%rsp)
  .endr
  cmpq $SIG_DFL, I_ACTION(%rsp)
  jne 2f
  // As above; and a filter of the guest's own might kill for asking.
  cmpl $0, ASK_SIGNALS
  jne hand_over_framed
  lea I_MASK(%rsp), %rdi
  PENDING_SIGNALS
  mov -24(%rsp), %rdi
  lea -1(%rdi), %ecx
  bt %rcx, %rax
  RESTORE_SIGACTION
  jc hand_over_framed
2:
  mov %r8, I_R8(%rsp)
  BEGIN_CHANGE I_MASK(%rsp)
  mov -24(%rsp), %rdi
  mov -40(%rsp), %rdx
  lea -1(%rdi), %ecx
  cmpq $SIG_DFL, I_ACTION(%rsp)
  jne 1f
  movq $SIG_IGN, I_ACTION(%rsp)
  lock btsq %rcx, IGNORED
  jmp 2f
1:
  lock btrq %rcx, IGNORED
2:
  setc I_WAS_IGNORED(%rsp)
  lea I_ACTION(%rsp), %rsi
  mov $WARREN_OWN_CALL, %r8d
  mov $SYS_rt_sigaction, %eax
  syscall
  mov %rax, I_RESULT(%rsp)
  END_CHANGE I_MASK(%rsp)
  mov I_R8(%rsp), %r8
  jmp 4f
3:
  syscall
  mov %rax, I_RESULT(%rsp)
  lea -1(%rdi), %ecx
  btq %rcx, IGNORED
  setc I_WAS_IGNORED(%rsp)
4:
  RESTORE_SIGACTION
  mov I_RESULT(%rsp), %rax
  test %rax, %rax
  jnz 5f
  test %rdx, %rdx
  jz 5f
  cmpb $0, I_WAS_IGNORED(%rsp)
  je 5f
  cmpq $SIG_IGN, (%rdx)
  jne 5f
  movq $SIG_DFL, (%rdx)
5:
  mov (%rsp), %rcx
  lea INIT_FRAME(%rsp), %rsp
  jmp *%rcx

unreadable_of_init:
  LEAVE_INIT_FRAME
  jmp ask
hand_over_framed:
  LEAVE_INIT_FRAME
hand_over_sigaction:
  mov $serve_sigaction, %r11d
  jmp act_as_init

exec_of_init:
  cmpq $0, VFORK_KEY
  jne exec_unless_missing
  mov $ask, %r11d

// Goes on at r11 with all registers kept, as an init that the supervisor looks after. Of several
// threads none goes on before all signals are restored: what it does to one then would be undone.
act_as_init:
  PUSH_ALL
  call init_acts
  lea -8(%rsp), %rsp
  BEGIN_CHANGE (%rsp)
  mov IGNORED, %r9
  RESTORE_SIGNALS
  movq $0, IGNORED
  END_CHANGE (%rsp)
  lea 8(%rsp), %rsp
  POP_ALL
  jmp *%r11

// Those that the kernel sends by itself and that end a process by default, but for faults, which end
// an init, too, and a terminal's, which do so here (docs/compat.md).
from_kernel:
  .byte SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, 0

  .balign 8
kernel_signals:
  .set kernel_signal_bits, 0
  .irp signal, SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO
  .set kernel_signal_bits, kernel_signal_bits | 1 << (\signal - 1)
  .endr
  .quad kernel_signal_bits
default_action:
  .quad 0, 0, 0, 0  // SIG_DFL
