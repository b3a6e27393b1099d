// The code that runs in guests. It keeps nothing but a few bytes on the caller's stack, and leaves
// every register as the system call would: rax is the result, rcx and r11 are lost.
//
// A patched site jumps to the stub of its slot; the stub fetches where to return to (rcx), the
// call's number (eax), the slot's index (r11d) and the service, which knows the call's answer, or
// makes the call itself from one of two places: the trusted one, which the filter lets through, or
// the asking one, where it goes to the supervisor like any other. How it comes to be there, signals,
// forks and waiting are in files of their own.
#include <asm/errno.h>
#include <sys/syscall.h>

#include "inject/layout.h"

#define PID (WARREN_AGENT_STATE + 0)
#define TID (WARREN_AGENT_STATE + 4)
#define PPID_PLUS_1 (WARREN_AGENT_STATE + 8)
#define ORDINARY_PATHS (WARREN_AGENT_STATE + 16)
#define LEAVE_ALONE (WARREN_AGENT_STATE + WARREN_AGENT_LEAVE_ALONE_OFFSET)
#define KEY (WARREN_AGENT_STATE + WARREN_AGENT_KEY_OFFSET)
#define VFORK_KEY (WARREN_AGENT_STATE + WARREN_AGENT_VFORK_OFFSET)
#define VFORK_R9 (WARREN_AGENT_STATE + WARREN_AGENT_VFORK_OFFSET + 8)
#define VFORK_SCRATCH (WARREN_AGENT_STATE + WARREN_AGENT_VFORK_OFFSET + 16)
#define PLAIN_HANDLERS (WARREN_AGENT_STATE + WARREN_AGENT_PLAIN_HANDLERS_OFFSET)
#define IGNORED (WARREN_AGENT_STATE + WARREN_AGENT_IGNORED_OFFSET)
#define CHANGING (WARREN_AGENT_STATE + WARREN_AGENT_IGNORED_OFFSET + 8)
#define ASK_SIGNALS (WARREN_AGENT_STATE + WARREN_AGENT_IGNORED_OFFSET + 12)
#define CHILDREN (WARREN_AGENT_STATE + WARREN_AGENT_CHILDREN_OFFSET)
#define CHILD_MASK (WARREN_AGENT_NR_CHILDREN - 1)
#define ASK_PATHS (WARREN_AGENT_SHARED + 0)
#define SERVE_FORKS (WARREN_AGENT_SHARED + 4)
#define PROBE_PATHS (WARREN_AGENT_SHARED + 8)
#define TELL_WAITS (WARREN_AGENT_SHARED + 12)
#define SIGNAL_SELF (WARREN_AGENT_SHARED + 16)
#define SLOT0 (WARREN_AGENT_SLOTS + WARREN_AGENT_SLOT_SIZE)

// The second part of a stub: a fork that is asked for is made there.
#define ASKING_PART 28

#define AT_FDCWD -100
#define NSIG 64
#define SIG_SETMASK 2
#define PATH_MAX 4096
#define PAGE 4096

// The red zone, and a word for the return address.
#define FRAME 136
// Below it, behind the call's number: not zero if the call was made already (agent_query.S), and its
// result is in the word before.
#define ANSWERED -4

  .macro ENTER
  lea -FRAME(%rsp), %rsp
  mov %rcx, (%rsp)
  .endm

  .macro LEAVE
  mov (%rsp), %rcx
  lea FRAME(%rsp), %rsp
  jmp *%rcx
  .endm

  // A call's arguments, below the red zone.
  .macro PUSH_ARGUMENTS
  lea -128(%rsp), %rsp
  push %rdi
  push %rsi
  push %rdx
  push %r10
  push %r8
  push %r9
  .endm

  .macro POP_ARGUMENTS
  pop %r9
  pop %r8
  pop %r10
  pop %rdx
  pop %rsi
  pop %rdi
  lea 128(%rsp), %rsp
  .endm

  // rsi, rdx: the mask and where the old one goes, or 0. Uses rax, rcx, rdi, r10, r11.
  .macro SET_SIGNAL_MASK
  mov $SIG_SETMASK, %edi
  mov $8, %r10d
  mov $SYS_rt_sigprocmask, %eax
  syscall
  .endm

  // Goes to `instead` where guests are traced, or this one is to ask for everything.
  .macro UNLESS_UNTRACED instead
  cmpl $0, SERVE_FORKS
  je \instead
  cmpl $0, LEAVE_ALONE
  jne \instead
  .endm

  // Whether the page of the word at rsi can be read ("equal"), without a fault: the kernel reads
  // the set of signals before it looks at what to do with it, which is nothing that it knows.
  // Uses rax, rcx, rdx, rdi, r10, r11.
  .macro PROBE
  mov $-1, %edi
  xor %edx, %edx
  mov $8, %r10d
  mov $SYS_rt_sigprocmask, %eax
  syscall
  cmp $-EINVAL, %rax
  .endm

  .text
  .globl warren_agent_header
warren_agent_header:
  .quad 0x0a746e6567617721
  .quad trusted_ip
  .quad asking_ip
  .quad ppid_ip
  .quad reader_begin
  .quad reader_end
  .quad reader_failed
  .quad boot
  .quad SYS_setns
  .quad trampoline
  .quad trampoline_end - trampoline
  .quad trampoline_failed_ip - trampoline
  .quad booted_ip
  .quad stubs
  .quad WARREN_AGENT_STUB_SIZE
  .quad begin_ip
  .quad begin_fork_ip
  .quad begin_vfork_ip
  .quad failed_ip
  .quad forked_ip
  .quad register_ip
  .quad vforked_ip
  .quad WARREN_AGENT_CLONE_STUB_SIZE
  .quad clone_stubs
  .quad clone_stubs_end
  .quad fork_asking_ip
  .quad wait_target_ip
  .quad wait_ip
  .quad wait_framed
  .quad wait_saved
  .quad wait_frame_size
  .quad ask_wait
  .quad waited_ip
  .quad sigwait_ip
  .quad signal_taken_ip
  .quad init_acts_ip
  .quad leave_init_ip
  .quad signal_self_ip
  .quad ask
  .quad serve_pid
  .quad serve_tid
  .quad serve_ppid
  .quad serve_path0
  .quad serve_path1
  .quad serve_path_at_cwd
  .quad serve_directory
  .quad serve_clone
  .quad serve_fork
  .quad serve_vfork
  .quad serve_clone3
  .quad serve_wait4
  .quad serve_sigaction
  .quad serve_sigwait
  .quad serve_exec
  .quad query_stat0
  .quad query_stat1
  .quad query_statx
  .quad query_access0
  .quad query_access1
  .quad query_readlink0
  .quad query_readlink1
  .quad serve_kill
  .quad serve_tgkill

// The supervisor does it.
ask:
  ENTER
  mov %eax, -8(%rsp)
ask_framed:
  syscall
asking_ip:
  cmp $-EINTR, %rax
  je interrupted
not_again:
  LEAVE

// Where nobody traces, a signal that comes before the supervisor has taken the call is seen here.
// Of what the agent serves, only these wait for something, and may have been interrupted in that.
interrupted:
  cmpl $0, SERVE_FORKS
  je not_again
  mov -8(%rsp), %ecx
  cmp $SYS_open, %ecx
  je not_again
  cmp $SYS_creat, %ecx
  je not_again
  cmp $SYS_openat, %ecx
  je not_again
  cmp $SYS_openat2, %ecx
  je not_again
  cmp $SYS_wait4, %ecx
  je not_again
  cmp $SYS_rt_sigtimedwait, %ecx
  je not_again
  mov %ecx, %eax
  jmp ask_framed

  .macro SERVE_NUMBER name, word
\name:
  mov \word, %r11d
  test %r11d, %r11d
  jz ask
  mov %r11d, %eax
  jmp *%rcx
  .endm

  SERVE_NUMBER serve_pid, PID
  SERVE_NUMBER serve_tid, TID

// Where nobody traces, a parent's death is known late; but the host's kernel says at once that there
// is another parent.
serve_ppid:
  UNLESS_UNTRACED ppid_that_holds
  ENTER
  mov %eax, -8(%rsp)
  syscall
ppid_ip:
  mov PPID_PLUS_1, %r11
  mov %r11, %rcx
  shr $32, %rcx
  cmp %ecx, %eax
  jne asked_for
  test %r11d, %r11d
  jz asked_for
  lea -1(%r11), %eax
  LEAVE
ppid_that_holds:
  mov PPID_PLUS_1, %r11d
  test %r11d, %r11d
  jz ask
  lea -1(%r11), %eax
  jmp *%rcx

serve_directory:
  cmpl $0, ORDINARY_PATHS
  je ask
  ENTER
trusted_framed:
  syscall
trusted_ip:
  LEAVE

serve_path0:
  mov %rdi, %r11
  jmp serve_path
serve_path_at_cwd:
  mov $AT_FDCWD, %edi
serve_path1:
  mov %rsi, %r11
serve_path:
  cmpl $0, ORDINARY_PATHS
  je ask
  cmpl $0, ASK_PATHS
  jne ask
  // What is no address for sure (none, a small number, -1) is not tried: the kernel takes a fault
  // for a reason to end a SIGSEGV's being blocked or ignored.
  cmp $0x10000, %r11
  jl ask
  ENTER
  mov %rax, -8(%rsp)
path_framed:
  cmpl $0, PROBE_PATHS
  jne probe_path
readable:
  mov $PATH_MAX, %ecx
// mentions_proc() of path_text.h: r11 goes along the path, al is the character there.
reader_begin:
component:
  movzbl (%r11), %eax
  cmp $'p', %al
  je perhaps_proc
  cmp $'f', %al
  je perhaps_fd
character:
  test %al, %al
  jz ordinary
  inc %r11
  dec %ecx
  jz asked_for
  cmp $'/', %al
  je component
  movzbl (%r11), %eax
  jmp character
perhaps_proc:
  cmpb $'r', 1(%r11)
  jne character
  cmpb $'o', 2(%r11)
  jne character
  cmpb $'c', 3(%r11)
  jne character
  cmpb $0, 4(%r11)
  je asked_for
  cmpb $'/', 4(%r11)
  je asked_for
  jmp character
perhaps_fd:
  cmpb $'d', 1(%r11)
  jne character
  cmpb $0, 2(%r11)
  je asked_for
  cmpb $'/', 2(%r11)
  je asked_for
  jmp character
reader_end:
ordinary:
  cmpl $0, ANSWERED(%rsp)
  jne 1f
  mov -8(%rsp), %eax
  jmp trusted_framed
1:
  mov -16(%rsp), %rax
  LEAVE
reader_failed:
asked_for:
  mov -8(%rsp), %eax
  jmp ask_framed

// Looks for the path's end, and into no page without asking whether it can be read: the reader
// does not go beyond that end. Below the stack pointer, signals leave 128 bytes alone.
probe_path:
  mov %r11, -16(%rsp)
  mov %rdi, -24(%rsp)
  mov %rsi, -32(%rsp)
  mov %rdx, -40(%rsp)
  mov %r10, -48(%rsp)
  mov %r11, %rsi
  and $-8, %rsi
1:
  PROBE
  jne 3f
  mov -16(%rsp), %r11
  lea PATH_MAX(%r11), %rcx
  // The path's first byte, or the page's.
  cmp %r11, %rsi
  cmova %rsi, %r11
2:
  cmpb $0, (%r11)
  je 3f
  inc %r11
  cmp %rcx, %r11
  je 4f
  test $(PAGE - 1), %r11d
  jnz 2b
  mov %r11, %rsi
  jmp 1b
4:
  test %rcx, %rcx  // not "equal"
3:
  mov -24(%rsp), %rdi
  mov -32(%rsp), %rsi
  mov -40(%rsp), %rdx
  mov -48(%rsp), %r10
  jne asked_for
  mov -16(%rsp), %r11
  jmp readable

#include "inject/agent_query.S"
#include "inject/agent_boot.S"
#include "inject/agent_signal.S"
#include "inject/agent_init.S"
#include "inject/agent_wait.S"
#include "inject/agent_fork.S"

  .macro STUB fork_asking_place=
  .org stubs + number * WARREN_AGENT_STUB_SIZE
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 8, %rcx
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 24, %eax
  mov $number, %r11d
  jmp *SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 16
  .org stubs + number * WARREN_AGENT_STUB_SIZE + ASKING_PART
  syscall
  .ifnb \fork_asking_place
\fork_asking_place:
  .endif
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 8, %rcx
  jmp *%rcx
  .endm

  .balign 64
stubs:
  .set number, 0
  STUB fork_asking_ip
  .rept WARREN_AGENT_NR_SLOTS - 1
  .set number, number + 1
  STUB
  .endr
  .org stubs + WARREN_AGENT_NR_SLOTS * WARREN_AGENT_STUB_SIZE

  .org warren_agent_header + (WARREN_AGENT_SHARED - WARREN_AGENT_BASE)

  .section .note.GNU-stack, "", @progbits
