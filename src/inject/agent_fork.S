// clone(2), fork(2), vfork(2) and clone3(2) of guests that nobody traces. Part of agent.S.
//
// The supervisor hears of a fork before it (begin), and after it from whoever needs an answer: the
// child (register), the parent (forked; vforked once its memory is its own again), the caller of one
// that failed (failed). These are private calls: getpid from places of their own (layout.h). What
// begin answers, the key, is in r9 from then on, in parent and child. It may say that the fork is a
// quiet one; then nobody tells of it, and the supervisor looks into State when it wants to know.
//
// A vfork's child returns to the guest while its parent is suspended on the same stack, a thread
// begins on another stack; so what follows the call itself must know its slot without either. It
// therefore stands once for each slot, in the clone stubs. They end in the shared code below with
// the return address in rcx and the call's number in r11d.

#define CLONE_VM 0x100
#define CLONE_PIDFD 0x1000
#define CLONE_VFORK 0x4000
#define CLONE_PARENT 0x8000
#define CLONE_THREAD 0x10000
#define CLONE_THREAD_BIT 16
#define CLONE_PARENT_SETTID 0x100000
#define CLONE_DETACHED 0x400000
#define CLONE_CHILD_SETTID 0x1000000
#define CSIGNAL 0xff
// Numbers in the kernel's sense, which the supervisor writes instead.
#define SET_TIDS (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID)

// struct clone_args
#define ARGS_FLAGS 0
#define ARGS_CHILD_TID 16
#define ARGS_PARENT_TID 24
#define ARGS_EXIT_SIGNAL 32
#define ARGS_STACK 40
#define ARGS_STACK_SIZE 48
#define ARGS_TLS 56
#define ARGS_SIZE_VER0 64
#define ARGS_SIZE 88

#define KEY_NUMBER 0x1fffffff
#define KEY_QUIET_BIT 29
#define KEY_VFORK_BIT 30
#define KEY_INIT_BIT 31
// CLONE_CHILD_SETTID, while it hides in the upper half.
#define PACKED_CHILD_SETTID_BIT 56

// The frame, below the red zone.
#define F_RETURN 0
#define F_INDEX 8
#define F_NR 12
#define F_ERROR 16
#define F_RDI 24
#define F_RSI 32
#define F_RDX 40
#define F_R10 48
#define F_R8 56
#define F_R9 64
#define F_FLAGS 72
#define F_MASK 80
#define F_HANDLERS 88
#define F_IGNORED 96
#define FORK_FRAME 240

// What clone3's child needs of its parent's registers lies in one aligned piece of its own stack:
// below its stack pointer, but inside its red zone.
#define PIECE 64

  .macro ENTER_FORK
  lea -FORK_FRAME(%rsp), %rsp
  mov %rcx, F_RETURN(%rsp)
  mov %r11d, F_INDEX(%rsp)
  mov %eax, F_NR(%rsp)
  mov %rdi, F_RDI(%rsp)
  mov %rsi, F_RSI(%rsp)
  mov %rdx, F_RDX(%rsp)
  mov %r10, F_R10(%rsp)
  mov %r8, F_R8(%rsp)
  mov %r9, F_R9(%rsp)
  .endm

  // All that clone3 changes for its own use; r9 is the caller's.
  .macro RESTORE_ARGUMENTS
  mov F_RDI(%rsp), %rdi
  mov F_RSI(%rsp), %rsi
  mov F_RDX(%rsp), %rdx
  mov F_R10(%rsp), %r10
  mov F_R8(%rsp), %r8
  .endm

  .macro BEGIN place
9:
  mov $SYS_getpid, %eax
  syscall
\place:
  cmp $-EINTR, %rax
  je 9b
  cmp $-4095, %rax
  jae not_begun
  mov %rax, %r9
  .endm

  // The flags that hid in the upper half. Uses rax.
  .macro UNPACK_FLAGS
  mov %rdi, %rax
  shr $32, %rax
  mov %edi, %edi
  or %rax, %rdi
  .endm

serve_fork:
  UNLESS_UNTRACED ask_fork
  ENTER_FORK
  BEGIN begin_fork_ip
  jmp go_fork

serve_vfork:
  UNLESS_UNTRACED ask_fork
  ENTER_FORK
  BEGIN begin_vfork_ip
go_fork:
  mov F_NR(%rsp), %eax
go:
  bt $KEY_INIT_BIT, %r9
  jnc 1f
  call ignore_signals
1:
  bt $KEY_QUIET_BIT, %r9
  jc begin_quiet
  // Children that tell of themselves do not restore them. Threads need not.
  cmpq $0, IGNORED
  je go_loud
  cmp $SYS_clone, %eax
  jne 1f
  bt $CLONE_THREAD_BIT, %edi
  jc go_loud
1:
  mov $go_loud, %r11d
  jmp act_as_init
go_loud:
  mov F_INDEX(%rsp), %r11d
  imul $WARREN_AGENT_CLONE_STUB_SIZE, %r11d, %r11d
  lea clone_stubs(%r11), %r11
  jmp *%r11

// From a place of this slot's own, with nothing on the stack: parent and child find their way back
// however the supervisor lets the call happen.
ask_fork:
  imul $WARREN_AGENT_STUB_SIZE, %r11d, %r11d
  lea stubs + ASKING_PART(%r11), %r11
  jmp *%r11

serve_clone:
  UNLESS_UNTRACED ask_fork
  ENTER_FORK
  // The upper half of the flags is needed below.
  mov %rdi, %rax
  shr $32, %rax
  jnz ask_unusual
  // Two that run on one stack at once: not with a frame on it.
  test %rsi, %rsi
  jnz go_clone
  mov %edi, %eax
  and $(CLONE_VM | CLONE_VFORK), %eax
  cmp $CLONE_VM, %eax
  je ask_unusual
go_clone:
  // An init that is to have threads goes untraced while it has one: its signals are its own to
  // change from then on.
  bt $CLONE_THREAD_BIT, %edi
  jnc 2f
  cmpl $1, PID
  jne 2f
  cmpq $0, IGNORED
  jne 2f
  cmpl $0, ASK_SIGNALS
  jne 2f
  call leave_init
2:
  BEGIN begin_ip
  // The kernel looks at the lower half only.
  mov %edi, %ecx
  and $SET_TIDS, %ecx
  xor %ecx, %edi
  shl $32, %rcx
  or %rcx, %rdi
  mov $SYS_clone, %eax
  jmp go

not_begun:
  cmp $-ENOSYS, %rax
  jne return_framed
ask_unusual:
  RESTORE_ARGUMENTS
  mov F_NR(%rsp), %eax
  mov F_INDEX(%rsp), %r11d
  lea FORK_FRAME(%rsp), %rsp
  jmp ask_fork

clone_failed:
  mov %rax, F_ERROR(%rsp)
1:
  mov $SYS_getpid, %eax
  syscall
failed_ip:
  cmp $-EINTR, %rax
  je 1b
  mov F_ERROR(%rsp), %rax
  jmp return_with_r9

// A parent that nobody shared the stack with: it waits until its child is known. The key is told
// with the host's number in place of its own.
clone_parent:
  shr $32, %r9
  shl $32, %r9
  mov %eax, %eax
  or %rax, %r9
1:
  mov $SYS_getpid, %eax
  syscall
forked_ip:
  cmp $-EINTR, %rax
  je 1b
return_with_r9:
  mov F_R9(%rsp), %r9
return_framed:
  mov F_RETURN(%rsp), %rcx
return_arguments:
  RESTORE_ARGUMENTS
leave_fork:
  lea FORK_FRAME(%rsp), %rsp
  jmp *%rcx

// Signals wait until both have noted what there is to note: a handler might wait for the child, or
// make a call that nobody could say whose it is.
begin_quiet:
  bt $KEY_VFORK_BIT, %r9
  jc begin_quiet_vfork
  mov %eax, F_NR(%rsp)
  mov %rdi, F_FLAGS(%rsp)
  mov PLAIN_HANDLERS, %rsi
  mov %rsi, F_HANDLERS(%rsp)
  mov IGNORED, %rsi
  mov %rsi, F_IGNORED(%rsp)
  mov $all_signals, %esi
  lea F_MASK(%rsp), %rdx
  SET_SIGNAL_MASK
  mov F_FLAGS(%rsp), %rdi
  mov F_RSI(%rsp), %rsi
  mov F_RDX(%rsp), %rdx
  mov F_R10(%rsp), %r10
  mov F_NR(%rsp), %eax
  jmp quiet_fork

quiet_failed:
  mov %rax, F_ERROR(%rsp)
  lea F_MASK(%rsp), %rsi
  xor %edx, %edx
  SET_SIGNAL_MASK
  mov F_ERROR(%rsp), %rax
  jmp clone_failed

quiet_parent:
  mov %r9d, %ecx
  and $KEY_NUMBER, %ecx
  mov %ecx, %r9d
  // Both numbers in one word: the supervisor and other threads may look at any time.
  shl $32, %rax
  or %r9, %rax
  and $CHILD_MASK, %ecx
  mov %rax, CHILDREN(, %rcx, 8)
  mov %r9, F_ERROR(%rsp)
  jmp end_quiet

// Its State is all zeroes so far.
quiet_child:
  mov %r9, KEY
  mov F_HANDLERS(%rsp), %rcx
  mov %rcx, PLAIN_HANDLERS
  mov %r9d, %ecx
  and $KEY_NUMBER, %ecx
  mov %ecx, PID
  mov %ecx, TID
  movq $0, F_ERROR(%rsp)
  cmpl $SYS_clone, F_NR(%rsp)
  jne child_noted
  bt $PACKED_CHILD_SETTID_BIT, %rdi
  jnc child_noted
  // A bad address is the guest's own affair, as in the kernel: this call writes a word there, or not.
  // None at all is allowed here.
  mov %r10, %rdi
  test %rdi, %rdi
  jz child_noted
  xor %esi, %esi
  xor %edx, %edx
  mov $SYS_getcpu, %eax
  syscall
  test %rax, %rax
  jnz child_noted
  mov TID, %eax
  mov %eax, (%rdi)
child_noted:
  mov F_IGNORED(%rsp), %r9
  RESTORE_SIGNALS
end_quiet:
  lea F_MASK(%rsp), %rsi
  xor %edx, %edx
  SET_SIGNAL_MASK
  mov F_ERROR(%rsp), %rax
  jmp return_with_r9

  .balign 8
all_signals:
  .quad -1

// The frame is only good until the child returns, and registers are the guest's: what parent and
// child need is in State, which they share.
begin_quiet_vfork:
  mov F_R9(%rsp), %r11
  mov %r11, VFORK_R9
  mov %r9, VFORK_KEY
  mov F_INDEX(%rsp), %r11d
  imul $WARREN_AGENT_QUIET_STUB_SIZE, %r11d, %r11d
  lea quiet_stubs(%r11), %r11
  jmp *%r11

// rcx and r11d as behind a private call in a stub.
quiet_vforked:
  test %rax, %rax
  js quiet_vfork_failed
  jz 1f
  // The child has memory of its own, or has ended: State is the parent's alone again.
  mov %r11, VFORK_SCRATCH
  mov %r9d, %r11d
  and $CHILD_MASK, %r11d
  mov %eax, CHILDREN + 4(, %r11, 8)
  mov %r9d, %eax
  and $KEY_NUMBER, %eax
  mov %eax, CHILDREN(, %r11, 8)
  movq $0, VFORK_KEY
  mov VFORK_SCRATCH, %r11
  mov VFORK_R9, %rax
  jmp vforked_parent
1:
  cmpq $0, IGNORED
  jne restore_vforked
vforked_child:
  mov VFORK_R9, %rax
  jmp clone_child
quiet_vfork_failed:
  movq $0, VFORK_KEY
  jmp clone_failed

// A parent that was suspended. rax: its r9.
vforked_parent:
  xchg %rax, %r9
  and $KEY_NUMBER, %eax
  // The child had a stack of its own, and the frame is whole.
  cmp $SYS_clone3, %r11d
  je return_arguments
  cmp $SYS_clone, %r11d
  jne leave_fork
  mov %rax, %r11
  UNPACK_FLAGS
  mov %r11, %rax
  jmp leave_fork

// rax: its r9.
clone_child:
  mov %rax, %r9
  cmp $SYS_clone3, %r11d
  je clone3_child
  cmp $SYS_clone, %r11d
  jne 1f
  UNPACK_FLAGS
  test %rsi, %rsi
  jnz 2f
1:
  lea FORK_FRAME(%rsp), %rsp
2:
  xor %eax, %eax
  jmp *%rcx
clone3_child:
  mov %rsp, %rdi
  and $-PIECE, %rdi
  mov -PIECE + 8(%rdi), %rsi
  mov -PIECE + 16(%rdi), %rdx
  mov -PIECE + 24(%rdi), %r10
  mov -PIECE + 32(%rdi), %r8
  mov -PIECE(%rdi), %rdi
  jmp 2b

// Becomes clone(2) where that can do the same.
serve_clone3:
  UNLESS_UNTRACED ask_fork
  ENTER_FORK
  lea -ARGS_SIZE_VER0(%rsi), %rax
  cmp $(ARGS_SIZE - ARGS_SIZE_VER0), %rax
  ja ask_unusual
  test $7, %al
  jnz ask_unusual
  // Whether both its ends can be read: it is smaller than a page.
  lea -8(%rdi, %rsi), %r8
  mov %rdi, %rsi
  PROBE
  jne ask_unusual
  mov %r8, %rsi
  PROBE
  jne ask_unusual
  mov F_RDI(%rsp), %rcx
  // set_tid, set_tid_size, cgroup
  lea ARGS_SIZE_VER0(%rcx), %rax
1:
  cmp %r8, %rax
  ja 2f
  cmpq $0, (%rax)
  jne ask_unusual
  add $8, %rax
  jmp 1b
2:
  mov ARGS_FLAGS(%rcx), %rdi
  mov %rdi, %rax
  shr $32, %rax
  jnz ask_unusual
  test $(CSIGNAL | CLONE_PIDFD | CLONE_DETACHED), %edi
  jnz ask_unusual
  mov ARGS_EXIT_SIGNAL(%rcx), %rax
  cmp $NSIG, %rax
  ja ask_unusual
  // clone(2) would take it.
  test $(CLONE_THREAD | CLONE_PARENT), %edi
  jz 3f
  test %rax, %rax
  jnz ask_unusual
3:
  or %rax, %rdi
  mov ARGS_STACK(%rcx), %rdx
  test %rdx, %rdx
  jz ask_unusual
  mov ARGS_STACK_SIZE(%rcx), %r8
  cmp $0x1000, %r8
  jb ask_unusual
  add %rdx, %r8
  jc ask_unusual
  // A child on the part of the stack that the frame is on.
  lea FORK_FRAME(%rsp), %rax
  cmp %rax, %rdx
  jae 4f
  cmp %rsp, %r8
  ja ask_unusual
4:
  // Whether it can be written: the present mask of signals is, there.
  mov %r8, %rdx
  and $-PIECE, %rdx
  sub $PIECE, %rdx
  xor %esi, %esi
  mov $8, %r10d
  mov $SYS_rt_sigprocmask, %eax
  syscall
  test %rax, %rax
  jnz ask_unusual
  mov F_RDI(%rsp), %rcx
  mov %rcx, (%rdx)
  mov F_RSI(%rsp), %rax
  mov %rax, 8(%rdx)
  mov F_RDX(%rsp), %rax
  mov %rax, 16(%rdx)
  mov F_R10(%rsp), %rax
  mov %rax, 24(%rdx)
  mov F_R8(%rsp), %rax
  mov %rax, 32(%rdx)
  mov %r8, %rsi
  mov ARGS_PARENT_TID(%rcx), %rdx
  mov ARGS_CHILD_TID(%rcx), %r10
  mov ARGS_TLS(%rcx), %r8
  jmp go_clone

  .macro PRIVATE_CALL place=
9:
  mov $SYS_getpid, %eax
  syscall
  .ifnb \place
\place:
  .endif
  cmp $-EINTR, %rax
  je 9b
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 8, %rcx
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 24, %r11d
  .endm

  // All are of one length, and their parts at one distance: no jump may be a short one.
  .macro CLONE_STUB register_place=, vforked_place=
  .org clone_stubs + number * WARREN_AGENT_CLONE_STUB_SIZE
  syscall
  test %rax, %rax
  {disp32} js clone_failed
  jz 1f
  bt $KEY_VFORK_BIT, %r9
  {disp32} jnc clone_parent
  PRIVATE_CALL \vforked_place
  {disp32} jmp vforked_parent
1:
  PRIVATE_CALL \register_place
  {disp32} jmp clone_child
  .endm

  .balign 64
clone_stubs:
  .set number, 0
  CLONE_STUB register_ip, vforked_ip
  .rept WARREN_AGENT_NR_SLOTS - 1
  .set number, number + 1
  CLONE_STUB
  .endr
  .org clone_stubs + WARREN_AGENT_NR_SLOTS * WARREN_AGENT_CLONE_STUB_SIZE
// Both come back to the frame on a stack of their own.
quiet_fork:
  syscall
  test %rax, %rax
  js quiet_failed
  jz quiet_child
  jmp quiet_parent

  .macro QUIET_STUB
  .org quiet_stubs + number * WARREN_AGENT_QUIET_STUB_SIZE
  syscall
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 8, %rcx
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 24, %r11d
  jmp quiet_vforked
  .endm

quiet_stubs:
  .set number, 0
  .rept WARREN_AGENT_NR_SLOTS
  QUIET_STUB
  .set number, number + 1
  .endr
  .org quiet_stubs + WARREN_AGENT_NR_SLOTS * WARREN_AGENT_QUIET_STUB_SIZE
clone_stubs_end:
