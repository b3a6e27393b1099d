// What is no terminal has no foreground group and no session, however often it is asked, and
// terminals of others are none of the caller's.
#include <termios.h>

#include "harness.h"

static void ask(const char* what, int fd) {
  int group = -7;
  int session = -7;
  int own = getpgrp();
  for (int i = 0; i < 2; i++) {
    errno = 0;
    const int got = ioctl(fd, TIOCGPGRP, &group);
    say("%s: TIOCGPGRP %d %s, %d", what, got, errno_name(errno), group);
    errno = 0;
    const int sid = ioctl(fd, TIOCGSID, &session);
    say("%s: TIOCGSID %d %s, %d", what, sid, errno_name(errno), session);
    errno = 0;
    const int set = ioctl(fd, TIOCSPGRP, &own);
    say("%s: TIOCSPGRP %d %s", what, set, errno_name(errno));
    errno = 0;
    const int bad = ioctl(fd, TIOCGPGRP, nullptr);
    say("%s: nowhere %d %s", what, bad, errno_name(errno));
  }
}

int main() {
  int pipes[2], pair[2];
  MUST(pipe(pipes));
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  ask("null", MUST(open("/dev/null", O_RDWR)));
  ask("file", MUST(open("/etc/passwd", O_RDONLY)));
  ask("directory", MUST(open("/", O_RDONLY | O_DIRECTORY)));
  ask("path", MUST(open("/etc/passwd", O_PATH)));
  ask("pipe", pipes[0]);
  ask("socket", pair[0]);
  ask("closed", 999);
  ask("negative", -1);
  const int master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
  MUST(grantpt(master));
  MUST(unlockpt(master));
  const int slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
  ask("master", master);
  ask("slave of nobody's session", slave);
  in_child("a session", [&] {
    MUST(setsid());
    MUST(ioctl(slave, TIOCSCTTY, 0));
    ask("slave", slave);
    ask("master", master);
  });
}
