// PTRACE_TRACEME: signals, exec's SIGTRAP, injection, group-stops without PTRACE_SEIZE, the end.
#include "ptrace.h"

static volatile sig_atomic_t caught;

int main(int argc, char** argv) {
  if (argc > 1) {
    say("%s runs as %d", argv[1], getpid());
    return 7;
  }
  below_init([&] {
    pid_t child = spawn([] {
      on_signal(SIGUSR1, [](int) { caught = 1; });
      on_signal(SIGUSR2, [](int, siginfo_t* info, void*) {
        say("handler: %s from %d", si_code_text(info->si_code), info->si_pid);
        caught = 2;
      });
      SHOW(ptrace(PTRACE_TRACEME, 0, 0, 0));
      SHOW(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGSTOP);
      say("went on");
      raise(SIGUSR1);
      say("caught %d", static_cast<int>(caught));
      kill(getpid(), SIGUSR1);
      say("caught %d", static_cast<int>(caught));
      execl("/proc/self/exe", "traceme", "exec'ed", nullptr);
      _exit(99);
    });
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    MUST(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    // Not delivered.
    MUST(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
    // Another one instead: it names the tracer.
    MUST(trace(PTRACE_CONT, child, 0, SIGUSR2));
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    SHOW(trace(PTRACE_CONT, child, 0, 1000));
    MUST(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
    STOP(child);
  });
  below_init([] {
    // A group-stop is told of like a signal, and has no siginfo.
    pid_t child = spawn([] {
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGSTOP);
      say("after the stop");
      _exit(3);
    });
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    MUST(trace(PTRACE_CONT, child, 0, SIGSTOP));
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    MUST(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
  });
  below_init([] {
    // Death in a stop; PTRACE_KILL; a tracee that is nobody's child of ours any more.
    pid_t child = spawn([] {
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGUSR1);
      _exit(3);
    });
    STOP(child);
    SHOW(kill(child, SIGKILL));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    child = spawn([] {
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGUSR1);
      _exit(3);
    });
    STOP(child);
    SHOW(trace(PTRACE_KILL, child));
    STOP(child);
    STOP(-1);
  });
  below_init([] {
    // Who becomes a tracer just as it begins to wait is told nevertheless.
    int wrong = 0;
    for (int i = 0; i < 200; i++) {
      pid_t child = spawn([] {
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        raise(SIGUSR1);
        _exit(3);
      });
      int status = 0;
      if (waitpid(i % 2 ? child : -1, &status, 0) != child || status != 0x7f + (SIGUSR1 << 8))
        wrong++;
      MUST(trace(PTRACE_CONT, child));
      if (waitpid(child, &status, 0) != child || status != 3 << 8) wrong++;
    }
    say("%d wrong", wrong);
  });
}
