// A wait that a handled signal interrupts: EINTR, or restarted with SA_RESTART; stops and
// continues, and ignored signals, do not interrupt.
#include "harness.h"

static volatile int handled;

int main() {
  below_init([] {
    pid_t me = getpid();
    for (int restart : {0, SA_RESTART}) {
      for (bool by_waitid : {false, true}) {
        handled = 0;
        on_signal(
            SIGUSR1, [](int) { handled = handled + 1; }, restart);
        Gate go;
        pid_t child = spawn([&] {
          go.close_writer();
          go.pass();
          _exit(4);
        });
        pid_t poker = spawn([&] {
          until_state(me, "S");
          kill(me, SIGUSR1);
          // With a restart the wait goes on until the child ends.
          if (restart) go.open();
        });
        int status = 0, r;
        siginfo_t info = {};
        if (by_waitid)
          r = waitid(P_PID, static_cast<id_t>(child), &info, WEXITED);
        else
          r = waitpid(child, &status, 0);
        say("%s restart %d: %d %s handled %d", by_waitid ? "waitid" : "wait4", restart != 0, r,
            r < 0 ? errno_name(errno) : "", handled);
        if (!restart) go.open();
        if (r < 0)
          say("then %s", reap(child).c_str());
        else if (by_waitid)
          say("si_pid %d status %d", info.si_pid, info.si_status);
        else
          say("%s", status_text(status).c_str());
        say("%s", reap(poker).c_str());
        go.close_both();
      }
    }
    // The waiter itself is stopped and continued during its wait.
    Gate go;
    pid_t child = spawn([&] {
      go.close_writer();
      go.pass();
      _exit(5);
    });
    pid_t poker = spawn([&] {
      until_state(me, "S");
      kill(me, SIGSTOP);
      until_state(me, "T");
      kill(me, SIGCONT);
      until_state(me, "S");
      go.open();
    });
    say("stopped meanwhile: %s", reap(child).c_str());
    say("%s", reap(poker).c_str());
    go.close_both();

    // A handler that runs on SIGCHLD itself and reaps.
    static volatile pid_t reaped;
    on_signal(SIGCHLD, [](int) {
      int status;
      reaped = waitpid(-1, &status, WNOHANG);
    });
    child = spawn([] { _exit(6); });
    int r;
    while ((r = waitpid(child, nullptr, 0)) < 0 && errno == EINTR) {
    }
    // Either the wait or the handler got it, never both.
    say("once: %d", (r == child) + (reaped == child));
  });
}
