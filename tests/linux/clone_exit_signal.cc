// Exit signals other than SIGCHLD, and what wait sees with __WCLONE and __WALL.
#include "harness.h"

static long clone_with(int exit_signal, int code) {
  long pid = raw(SYS_clone, exit_signal, 0, 0, 0, 0);
  if (pid == 0) _exit(code);
  return pid;
}

static void next_signal(std::initializer_list<int> signals) {
  sigset_t set = signal_set(signals);
  siginfo_t info = {};
  int sig = sigwaitinfo(&set, &info);
  say("signal %s si_pid %d si_status %d %s", sig < 0 ? errno_name(errno) : signal_name(sig).c_str(),
      info.si_pid, info.si_status, chld_code(info.si_code));
}

int main() {
  block({SIGCHLD, SIGUSR1, SIGRTMIN + 3});
  long pid = clone_with(SIGUSR1, 3);
  next_signal({SIGUSR1});
  say("plain: %s", reap(-1).c_str());
  say("__WCLONE: %s", reap(-1, __WCLONE).c_str());
  pid = clone_with(SIGRTMIN + 3, 4);
  next_signal({SIGRTMIN + 3});
  say("by number: %s", reap(static_cast<pid_t>(pid)).c_str());
  say("__WALL: %s", reap(static_cast<pid_t>(pid), __WALL).c_str());
  // No signal at all.
  pid = clone_with(0, 5);
  say("%s", reap(-1, __WCLONE).c_str());
  sigset_t pending;
  sigpending(&pending);
  say("CHLD pending %d", sigismember(&pending, SIGCHLD));

  pid = clone_with(SIGCHLD, 6);
  say("WCLONE for a common child: %s", reap(-1, __WCLONE).c_str());
  next_signal({SIGCHLD});
  say("%s", reap(-1).c_str());

  long clone_child = clone_with(0, 7);
  long plain_child = clone_with(SIGCHLD, 8);
  say("%s", reap(-1).c_str());
  say("%s", reap(-1, __WCLONE).c_str());
  (void)clone_child, (void)plain_child;

  // execve sets the exit signal back to SIGCHLD.
  sigset_t empty;
  sigemptyset(&empty);
  pid = raw(SYS_clone, SIGUSR1, 0, 0, 0, 0);
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &empty, nullptr);
    execl("/bin/true", "true", nullptr);
    _exit(99);
  }
  int status;
  pid_t got = waitpid(static_cast<pid_t>(pid), &status, 0);
  if (got < 0)  // not yet exec'ed when asked: it is a clone child until then
    got = waitpid(static_cast<pid_t>(pid), &status, __WALL);
  say("after exec: %d %s", got, status_text(status).c_str());
  sigpending(&pending);
  say("USR1 pending %d CHLD pending %d", sigismember(&pending, SIGUSR1),
      sigismember(&pending, SIGCHLD));
}
