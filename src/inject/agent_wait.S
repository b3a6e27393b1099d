// wait4(2) of guests that nobody traces. Part of agent.S.
//
// The call itself is made with the host's numbers, so that nobody else has to wait in the guest's
// place; the supervisor translates the target before it and the result after it.

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
#define W_RUSAGE 40
#define SIZEOF_RUSAGE 144
#define WAIT_FRAME (W_RUSAGE + SIZEOF_RUSAGE + 128)

serve_wait4:
  cmpl $0, SERVE_FORKS
  je ask
  test $(0xffffffff - KNOWN_OPTIONS), %edx
  jnz ask
  lea -WAIT_FRAME(%rsp), %rsp
  mov %rcx, W_RETURN(%rsp)
  mov %rdi, W_RDI(%rsp)
  mov %r10, W_R10(%rsp)
  mov %r8, W_R8(%rsp)
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
  test %r10, %r10
  jnz wait
  lea W_RUSAGE(%rsp), %r10
wait:
  mov $SYS_wait4, %eax
  syscall
wait_ip:
  test %rax, %rax
  jle return_wait
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
  mov W_R10(%rsp), %r10
  mov W_R8(%rsp), %r8
  lea WAIT_FRAME(%rsp), %rsp
  jmp *%rcx

ask_wait:
  mov W_RETURN(%rsp), %rcx
  mov W_RDI(%rsp), %rdi
  mov W_R8(%rsp), %r8
  mov $SYS_wait4, %eax
  lea WAIT_FRAME(%rsp), %rsp
  jmp ask
