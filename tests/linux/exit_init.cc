// The end of a namespace's init: its exit status is what the outside sees, all others are killed.
#include "harness.h"

int main() {
  Gate ready;
  for (int i = 0; i < 20; i++)
    spawn([&] {
      signal(SIGTERM, SIG_IGN);
      signal(SIGHUP, SIG_IGN);
      setsid();
      spawn([&] {
        ready.open();
        for (;;) pause();
      });
      for (;;) pause();
    });
  for (int i = 0; i < 20; i++) ready.pass();
  say("40 processes are left behind");
  return 0;
}
