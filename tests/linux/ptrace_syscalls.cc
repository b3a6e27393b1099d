// PTRACE_SYSCALL: each call's begin and end once, with the guest's own numbers and results; calls
// that are changed, suppressed, emulated (PTRACE_SYSEMU), interrupted and made again; single steps.
#include "ptrace.h"

static const char* call_name(long nr) {
  switch (nr) {
#define NAME(name) \
  case SYS_##name: \
    return #name
    NAME(getpid);
    NAME(gettid);
    NAME(getppid);
    NAME(kill);
    NAME(clone);
    NAME(wait4);
    NAME(setpgid);
    NAME(getpgid);
    NAME(setsid);
    NAME(getsid);
    NAME(openat);
    NAME(close);
    NAME(exit_group);
    NAME(rt_sigqueueinfo);
    NAME(pidfd_open);
    NAME(write);
    NAME(read);
    NAME(rt_sigreturn);
    NAME(waitid);
    NAME(restart_syscall);
#undef NAME
    default:
      return "?";
  }
}

// The calls of one tracee, as far as they have names here.
static void log_calls(pid_t child) {
  bool entry = true;
  for (;;) {
    MUST(trace(PTRACE_SYSCALL, child, 0, 0));
    int status = 0;
    const pid_t pid = waitpid(child, &status, __WALL);
    if (pid < 0 || !WIFSTOPPED(status)) {
      say("%s", stop_text(status).c_str());
      return;
    }
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
      say("  %s", stop_text(status).c_str());
      MUST(trace(PTRACE_SYSCALL, child, 0, WSTOPSIG(status)));
      waitpid(child, &status, __WALL);
    }
    const user_regs_struct regs = registers(child);
    __ptrace_syscall_info info{};
    MUST(trace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, arg(&info)));
    if (entry != (info.op == PTRACE_SYSCALL_INFO_ENTRY)) say("not as expected: op %d", info.op);
    const char* const name = call_name(static_cast<long>(regs.orig_rax));
    if (name[0] != '?' || strcmp(name, "?") != 0) {
      if (entry) {
        say("  %s(%d, %d)", name, static_cast<int>(regs.rdi),
            regs.orig_rax == SYS_setpgid || regs.orig_rax == SYS_kill ? static_cast<int>(regs.rsi)
                                                                      : 0);
      } else {
        say("  %s = %ld", name, static_cast<long>(regs.rax));
      }
    }
    entry = !entry;
  }
}

static pid_t traced(void (*program)()) {
  pid_t child = spawn([program] {
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    program();
    raw(SYS_exit_group, 0);
  });
  STOP(child);
  MUST(trace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD));
  return child;
}

static void calls_to_step_over() {
  long pid, ppid, group;
  asm volatile(
      "int3\n"
      "mov $39, %%eax\n"
      "syscall\n"  // getpid
      "mov %%rax, %0\n"
      "mov $110, %%eax\n"
      "syscall\n"  // getppid
      "mov %%rax, %1\n"
      "xor %%edi, %%edi\n"
      "xor %%esi, %%esi\n"
      "mov $109, %%eax\n"
      "syscall\n"  // setpgid
      "mov %%rax, %2\n"
      "int3\n"
      : "=&r"(pid), "=&r"(ppid), "=&r"(group)
      :
      : "rax", "rdi", "rsi", "rcx", "r11", "memory");
  say("%ld %ld %ld", pid, ppid, group);
}

int main(int argc, char**) {
  if (argc > 1) {
    calls_to_step_over();
    return 0;
  }
  below_init([] {
    log_calls(traced([] {
      const long pid = raw(SYS_getpid);
      raw(SYS_gettid);
      raw(SYS_getppid);
      raw(SYS_getpgid, 0);
      raw(SYS_getsid, 0);
      raw(SYS_setpgid, pid, pid);
      raw(SYS_setpgid, 4000, 0);
      raw(SYS_kill, pid, 0);
      raw(SYS_kill, 4000, 0);
      raw(SYS_close, raw(SYS_pidfd_open, pid, 0));
      raw(SYS_openat, AT_FDCWD, arg("/nowhere"), O_RDONLY);
    }));
  });
  below_init([] {
    log_calls(traced([] {
      // Without a signal at its end, which might come at any of these calls.
      const long child = raw(SYS_clone, 0, 0, 0, 0, 0);
      if (child == 0) raw(SYS_exit_group, 3);
      int status = 0;
      raw(SYS_wait4, child, arg(&status), __WALL, 0);
      raw(SYS_wait4, -1, arg(&status), 0, 0);
      raw(SYS_setsid);
    }));
  });
  below_init([] {
    // A signal in the midst of a call.
    pid_t child = traced([] {
      on_signal(
          SIGUSR1, [](int) {}, SA_RESTART);
      on_signal(SIGUSR2, [](int) {});
      int fds[2];
      MUST(pipe(fds));
      char c;
      raw(SYS_read, fds[0], arg(&c), 1);
    });
    int status = 0;
    do {
      MUST(trace(PTRACE_SYSCALL, child));
      MUST(waitpid(child, &status, __WALL));
    } while (registers(child).orig_rax != SYS_read);
    for (int signal : {SIGUSR1, SIGUSR2}) {
      MUST(trace(PTRACE_SYSCALL, child));
      until_state(child, "S");
      MUST(kill(child, signal));
      for (int i = 0; i < 5; i++) {
        STOP(child, __WALL, &status);
        const user_regs_struct regs = registers(child);
        say("%s %ld", call_name(static_cast<long>(regs.orig_rax)), static_cast<long>(regs.rax));
        if (static_cast<long>(regs.rax) == -ENOSYS && regs.orig_rax == SYS_read) break;
        const bool is_signal = WSTOPSIG(status) == signal;
        if (i == 4) break;
        MUST(trace(PTRACE_SYSCALL, child, 0, is_signal ? signal : 0));
      }
    }
    MUST(kill(child, SIGKILL));
    STOP(child);
  });
  below_init([] {
    // Changed at the begin: another call, another number; and none at all.
    pid_t child = traced([] {
      say("%ld", raw(SYS_getppid));
      say("%ld", raw(SYS_getppid));
      say("%ld", raw(SYS_getppid));
    });
    for (int round = 0; round < 3; round++) {
      user_regs_struct regs;
      do {
        MUST(trace(PTRACE_SYSCALL, child));
        MUST(waitpid(child, nullptr, __WALL));
        regs = registers(child);
      } while (regs.orig_rax != SYS_getppid);
      if (round == 0) regs.orig_rax = SYS_getpid;
      if (round == 1) regs.orig_rax = static_cast<unsigned long>(-1);
      if (round == 2) {
        regs.orig_rax = SYS_getpgid;
        regs.rdi = static_cast<unsigned long>(child);
      }
      MUST(trace(PTRACE_SETREGS, child, 0, arg(&regs)));
      MUST(trace(PTRACE_SYSCALL, child));
      MUST(waitpid(child, nullptr, __WALL));
      regs = registers(child);
      say("result %ld", static_cast<long>(regs.rax));
      regs.rax += 1000;
      MUST(trace(PTRACE_SETREGS, child, 0, arg(&regs)));
    }
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
  });
  below_init([] {
    // Emulated: the kernel sees nothing of it.
    pid_t child = traced([] {
      const long a = raw(SYS_getpid);
      const long b = raw(SYS_clone, SIGCHLD, 0);
      raw(SYS_exit_group, a == 77 && b == 88 ? 5 : 6);
    });
    int calls = 0;
    for (long answer : {77L, 88L}) {
      user_regs_struct regs;
      do {
        MUST(trace(PTRACE_SYSEMU, child));
        MUST(waitpid(child, nullptr, __WALL));
        regs = registers(child);
        calls++;
      } while (regs.orig_rax != (answer == 77 ? SYS_getpid : SYS_clone));
      regs.rax = static_cast<unsigned long>(answer);
      MUST(trace(PTRACE_SETREGS, child, 0, arg(&regs)));
    }
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
  });
  below_init([] {
    // Steps over calls of each kind: one stop for each instruction.
    pid_t child = spawn([] {
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      execl("/proc/self/exe", "syscalls", "step", nullptr);
    });
    STOP(child);
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    const auto begin = registers(child).rip;
    std::string path;
    int status = 0;
    for (int i = 0; i < 20; i++) {
      MUST(trace(PTRACE_SINGLESTEP, child));
      MUST(waitpid(child, &status, __WALL));
      siginfo_t info{};
      MUST(trace(PTRACE_GETSIGINFO, child, 0, arg(&info)));
      path +=
          " " + std::to_string(registers(child).rip - begin) + ":" + signal_name(WSTOPSIG(status));
      if (info.si_code == SI_KERNEL) break;
    }
    say("%s", path.c_str());
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
  });
}
