// PTRACE_SEIZE: PTRACE_INTERRUPT, group-stops, PTRACE_LISTEN, SIGCONT, PTRACE_DETACH.
#include "ptrace.h"

int main() {
  below_init([] {
    pid_t child = spawn([] {
      for (;;) pause();
    });
    SHOW(trace(PTRACE_SEIZE, child, 1, 0));
    SHOW(trace(PTRACE_SEIZE, child, 0, 0x10000000));
    SHOW(trace(PTRACE_SEIZE, getpid(), 0, 0));
    SHOW(trace(PTRACE_SEIZE, 4000, 0, 0));
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    SHOW(trace(PTRACE_ATTACH, child, 0, 0));
    STOP(child, WNOHANG);
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    SHOW(trace(PTRACE_INTERRUPT, child));
    STOP(child);
    say("state %s, tracer %s", stat_field("/proc/" + std::to_string(child) + "/stat", 3).c_str(),
        status_field("/proc/" + std::to_string(child) + "/status", "TracerPid").c_str());
    say("%s", siginfo_text(child).c_str());
    // It may listen here, too; no signal ends that.
    SHOW(trace(PTRACE_LISTEN, child));
    SHOW(kill(child, SIGTERM));
    STOP(child, WNOHANG);
    SHOW(trace(PTRACE_INTERRUPT, child));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    SHOW(trace(PTRACE_LISTEN, child));
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    // A group-stop, and its end while the tracee listens.
    SHOW(kill(child, SIGSTOP));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, SIGSTOP));
    STOP(child);
    SHOW(trace(PTRACE_LISTEN, child));
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    SHOW(kill(child, SIGCONT));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, 0));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, SIGCONT));
    SHOW(trace(PTRACE_DETACH, child, 0, 0));
    SHOW(trace(PTRACE_INTERRUPT, child));
    STOP(child);
    SHOW(trace(PTRACE_DETACH, child, 0, 0));
    SHOW(trace(PTRACE_INTERRUPT, child));
    say("tracer %s",
        status_field("/proc/" + std::to_string(child) + "/status", "TracerPid").c_str());
    STOP(child, WNOHANG);
    SHOW(kill(child, SIGKILL));
    STOP(child);
  });
  below_init([] {
    // One that is stopped already says so; left in its stop, it stays stopped.
    pid_t child = spawn([] {
      raise(SIGSTOP);
      _exit(5);
    });
    say("%s", reap(child, WUNTRACED).c_str());
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    STOP(child);
    SHOW(trace(PTRACE_DETACH, child, 0, 0));
    until_state(child, "T");
    say("state %s", stat_field("/proc/" + std::to_string(child) + "/stat", 3).c_str());
    SHOW(kill(child, SIGCONT));
    say("%s", reap(child).c_str());
  });
}
