// rt_sigaction(2) and rt_sigtimedwait(2) of guests that nobody traces. Part of agent.S.

#define SIGPIPE 13
#define SIGALRM 14
#define SIGCHLD 17
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGIO 29
#define SIG_IGN 1
#define SA_FLAGS 8  // in the kernel's struct sigaction
#define SA_SIGINFO 4
#define SA_RESTART 0x10000000
#define SI_ERRNO 4  // in siginfo_t
#define SI_CODE 8
#define SI_QUEUE -1
#define SI_TIMER -2
#define SI_KERNEL 0x80

// A handler that sees a number of the host's needs the supervisor; most see none. Only signals by
// which the kernel tells one are looked at by it, as in the table of calls; of all, State says which
// handlers need no stop.
serve_sigaction:
  lea -1(%rdi), %r11d
  cmp $(NSIG - 1), %r11d
  ja 1f
  btq %r11, IGNORED
  jc sigaction_of_init
1:
  UNLESS_UNTRACED ask
sigaction_by_flags:
  test %rsi, %rsi
  jz 2f
  lea -1(%rdi), %r11d
  cmp $(NSIG - 1), %r11d
  ja 2f
  ENTER
  mov %eax, -8(%rsp)
  mov %rdi, -24(%rsp)
  mov %rsi, -32(%rsp)
  mov %rdx, -40(%rsp)
  mov %r10, -48(%rsp)
  // Whether its begin can be read, and then its flags.
  PROBE
  jne 3f
  add $SA_FLAGS, %rsi
  PROBE
3:
  mov -24(%rsp), %rdi
  mov -32(%rsp), %rsi
  mov -40(%rsp), %rdx
  mov -48(%rsp), %r10
  jne asked_for
  mov -8(%rsp), %eax
  lea -1(%rdi), %ecx
  testl $SA_SIGINFO, SA_FLAGS(%rsi)
  jnz sees_sender
  testl $SA_RESTART, SA_FLAGS(%rsi)
  jz 1f
  // Neither ignored nor the default: a child of vfork, which has its parent's State, sets those.
  cmpq $SIG_IGN, (%rsi)
  jbe 1f
  lock btsq %rcx, PLAIN_HANDLERS
  jmp trusted_framed
1:
  lock btrq %rcx, PLAIN_HANDLERS
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
