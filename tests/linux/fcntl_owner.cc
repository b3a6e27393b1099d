// F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, FIOSETOWN/SIOCSPGRP, and SIGIO by O_ASYNC.
#include <linux/sockios.h>
#include <pthread.h>

#include "harness.h"

static volatile int io_signals, io_band;

static void show_owner(int fd) {
  f_owner_ex owner = {F_OWNER_TID, -1};
  int r = fcntl(fd, F_GETOWN_EX, &owner);
  // F_GETOWN of a group looks like an error to libc's wrapper; the raw call has the number.
  say("  F_GETOWN_EX %d type %s pid %d", r,
      owner.type == F_OWNER_TID   ? "TID"
      : owner.type == F_OWNER_PID ? "PID"
                                  : "PGRP",
      owner.pid);
  say("  F_GETOWN %d", fcntl(fd, F_GETOWN));
}

int main() {
  int pair[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  int fd = pair[0];
  show_owner(fd);
  SHOW(fcntl(fd, F_SETOWN, getpid()));
  show_owner(fd);
  MUST(setsid());
  SHOW(fcntl(fd, F_SETOWN, -getpgrp()));
  show_owner(fd);
  SHOW(fcntl(fd, F_SETOWN, 9999));
  SHOW(fcntl(fd, F_SETOWN, -9999));
  SHOW(fcntl(fd, F_SETOWN, INT32_MIN));
  show_owner(fd);
  SHOW(fcntl(fd, F_SETOWN, 0));
  show_owner(fd);
  for (auto [type, pid] : std::initializer_list<std::pair<int, int>>{{F_OWNER_TID, 1},
                                                                     {F_OWNER_PID, 1},
                                                                     {F_OWNER_PGRP, 1},
                                                                     {F_OWNER_PID, 9999},
                                                                     {F_OWNER_PGRP, 9999},
                                                                     {F_OWNER_TID, 9999},
                                                                     {F_OWNER_PID, -1},
                                                                     {7, 1}}) {
    f_owner_ex owner = {static_cast<__pid_type>(type), pid};
    say("type %d pid %d", type, pid);
    SHOW(fcntl(fd, F_SETOWN_EX, &owner));
    show_owner(fd);
  }
  SHOW(fcntl(fd, F_SETOWN_EX, 16));
  SHOW(fcntl(fd, F_GETOWN_EX, 16));
  SHOW(fcntl(500, F_SETOWN, 1));
  int number = 1;
  SHOW(ioctl(fd, FIOSETOWN, &number));
  number = -5;
  SHOW(ioctl(fd, FIOGETOWN, &number));
  say("FIOGETOWN %d", number);
  number = -1;
  SHOW(ioctl(fd, SIOCSPGRP, &number));
  SHOW(ioctl(fd, SIOCGPGRP, &number));
  say("SIOCGPGRP %d", number);

  // The owner gets SIGIO, whoever writes.
  on_signal(SIGIO, [](int) { io_signals = io_signals + 1; });
  on_signal(SIGRTMIN + 4, [](int, siginfo_t* info, void*) {
    io_band = info->si_fd;
    io_signals = io_signals + 1;
  });
  Gate ready, told;
  pid_t child = spawn([&] {
    MUST(fcntl(fd, F_SETOWN, getpid()));
    MUST(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
    ready.open();
    while (!io_signals) sched_yield();
    say("child got SIGIO");
    told.open();
    for (;;) pause();
  });
  ready.pass();
  show_owner(fd);
  io_signals = 0;
  MUST(write(pair[1], "x", 1));
  told.pass();
  say("init got %d", io_signals);
  kill(child, SIGKILL);
  say("%s", reap(child).c_str());
  // The owner is gone: nobody.
  show_owner(fd);
  MUST(write(pair[1], "x", 1));
  MUST(fcntl(fd, F_SETOWN, 1));
  MUST(fcntl(fd, F_SETSIG, SIGRTMIN + 4));
  MUST(write(pair[1], "x", 1));
  while (!io_signals) sched_yield();
  say("init got a realtime signal, si_fd right %d", io_band == fd);
}
