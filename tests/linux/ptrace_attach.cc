// PTRACE_ATTACH to a process that is nobody's child of the tracer: its stop, waits for it by
// number, group and for all, its end, which the tracer is told of as well as the parent.
#include "ptrace.h"

int main() {
  below_init([] {
    Gate ready;
    pid_t target = spawn([&] {
      setpgid(0, 0);
      ready.open();
      for (;;) pause();
    });
    ready.pass();
    pid_t tracer = spawn([&] {
      STOP(target);
      SHOW(trace(PTRACE_ATTACH, target));
      STOP(target);
      say("%s", siginfo_text(target).c_str());
      STOP(target, WNOHANG | __WALL);
      SHOW(trace(PTRACE_SETOPTIONS, target, 0, PTRACE_O_TRACEEXIT | 0x400));
      SHOW(trace(PTRACE_SETOPTIONS, target, 0, PTRACE_O_TRACEEXIT));
      SHOW(trace(PTRACE_LISTEN, target));
      SHOW(trace(PTRACE_INTERRUPT, target));
      SHOW(trace(PTRACE_CONT, target));
      STOP(-1, WNOHANG | __WALL);
      SHOW(kill(target, SIGTERM));
      STOP(-target);
      say("%s", siginfo_text(target).c_str());
      SHOW(trace(PTRACE_CONT, target, 0, SIGTERM));
      STOP(-1);
      say("status %#lx", event_message(target));
      SHOW(trace(PTRACE_CONT, target));
      STOP(target);
      STOP(target);
      SHOW(trace(PTRACE_CONT, target));
    });
    say("%s", reap(tracer).c_str());
    say("%s", reap(target).c_str());
  });
  below_init([] {
    // waitid, with and without WNOWAIT; a wait that begins before there is news.
    Gate ready, go;
    pid_t target = spawn([&] {
      ready.open();
      go.pass();
      _exit(6);
    });
    ready.pass();
    pid_t tracer = spawn([&] {
      SHOW(trace(PTRACE_SEIZE, target, 0, PTRACE_O_TRACEEXIT));
      siginfo_t info{};
      SHOW(waitid(P_PID, target, &info, WEXITED | WNOHANG));
      say("pid %d", info.si_pid);
      go.open();
      SHOW(waitid(P_PID, target, &info, WEXITED | WSTOPPED | WNOWAIT));
      say("%s %d status %#x", chld_code(info.si_code), info.si_pid, info.si_status);
      SHOW(waitid(P_ALL, 0, &info, WEXITED));
      say("%s %d status %#x", chld_code(info.si_code), info.si_pid, info.si_status);
      SHOW(trace(PTRACE_CONT, target));
      SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
      say("%s %d status %#x", chld_code(info.si_code), info.si_pid, info.si_status);
      SHOW(waitid(P_ALL, 0, &info, WEXITED));
      SHOW(waitid(P_ALL, 0, &info, WEXITED));
    });
    say("%s", reap(tracer).c_str());
    say("%s", reap(target).c_str());
  });
}
