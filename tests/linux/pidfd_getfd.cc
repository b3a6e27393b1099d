// pidfd_getfd: a descriptor out of a child, and its errors.
#include "harness.h"

int main() {
  below_init([] {
    Gate ready, number;
    pid_t child = spawn([&] {
      int pair[2];
      MUST(pipe(pair));
      MUST(write(pair[1], "hello", 5));
      send_int(number.fds[1], pair[0]);
      for (;;) pause();
    });
    int remote = receive_int(number.fds[0]);
    int fd = MUST(static_cast<int>(raw(SYS_pidfd_open, child, 0)));
    int local = static_cast<int>(raw(SYS_pidfd_getfd, fd, remote, 0));
    say("got %d cloexec %d", local >= 0, fcntl(local, F_GETFD));
    char text[6] = {};
    SHOW(read(local, text, 5));
    say("%s", text);
    SHOW(raw(SYS_pidfd_getfd, fd, 999, 0));
    SHOW(raw(SYS_pidfd_getfd, fd, remote, 1));
    SHOW(raw(SYS_pidfd_getfd, -1, remote, 0));
    SHOW(raw(SYS_pidfd_getfd, local, remote, 0));
    kill(child, SIGKILL);
    say("%s", reap(child).c_str());
    SHOW(raw(SYS_pidfd_getfd, fd, remote, 0));
  });
}
