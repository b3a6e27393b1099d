// pidfd_open, pidfd_send_signal, poll: errors, ends, and that a pidfd outlives its number.
#include <pthread.h>

#include "harness.h"

static long pidfd_open_raw(pid_t pid, unsigned flags) { return raw(SYS_pidfd_open, pid, flags); }
static long pidfd_send(int fd, int sig, siginfo_t* info = nullptr, unsigned flags = 0) {
  return raw(SYS_pidfd_send_signal, fd, sig, arg(info), flags);
}

int main() {
  SHOW(pidfd_open_raw(9999, 0));
  SHOW(pidfd_open_raw(0, 0));
  SHOW(pidfd_open_raw(-1, 0));
  SHOW(pidfd_open_raw(1, 0x1));
  int self = MUST(static_cast<int>(pidfd_open_raw(1, 0)));
  say("cloexec %d", fcntl(self, F_GETFD));
  SHOW(pidfd_send(self, 0));
  SHOW(pidfd_send(self, 65));
  SHOW(pidfd_send(self, 0, nullptr, 0x100));
  SHOW(pidfd_send(-1, 0));
  SHOW(pidfd_send(1, 0));
  SHOW(pidfd_send(500, 0));

  Gate ready;
  pid_t child = spawn([&] {
    block({SIGUSR1, SIGRTMIN + 1});
    ready.open();
    sigset_t set = signal_set({SIGUSR1, SIGRTMIN + 1});
    for (int i = 0; i < 2; i++) {
      siginfo_t info = {};
      int sig = sigwaitinfo(&set, &info);
      say("child: %s si_pid %d %s value %d", signal_name(sig).c_str(), info.si_pid,
          si_code_text(info.si_code), info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
      ready.open();
    }
    for (;;) pause();
  });
  ready.pass();
  int fd = MUST(static_cast<int>(pidfd_open_raw(child, 0)));
  MUST(pidfd_send(fd, SIGUSR1));
  ready.pass();
  siginfo_t info = {};
  info.si_code = SI_QUEUE;
  info.si_signo = SIGRTMIN + 1;
  info.si_pid = getpid();
  info.si_value.sival_int = 77;
  MUST(pidfd_send(fd, SIGRTMIN + 1, &info));
  ready.pass();
  info.si_signo = SIGUSR2;
  SHOW(pidfd_send(fd, SIGUSR1, &info));  // number and siginfo must agree
  info.si_signo = SIGUSR1;
  info.si_code = SI_USER;
  SHOW(pidfd_send(fd, SIGUSR1, &info));  // not kill's own code to another
  pollfd p = {fd, POLLIN, 0};
  SHOW(poll(&p, 1, 0));
  char c;
  SHOW(read(fd, &c, 1));
  SHOW(pidfd_send(fd, SIGKILL));
  SHOW(poll(&p, 1, -1));
  // A zombie still: signals go nowhere, without an error.
  SHOW(pidfd_send(fd, 0));
  SHOW(pidfd_open_raw(child, 0) >= 0);
  say("%s", reap(child).c_str());
  SHOW(pidfd_send(fd, 0));
  SHOW(pidfd_open_raw(child, 0));
  SHOW(poll(&p, 1, 0));

  // A thread that is not the leader has no pidfd of this kind.
  static Gate tid_gate, go;
  static long tid;
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        tid = raw(SYS_gettid);
        tid_gate.open();
        go.pass();
        return nullptr;
      },
      nullptr);
  tid_gate.pass();
  errno = 0;
  long thread_fd = pidfd_open_raw(static_cast<pid_t>(tid), 0);
  // EINVAL before Linux 6.15, ENOENT from then on.
  say("pidfd of a thread: refused %d", thread_fd < 0 && (errno == EINVAL || errno == ENOENT));
  go.open();
  pthread_join(t, nullptr);
}
