// waitid: every id type, siginfo, WNOWAIT, WNOHANG, and each error.
#include "harness.h"

static void show(const char* what, idtype_t type, id_t id, int options) {
  siginfo_t info;
  memset(&info, 0x55, sizeof info);
  int r = waitid(type, id, &info, options);
  if (r < 0)
    say("%s: %s", what, errno_name(errno));
  else if (info.si_pid == 0)
    say("%s: %d, nothing, si_signo %d", what, r, info.si_signo);
  else
    say("%s: %d, signo %d si_pid %d si_status %d %s", what, r, info.si_signo, info.si_pid,
        info.si_status, chld_code(info.si_code));
}

int main() {
  show("no children", P_ALL, 0, WEXITED);
  show("no options", P_ALL, 0, 0);
  show("unknown option", P_ALL, 0, WEXITED | 0x100);
  show("unknown type", static_cast<idtype_t>(9), 0, WEXITED);
  show("pid 0", P_PID, 0, WEXITED);
  show("pid -1", P_PID, static_cast<id_t>(-1), WEXITED);
  show("group -1", P_PGID, static_cast<id_t>(-1), WEXITED);
  show("pidfd -1", P_PIDFD, static_cast<id_t>(-1), WEXITED);
  show("pidfd that is none", P_PIDFD, 1, WEXITED);
  show("pidfd not open", P_PIDFD, 500, WEXITED);

  Gate go;
  pid_t a = spawn([&] {
    go.close_writer();
    go.pass();
    _exit(1);
  });
  MUST(setpgid(a, a));
  show("alive, nohang", P_PID, static_cast<id_t>(a), WEXITED | WNOHANG);
  show("alive, by group", P_PGID, static_cast<id_t>(a), WEXITED | WNOHANG);
  show("own group", P_PGID, 0, WEXITED | WNOHANG);
  show("another group", P_PGID, 1234, WEXITED | WNOHANG);
  go.open();
  show("nowait by pid", P_PID, static_cast<id_t>(a), WEXITED | WNOWAIT);
  show("nowait by group", P_PGID, static_cast<id_t>(a), WEXITED | WNOWAIT);
  show("nowait by all", P_ALL, 0, WEXITED | WNOWAIT);
  show("stopped only", P_ALL, 0, WSTOPPED | WNOHANG);
  show("reap by group", P_PGID, static_cast<id_t>(a), WEXITED);
  show("again", P_PGID, static_cast<id_t>(a), WEXITED);

  pid_t b = spawn([] { raise(SIGKILL); });
  show("killed, nowait", P_PID, static_cast<id_t>(b), WEXITED | WNOWAIT);
  int fd = MUST(static_cast<int>(raw(SYS_pidfd_open, b, 0)));
  show("by pidfd, nowait", P_PIDFD, static_cast<id_t>(fd), WEXITED | WNOWAIT);
  show("by pidfd", P_PIDFD, static_cast<id_t>(fd), WEXITED);
  show("by pidfd again", P_PIDFD, static_cast<id_t>(fd), WEXITED);

  int self = MUST(static_cast<int>(raw(SYS_pidfd_open, getpid(), 0)));
  show("pidfd of itself", P_PIDFD, static_cast<id_t>(self), WEXITED);

  // A pidfd that does not block.
  pid_t c = spawn([&] { go.close_writer(), go.pass(); });
  int nonblocking = static_cast<int>(raw(SYS_pidfd_open, c, O_NONBLOCK));
  show("pidfd nonblock, alive", P_PIDFD, static_cast<id_t>(nonblocking), WEXITED);
  show("pidfd nonblock and nohang", P_PIDFD, static_cast<id_t>(nonblocking), WEXITED | WNOHANG);
  go.open();
  show("reap", P_PID, static_cast<id_t>(c), WEXITED);

  // No siginfo wanted; rusage wanted.
  pid_t d = spawn([] { _exit(9); });
  rusage usage;
  memset(&usage, 0xff, sizeof usage);
  SHOW(raw(SYS_waitid, P_PID, d, 0, WEXITED, arg(&usage)));
  say("rusage filled %d", usage.ru_maxrss > 0 && usage.ru_utime.tv_sec == 0);
  pid_t e = spawn([] { _exit(9); });
  SHOW(raw(SYS_waitid, P_PID, e, 16, WEXITED, 0));
  say("after EFAULT: %s", reap(e).c_str());
}
