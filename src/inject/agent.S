// The code that runs in guests. It keeps nothing but a few bytes on the caller's stack, and leaves
// every register as the system call would: rax is the result, rcx and r11 are lost.
//
// A patched site jumps to the stub of its slot; the stub fetches where to return to (rcx), the
// call's number (eax) and the service, which knows the call's answer, or makes the call itself from
// one of two places: the trusted one, which the filter lets through, or the asking one, where it
// goes to the supervisor like any other.
#include <sys/syscall.h>

#include "inject/layout.h"

#define PID (WARREN_AGENT_STATE + 0)
#define TID (WARREN_AGENT_STATE + 4)
#define PPID_PLUS_1 (WARREN_AGENT_STATE + 8)
#define ORDINARY_PATHS (WARREN_AGENT_STATE + 12)
#define ASK_PATHS WARREN_AGENT_SHARED
#define SLOT0 (WARREN_AGENT_SLOTS + WARREN_AGENT_SLOT_SIZE)

#define AT_FDCWD -100

// The red zone, and a word for the return address.
#define FRAME 136

  .macro ENTER
  lea -FRAME(%rsp), %rsp
  mov %rcx, (%rsp)
  .endm

  .macro LEAVE
  mov (%rsp), %rcx
  lea FRAME(%rsp), %rsp
  jmp *%rcx
  .endm

  .text
  .globl warren_agent_header
warren_agent_header:
  .quad 0x0a746e6567617721
  .quad trusted_ip
  .quad asking_ip
  .quad reader_begin
  .quad reader_end
  .quad reader_failed
  .quad boot
  .quad SYS_setns
  .quad stubs
  .quad (stubs_end - stubs) / WARREN_AGENT_NR_SLOTS
  .quad ask
  .quad serve_pid
  .quad serve_tid
  .quad serve_ppid
  .quad serve_path0
  .quad serve_path1
  .quad serve_path_at_cwd
  .quad serve_directory

// The supervisor does it.
ask:
  ENTER
ask_framed:
  syscall
asking_ip:
  LEAVE

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

serve_ppid:
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
  mov %eax, -8(%rsp)
  mov $4096, %ecx  // PATH_MAX
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
  mov -8(%rsp), %eax
  jmp trusted_framed
reader_failed:
asked_for:
  mov -8(%rsp), %eax
  jmp ask_framed

// Runs once in each program: the private pages, then gone with the descriptor. The supervisor waits
// for the last call, which the filter shows it, and puts the program's registers back.
boot:
  mov %edi, %r12d
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
  mov $0x1000, %esi
  mov $18, %edx  // MADV_WIPEONFORK
  mov $SYS_madvise, %eax
  syscall
  mov %rax, %rbp
  mov %r12d, %edi
  mov $SYS_close, %eax
  syscall
  mov %rbx, %rdi  // where the pages are
  mov %rbp, %rsi  // 0
  mov $WARREN_TRACE_MARK, %r9d
  mov $SYS_setns, %eax
  syscall
  hlt

  .balign 16
stubs:
  .set number, 0
  .rept WARREN_AGENT_NR_SLOTS
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 8, %rcx
  mov SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 24, %eax
  jmp *SLOT0 + number * WARREN_AGENT_SLOT_SIZE + 16
  .balign 8
  .set number, number + 1
  .endr
stubs_end:

  .org warren_agent_header + (WARREN_AGENT_SHARED - WARREN_AGENT_BASE)

  .section .note.GNU-stack, "", @progbits
