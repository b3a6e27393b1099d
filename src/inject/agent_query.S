// Calls that only look at what a path names, of guests whose faults nobody catches. Part of agent.S.
//
// Whether a path can be read would have to be asked before it is, at the cost of one more call. But
// these change nothing: the call itself is made first, and once it shows that the kernel has read the
// path, the text is looked at. If that may lead into /proc, the result is forgotten, and the
// supervisor asked. (Not so readlink(2), which leaves alone what its result has no room for.)

#define SIZEOF_STAT 144  // no smaller than struct statfs
#define SIZEOF_STATX 256

  // `path`, `out`: the arguments; `size`: of what is written at `out`. The path must still be there
  // afterwards.
  .macro QUERY name, path, otherwise, out=, size=
\name:
  cmpl $0, PROBE_PATHS
  je \otherwise
  cmpl $0, ORDINARY_PATHS
  je ask
  cmpl $0, ASK_PATHS
  jne ask
  mov \path, %r11
  cmp $0x10000, %r11
  jl ask
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

  QUERY query_stat0, %rdi, serve_path0, %rsi, SIZEOF_STAT
  QUERY query_stat1, %rsi, serve_path1, %rdx, SIZEOF_STAT
  QUERY query_statx, %rsi, serve_path1, %r8, SIZEOF_STATX
  QUERY query_access0, %rdi, serve_path0
  QUERY query_access1, %rsi, serve_path1

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
