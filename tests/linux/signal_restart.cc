// Calls that a signal interrupts are restarted or not as on Linux, though their arguments carry
// pids.
#include <time.h>

#include "harness.h"

static volatile int handled;

int main() {
  below_init([] {
    pid_t me = getpid();
    auto poke = [&](int times) {
      return spawn([=] {
        for (int i = 0; i < times; i++) {
          until_state(me, "S");
          kill(me, SIGUSR1);
          // Let it run its handler before the next look.
          until_state(me, "SR");
        }
      });
    };
    on_signal(SIGUSR1, [](int) { handled = handled + 1; });
    pid_t poker = poke(1);
    SHOW(pause());
    say("%s", reap(poker).c_str());
    poker = poke(1);
    timespec long_time = {1000, 0}, left = {};
    SHOW(nanosleep(&long_time, &left));
    say("left %d", left.tv_sec > 900);
    say("%s", reap(poker).c_str());
    Gate gate;
    char c;
    poker = poke(1);
    SHOW(read(gate.fds[0], &c, 1));
    say("%s", reap(poker).c_str());

    on_signal(
        SIGUSR1, [](int) { handled = handled + 1; }, SA_RESTART);
    poker = spawn([&] {
      until_state(me, "S");
      kill(me, SIGUSR1);
      gate.open();
    });
    SHOW(read(gate.fds[0], &c, 1));
    say("%s", reap(poker).c_str());
    poker = poke(1);
    SHOW(pause());
    say("%s", reap(poker).c_str());
    // Blocked in wait4 with a group as argument: a rewritten argument must survive the restart.
    Gate go;
    handled = 0;
    pid_t child = spawn([&] {
      go.close_writer();
      go.pass();
      _exit(9);
    });
    setpgid(child, child);
    poker = spawn([&] {
      for (int i = 0; i < 50; i++) {
        until_state(me, "S");
        kill(me, SIGUSR1);
      }
      go.open();
    });
    int status = 0;
    pid_t got = waitpid(-child, &status, 0);
    say("waitpid(-%d) = %d %s, handled %d", child, got, status_text(status).c_str(), handled > 0);
    say("%s", reap(poker).c_str());
  });
}
