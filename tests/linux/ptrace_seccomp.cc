// SECCOMP_RET_TRACE in a program's own filter: without a tracer that asked for it the call fails,
// with one it stops, and can be changed and skipped.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "ptrace.h"

// getuid stops, all else goes on.
static void install_filter() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 0x77),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

int main() {
  below_init([] {
    in_child("nobody traces", [] {
      install_filter();
      SHOW(raw(SYS_getuid));
    });
  });
  below_init([] {
    pid_t child = spawn([] {
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGSTOP);
      install_filter();
      SHOW(raw(SYS_getuid));
      raise(SIGSTOP);
      const long known = getuid();
      say("%d", known == 0 || known > 1000);
      say("%ld", raw(SYS_getuid));
    });
    STOP(child);
    // Not asked for.
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    MUST(trace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP));
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    say("message %#lx, call %d", event_message(child), registers(child).orig_rax == SYS_getuid);
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    user_regs_struct regs = registers(child);
    regs.orig_rax = static_cast<unsigned long>(-1);
    regs.rax = 4711;
    MUST(trace(PTRACE_SETREGS, child, 0, arg(&regs)));
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
  });
}
