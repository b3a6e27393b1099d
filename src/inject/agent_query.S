// Calls that only look at what a path names, of guests whose faults nobody catches. Part of agent.S.
//
// Whether a path can be read would have to be asked before it is, at the cost of one more call. But
// these change nothing: the call itself is made first, and once it shows that the kernel has read the
// path, the text is looked at. If that may lead into /proc, the result is forgotten, and the
// supervisor asked. Of readlink(2), which leaves the rest of its buffer alone, only a failure is taken
// from that: it is made for one byte of our own.

#define SIZEOF_STAT 144  // no smaller than struct statfs
#define SIZEOF_STATX 256
#define AT_EACCESS 0x200

  .macro MAY_QUERY path, otherwise
  cmpl $0, PROBE_PATHS
  je \otherwise
  cmpl $0, ORDINARY_PATHS
  je ask
  cmpl $0, ASK_PATHS
  jne ask
  mov \path, %r11
  cmp $0x10000, %r11
  jl ask
  .endm

  // `path`, `out`: the arguments; `size`: of what is written at `out`. The path must still be there
  // afterwards.
  .macro QUERY name, path, otherwise, out=, size=
\name:
  MAY_QUERY \path, \otherwise
  .ifnb \out
  sub \out, %r11
  cmp $\size, %r11
  jb \otherwise
  neg %r11
  cmp $PATH_MAX, %r11
  jb \otherwise
  .endif
  lea -FRAME - FRAME(%rsp), %rsp
  mov %rcx, FRAME(%rsp)
  mov %rax, FRAME - 8(%rsp)
  movq $1f, (%rsp)
  jmp trusted_framed
1:
  mov \path, %r11
  jmp query_made
  .endm

  // `to`, `bytes`: where the link's text is to be written, and how much. What is no number of bytes is
  // refused before the path is read.
  .macro QUERY_LINK name, path, otherwise, to, bytes, bytes32
\name:
  MAY_QUERY \path, \otherwise
  test \bytes32, \bytes32
  jle \otherwise
  lea -FRAME - FRAME(%rsp), %rsp
  mov %rcx, FRAME(%rsp)
  mov %rax, FRAME - 8(%rsp)
  mov \to, FRAME - 24(%rsp)
  mov \bytes, FRAME - 32(%rsp)
  movq $1f, (%rsp)
  lea FRAME - 40(%rsp), \to
  mov $1, \bytes32
  jmp trusted_framed
1:
  mov -24(%rsp), \to
  mov -32(%rsp), \bytes
  mov \path, %r11
  test %rax, %rax
  jns query_readable
  cmp $-EINVAL, %rax
  je query_answered
  jmp query_made
  .endm

  QUERY query_stat0, %rdi, serve_path0, %rsi, SIZEOF_STAT
  QUERY query_stat1, %rsi, serve_path1, %rdx, SIZEOF_STAT
  QUERY query_statx, %rsi, serve_path1, %r8, SIZEOF_STATX
  QUERY query_access0, %rdi, serve_path0
  QUERY query_access1, %rsi, serve_path1
  QUERY_LINK query_readlink0, %rdi, serve_path0, %rsi, %rdx, %edx
  QUERY_LINK query_readlink1, %rsi, serve_path1, %rdx, %r10, %r10d

query_made:
  test %rax, %rax
  jns query_answered
  cmp $-ENOENT, %rax
  je query_answered
  cmp $-ENOTDIR, %rax
  je query_answered
  cmp $-EACCES, %rax
  je query_answered
  cmp $-ELOOP, %rax
  je query_answered
  mov -8(%rsp), %rax
  jmp path_framed
query_answered:
  mov %rax, -16(%rsp)
  movl $1, ANSWERED(%rsp)
  jmp readable
query_readable:
  movl $0, ANSWERED(%rsp)
  jmp readable

// Whoever looks for a program along PATH tries many that are not there, and an exec of such a path
// does nothing but say so. An init that is left execs as one that is not. A filter of the guest's own
// might kill for the call that asks.
serve_exec:
  cmpq $0, IGNORED
  jne exec_of_init
exec_unless_missing:
  cmp $SYS_execve, %eax
  jne ask
  cmpl $0, ASK_SIGNALS
  jne ask
  MAY_QUERY %rdi, ask
  lea -FRAME - FRAME(%rsp), %rsp
  mov %rcx, FRAME(%rsp)
  mov %rax, FRAME - 8(%rsp)
  mov %rdi, FRAME - 24(%rsp)
  mov %rsi, FRAME - 32(%rsp)
  mov %rdx, FRAME - 40(%rsp)
  mov %r10, FRAME - 48(%rsp)
  movq $1f, (%rsp)
  mov %rdi, %rsi
  mov $AT_FDCWD, %edi
  xor %edx, %edx
  mov $AT_EACCESS, %r10d
  mov $SYS_faccessat2, %eax
  jmp trusted_framed
1:
  mov -24(%rsp), %rdi
  mov -32(%rsp), %rsi
  mov -40(%rsp), %rdx
  mov -48(%rsp), %r10
  mov %rdi, %r11
  cmp $-ENOENT, %rax
  je query_answered
  cmp $-ENOTDIR, %rax
  je query_answered
  mov -8(%rsp), %eax
  mov (%rsp), %rcx
  lea FRAME(%rsp), %rsp
  jmp ask
