// kill(2), rt_sigaction(2) and rt_sigtimedwait(2) of guests that nobody traces. Part of agent.S.

#define SIGKILL 9
#define SIGPIPE 13
#define SIGALRM 14
#define SIGCHLD 17
#define SIGSTOP 19
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGIO 29
#define SIG_DFL 0
#define SIG_IGN 1
#define SA_FLAGS 8  // in the kernel's struct sigaction
#define SIGACTION_SIZE 32
#define SA_SIGINFO 4
#define SA_RESTART 0x10000000
#define SA_RESETHAND 0x80000000
#define SI_ERRNO 4  // in siginfo_t
#define SI_CODE 8
#define SI_PID 16
#define SI_UID 20
#define SI_SIZE 128
#define SI_USER 0
#define SI_TKILL -6
#define SI_QUEUE -1
#define SI_TIMER -2
#define SI_KERNEL 0x80

// The frame of a signal to oneself, below the red zone; it begins with a siginfo.
#define S_RETURN SI_SIZE
#define S_RDI (SI_SIZE + 8)
#define S_RSI (SI_SIZE + 16)
#define S_RDX (SI_SIZE + 24)
#define S_R10 (SI_SIZE + 32)
#define S_NR (SI_SIZE + 40)
#define S_TO (SI_SIZE + 44)
#define S_ACTION (SI_SIZE + 48)
#define SIGNAL_FRAME (S_ACTION + SIGACTION_SIZE + 128)

  // Goes to the supervisor with what is no signal, and with those that nobody can catch.
  .macro CHECK_OWN_SIGNAL signal
  cmpl $0, SIGNAL_SELF
  je ask
  cmpl $0, ASK_SIGNALS
  jne ask
  lea -1(\signal), %r11d
  cmp $(NSIG - 1), %r11d
  ja ask
  cmp $SIGKILL, \signal
  je ask
  cmp $SIGSTOP, \signal
  je ask
  .endm

  .macro ENTER_OWN_SIGNAL
  lea -SIGNAL_FRAME(%rsp), %rsp
  mov %rcx, S_RETURN(%rsp)
  mov %rdi, S_RDI(%rsp)
  mov %rsi, S_RSI(%rsp)
  mov %rdx, S_RDX(%rsp)
  mov %r10, S_R10(%rsp)
  mov %eax, S_NR(%rsp)
  .endm

  // Of the signal ecx + 1, whose new struct sigaction, without SA_SIGINFO, is at rsi.
  .macro NOTE_PLAIN_HANDLER
  cmpq $SIG_IGN, (%rsi)
  jbe 91f
  testl $SA_RESTART, SA_FLAGS(%rsi)
  jz 92f
  // The next one would not be caught.
  testl $SA_RESETHAND, SA_FLAGS(%rsi)
  jnz 92f
  lock btsq %rcx, PLAIN_HANDLERS
  jmp 93f
91:
  // No handler. A child of vfork has its parent's State, whose handlers stay.
  cmpq $0, VFORK_KEY
  jne 93f
92:
  lock btrq %rcx, PLAIN_HANDLERS
93:
  .endm

  // Below the frame's begin, behind the call's number.
  .macro SAVE_SIGACTION
  mov %eax, -8(%rsp)
  mov %rdi, -24(%rsp)
  mov %rsi, -32(%rsp)
  mov %rdx, -40(%rsp)
  mov %r10, -48(%rsp)
  .endm

  .macro RESTORE_SIGACTION
  mov -24(%rsp), %rdi
  mov -32(%rsp), %rsi
  mov -40(%rsp), %rdx
  mov -48(%rsp), %r10
  .endm

  // Whether the struct sigaction at rsi can be read ("equal"): libraries have it on their stack, and
  // the page that (%rsp) is in has just been written to. Uses rax, rcx, rdx, rdi, rsi, r10, r11.
  .macro PROBE_SIGACTION
  lea SIGACTION_SIZE - 1(%rsi), %rcx
  mov %rsi, %rax
  xor %rsp, %rax
  xor %rsp, %rcx
  or %rcx, %rax
  and $-PAGE, %rax
  jz 92f
  PROBE
  jne 92f
  add $SIGACTION_SIZE - 8, %rsi
  PROBE
92:
  .endm

// A handler that sees a number of the host's needs the supervisor; most see none. Only signals by
// which the kernel tells one are looked at by it, as in the table of calls; of all, State says which
// handlers need no stop.
serve_sigaction:
  cmpq $0, IGNORED
  jne sigaction_of_init
sigaction_of_others:
  UNLESS_UNTRACED ask
  test %rsi, %rsi
  jz 2f
  lea -1(%rdi), %r11d
  cmp $(NSIG - 1), %r11d
  ja 2f
  ENTER
  SAVE_SIGACTION
  PROBE_SIGACTION
  RESTORE_SIGACTION
  jne asked_for
  mov -8(%rsp), %eax
  lea -1(%rdi), %ecx
  testl $SA_SIGINFO, SA_FLAGS(%rsi)
  jnz sees_sender
  NOTE_PLAIN_HANDLER
  jmp trusted_framed
2:
  ENTER
  jmp trusted_framed
sees_sender:
  lock btrq %rcx, PLAIN_HANDLERS
  cmp $SIGCHLD, %edi
  je asked_for
  cmp $SIGPIPE, %edi
  je asked_for
  cmp $SIGXFSZ, %edi
  je asked_for
  jmp trusted_framed

// Made with the guest's own arguments. Numbers of the host's are in what is taken only if somebody
// sent it or a child's end did, not if it was queued by a guest, or a timer's.
serve_sigwait:
  UNLESS_UNTRACED ask
  ENTER
  mov %eax, -8(%rsp)
  syscall
sigwait_ip:
  test %rax, %rax
  jle not_again
  test %rsi, %rsi
  jz not_again
  mov SI_CODE(%rsi), %ecx
  cmp $SI_TIMER, %ecx
  je not_again
  cmp $SI_KERNEL, %ecx
  je not_again
  cmp $SI_QUEUE, %ecx
  jne 1f
  mov SI_ERRNO(%rsi), %ecx
  and $~0xff, %ecx
  cmp $WARREN_SENT_MARK, %ecx
  jne not_again
1:
  mov %rax, -16(%rsp)
2:
  mov $SYS_getpid, %eax
  syscall
signal_taken_ip:
  cmp $-EINTR, %rax
  je 2b
  mov -16(%rsp), %rax
  LEAVE

// To the process itself: nobody else has to look up whose number that is. The kernel gives such a
// caller's word for the sender, and has it handle the signal before the call returns. What ends or
// stops an init from inside, and what it has no handler for, does nothing (pid_namespaces(7)).
serve_kill:
  UNLESS_UNTRACED ask
  mov PID, %r11d
  test %r11d, %r11d
  jz ask
  cmp %r11d, %edi
  jne ask
  CHECK_OWN_SIGNAL %esi
  ENTER_OWN_SIGNAL
  mov %esi, %edx
  movl $SI_USER, SI_CODE(%rsp)
  mov $WARREN_PIDFD_SELF_THREAD_GROUP, %edi
  jmp signal_self

// A process of one thread.
serve_tgkill:
  UNLESS_UNTRACED ask
  mov PID, %r11d
  test %r11d, %r11d
  jz ask
  cmp %r11d, %edi
  jne ask
  mov TID, %r11d
  test %r11d, %r11d
  jz ask
  cmp %r11d, %esi
  jne ask
  CHECK_OWN_SIGNAL %edx
  ENTER_OWN_SIGNAL
  movl $SI_TKILL, SI_CODE(%rsp)
  mov $WARREN_PIDFD_SELF_THREAD, %edi

// The frame begins with a siginfo of which the code is there; edi: to whom; edx: the signal.
signal_self:
  mov %edx, (%rsp)
  // Not the remains of the stack: the handler may look at all of it.
  movl $0, SI_ERRNO(%rsp)
  movl $0, SI_CODE + 4(%rsp)
  movq $0, SI_UID + 4(%rsp)
  movq $0, SI_UID + 12(%rsp)
  movq $WARREN_OWN_CALL, WARREN_OWN_MARK_OFFSET(%rsp)
  mov PID, %eax
  mov %eax, SI_PID(%rsp)
  mov $SYS_getuid, %eax
  syscall
  mov %eax, SI_UID(%rsp)
  mov %edx, %esi
  cmpl $1, PID
  je signal_init
signal_known:
  mov %rsp, %rdx
  xor %r10d, %r10d
  mov $SYS_pidfd_send_signal, %eax
  syscall
signal_self_ip:
signal_sent:
  mov S_RETURN(%rsp), %rcx
  mov S_RDI(%rsp), %rdi
  mov S_RSI(%rsp), %rsi
  mov S_RDX(%rsp), %rdx
  mov S_R10(%rsp), %r10
  test %rax, %rax
  jnz 1f
  lea SIGNAL_FRAME(%rsp), %rsp
  jmp *%rcx
1:
  mov S_NR(%rsp), %eax
  lea SIGNAL_FRAME(%rsp), %rsp
  jmp ask

signal_init:
  mov %edi, S_TO(%rsp)
  mov %esi, %edi
  xor %esi, %esi
  lea S_ACTION(%rsp), %rdx
  mov $8, %r10d
  mov $SYS_rt_sigaction, %eax
  syscall
  mov %edi, %esi
  mov S_TO(%rsp), %edi
  // Not zero: the supervisor decides.
  mov $1, %eax
  cmpq $SIG_IGN, S_ACTION(%rsp)
  jbe signal_sent
  // Whoever is traced would be stopped for this one, and for each that follows.
  cmpq $0, IGNORED
  jne signal_known
  call leave_init
  jmp signal_known
