// What becomes of tracees when their tracer ends: they go on, or are killed with it; a signal that
// nobody was told of is delivered; a stop stays one.
#include "ptrace.h"

// A process that tells when it is signalled, and ends at SIGTERM.
static pid_t target(Gate& ready, Gate& told) {
  return spawn([&] {
    static Gate* gate;
    gate = &told;
    on_signal(SIGUSR1, [](int) { gate->open(); });
    ready.open();
    for (;;) pause();
  });
}

int main() {
  below_init([] {
    for (int options : {0, static_cast<int>(PTRACE_O_EXITKILL)}) {
      Gate ready, told;
      pid_t child = target(ready, told);
      ready.pass();
      in_child("tracer", [&] {
        SHOW(trace(PTRACE_SEIZE, child, 0, options));
        SHOW(trace(PTRACE_INTERRUPT, child));
        STOP(child);
      });
      if (options == 0) {
        SHOW(kill(child, SIGUSR1));
        say("told %d", told.pass());
        say("tracer %s",
            status_field("/proc/" + std::to_string(child) + "/status", "TracerPid").c_str());
        SHOW(kill(child, SIGTERM));
      }
      say("%s", reap(child).c_str());
    }
  });
  below_init([] {
    // The tracer ends while its tracee waits in a signal's stop: of which it was told, or was not.
    for (bool waits : {true, false}) {
      Gate ready, told;
      pid_t child = target(ready, told);
      ready.pass();
      in_child("tracer", [&] {
        MUST(trace(PTRACE_SEIZE, child, 0, 0));
        MUST(kill(child, SIGUSR1));
        until_state(child, "t");
        if (waits) STOP(child);
      });
      if (!waits) say("told %d", told.pass());
      MUST(kill(child, SIGTERM));
      say("%s", reap(child).c_str());
    }
  });
  below_init([] {
    // Likewise at a system call's, which has the number of a signal.
    Gate ready, told;
    pid_t child = target(ready, told);
    ready.pass();
    in_child("tracer", [&] {
      MUST(trace(PTRACE_SEIZE, child, 0, 0));
      MUST(trace(PTRACE_INTERRUPT, child));
      STOP(child);
      MUST(trace(PTRACE_SYSCALL, child));
      until_state(child, "t");
    });
    say("%s", reap(child).c_str());
  });
  below_init([] {
    // Killed in the midst of its tracing.
    Gate ready, told;
    pid_t child = target(ready, told);
    ready.pass();
    Gate traced;
    pid_t tracer = spawn([&] {
      MUST(trace(PTRACE_SEIZE, child, 0, 0));
      MUST(trace(PTRACE_INTERRUPT, child));
      STOP(child);
      MUST(trace(PTRACE_SYSCALL, child));
      STOP(child);
      traced.open();
      for (;;) pause();
    });
    traced.pass();
    MUST(kill(tracer, SIGKILL));
    say("%s", reap(tracer).c_str());
    MUST(kill(child, SIGUSR1));
    say("told %d", told.pass());
    // Another may trace it now.
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    MUST(kill(child, SIGUSR1));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, SIGUSR1));
    say("told %d", told.pass());
    MUST(kill(child, SIGTERM));
    STOP(child);
    SHOW(trace(PTRACE_CONT, child, 0, SIGTERM));
    STOP(child);
  });
  below_init([] {
    // The tracee's parent ends; the tracer's parent ends; an orphan that is traced.
    Gate ready, go;
    int fds[2];
    MUST(pipe(fds));
    pid_t parent = spawn([&] {
      pid_t child = spawn([&] {
        ready.open();
        for (;;) pause();
      });
      send_int(fds[1], child);
      go.pass();
    });
    const pid_t child = receive_int(fds[0]);
    ready.pass();
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    go.open();
    say("%s", reap(parent).c_str());
    MUST(trace(PTRACE_INTERRUPT, child));
    STOP(child);
    say("parent %s", status_field("/proc/" + std::to_string(child) + "/status", "PPid").c_str());
    MUST(kill(child, SIGKILL));
    STOP(child);
    STOP(child);
  });
}
