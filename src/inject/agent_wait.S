// wait4(2) of guests that nobody traces. Part of agent.S.
//
// The call itself is made with the host's numbers, so that nobody else has to wait in the guest's
// place. State knows those of the children that this process made itself; for others the supervisor
// translates the target before it and the result after it.

#define WNOHANG 0x1
#define WUNTRACED 0x2
#define WCONTINUED 0x8
#define WNOTHREAD 0x20000000
#define WALL 0x40000000
#define WCLONE 0x80000000
#define KNOWN_OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE)

// The frame, below the red zone.
#define W_RETURN 0
#define W_RDI 8
#define W_R10 16
#define W_R8 24
#define W_TARGET 32
#define W_RSI 40
#define W_STATUS 48
#define W_RUSAGE 56
#define SIZEOF_RUSAGE 144
#define WAIT_FRAME (W_RUSAGE + SIZEOF_RUSAGE + 128)

// How a child that only stops or goes on says so, in the low bits of its status.
#define NOT_ENDED 0x7f

  .set wait_frame_size, WAIT_FRAME

serve_wait4:
  UNLESS_UNTRACED ask
  test $(0xffffffff - KNOWN_OPTIONS), %edx
  jnz ask
  lea -WAIT_FRAME(%rsp), %rsp
wait_framed:
  mov %rcx, W_RETURN(%rsp)
  mov %rdi, W_RDI(%rsp)
  mov %rsi, W_RSI(%rsp)
  mov %r10, W_R10(%rsp)
  mov %r8, W_R8(%rsp)
wait_saved:
  movslq %edi, %rdi
  mov %rdi, %r8
  // Any child, or one of the caller's own group.
  lea 1(%rdi), %rax
  cmp $1, %rax
  jbe targeted
  // A child that this process forked itself.
  mov %edi, %eax
  and $CHILD_MASK, %eax
  mov CHILDREN(, %rax, 8), %rax
  cmp %eax, %edi
  jne 1f
  shr $32, %rax
  mov %rax, %rdi
  jmp targeted
1:
  mov $SYS_getpid, %eax
  syscall
wait_target_ip:
  cmp $-EINTR, %rax
  je 1b
  cmp $-4095, %rax
  jae no_target
  test %rdi, %rdi
  mov %rax, %rdi
  jns targeted
  neg %rdi
targeted:
  mov %rdi, W_TARGET(%rsp)
  test %rsi, %rsi
  jnz 1f
  lea W_STATUS(%rsp), %rsi
1:
  // Who waits may be asked for it by the time that the child ends.
  test %r10, %r10
  jnz wait
  lea W_RUSAGE(%rsp), %r10
wait:
  mov $SYS_wait4, %eax
  syscall
wait_ip:
  test %rax, %rax
  jle return_wait
  cmpl $0, TELL_WAITS
  jne tell
  xor %ecx, %ecx
1:
  mov CHILDREN(, %rcx, 8), %r11
  mov %r11, %rdi
  shr $32, %rdi
  cmp %eax, %edi
  jne 2f
  // Neither empty nor of one that was waited for: such numbers are negative.
  test %r11d, %r11d
  jg found
2:
  inc %ecx
  cmp $WARREN_AGENT_NR_CHILDREN, %ecx
  jb 1b
tell:
  mov %rax, %rdi
1:
  mov $SYS_getpid, %eax
  syscall
waited_ip:
  cmp $-EINTR, %rax
  je 1b
  test %rax, %rax
  jnz forget_child
  // A child that the guest does not see.
  mov W_TARGET(%rsp), %rdi
  jmp wait

found:
  mov (%rsi), %edi
  and $NOT_ENDED, %edi
  cmp $NOT_ENDED, %edi
  je 1f
  mov %r11, %rax
  mov $WARREN_CHILD_REAPED, %edi
  or %r11, %rdi
  lock cmpxchg %rdi, CHILDREN(, %rcx, 8)
1:
  mov %r11d, %eax
  // Whoever asked for one child by a number gets that.
  test %r8, %r8
  cmovg %r8, %rax
  jmp return_wait

// Its number may become another's.
forget_child:
  mov %eax, %ecx
  and $CHILD_MASK, %ecx
  cmp %eax, CHILDREN(, %rcx, 8)
  jne return_wait
  movq $0, CHILDREN(, %rcx, 8)
  jmp return_wait

no_target:
  cmp $-ENOSYS, %rax
  je ask_wait
return_wait:
  mov W_RETURN(%rsp), %rcx
  mov W_RDI(%rsp), %rdi
  mov W_RSI(%rsp), %rsi
  mov W_R10(%rsp), %r10
  mov W_R8(%rsp), %r8
  lea WAIT_FRAME(%rsp), %rsp
  jmp *%rcx

ask_wait:
  mov W_RETURN(%rsp), %rcx
  mov W_RDI(%rsp), %rdi
  mov W_RSI(%rsp), %rsi
  mov W_R10(%rsp), %r10
  mov W_R8(%rsp), %r8
  mov $SYS_wait4, %eax
  lea WAIT_FRAME(%rsp), %rsp
  jmp ask
