// Signals to oneself by the same instructions again and again: who gets them and when, what a
// handler, signalfd(2) and sigwaitinfo(2) see of them, in processes and threads, with errors.
#include <sys/signalfd.h>

#include <thread>

#include "harness.h"
#include "sites.h"

static volatile sig_atomic_t count;
static siginfo_t seen;

static void looks(int, siginfo_t* info, void*) {
  count = count + 1;
  seen = *info;
}

static void install(int signal, int flags) {
  struct sigaction action = {};
  action.sa_sigaction = looks;
  action.sa_flags = SA_SIGINFO | flags;
  MUST(sigaction(signal, &action, nullptr));
}

static long kill_site(long pid, int signal) { return site<0, SYS_kill>(pid, signal); }
static long tgkill_site(long pid, long tid, int signal) {
  return site<1, SYS_tgkill>(pid, tid, signal);
}

static const char* sender() {
  return seen.si_pid == getpid() && seen.si_uid == getuid() ? "oneself" : "another";
}

static void say_seen(const char* what, long result) {
  say("%s: %ld, %d times, %s %s from %s, errno %d", what, result, static_cast<int>(count),
      signal_name(seen.si_signo).c_str(), si_code_text(seen.si_code), sender(), seen.si_errno);
  count = 0;
  seen = {};
}

static void handlers() {
  const long self = getpid();
  for (int signal : {SIGUSR1, SIGTERM, SIGSEGV, SIGCHLD, SIGRTMIN + 5, 64}) {
    install(signal, 0);
    for (int i = 0; i < 3; i++) {
      long result = kill_site(self, signal);
      say_seen("kill", result);
      result = tgkill_site(self, self, signal);
      say_seen("tgkill", result);
    }
    // Before the call returns, every time.
    long late = 0;
    for (int i = 1; i <= 200; i++) {
      kill_site(self, signal);
      if (count != i) late++;
    }
    say("late %ld", late);
    count = 0;
    ::signal(signal, SIG_DFL);
  }
}

static void errors() {
  const long self = getpid();
  install(SIGUSR1, 0);
  for (int i = 0; i < 4; i++) {
    for (int signal : {0, 65, -1, 1000}) {
      say("%d: %ld %ld", signal, kill_site(self, signal), tgkill_site(self, self, signal));
    }
    say("%ld %ld %ld", tgkill_site(self, 0, SIGUSR1), tgkill_site(0, self, SIGUSR1),
        tgkill_site(self, -1, SIGUSR1));
    // The upper halves do not count.
    seen = {};
    const long result = kill_site(self | 0x700000000, SIGUSR1);
    say_seen("upper half", result);
  }
}

// Blocked ones wait; legacy signals once, the others each.
static void blocked() {
  const long self = getpid();
  for (int signal : {SIGUSR2, SIGRTMIN + 1}) {
    install(signal, 0);
    const sigset_t set = signal_set({signal});
    for (int i = 0; i < 3; i++) {
      sigprocmask(SIG_BLOCK, &set, nullptr);
      for (int n = 0; n < 3; n++) kill_site(self, signal);
      tgkill_site(self, self, signal);
      say("blocked: %d", static_cast<int>(count));
      siginfo_t info = {};
      const int taken = sigwaitinfo(&set, &info);
      say("taken %s %s from %s", signal_name(taken).c_str(), si_code_text(info.si_code),
          info.si_pid == getpid() ? "oneself" : "another");
      const int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK));
      signalfd_siginfo read_info = {};
      const ssize_t size = read(fd, &read_info, sizeof read_info);
      say("read %zd from %s", size,
          static_cast<pid_t>(read_info.ssi_pid) == getpid() ? "oneself" : "another");
      close(fd);
      sigprocmask(SIG_UNBLOCK, &set, nullptr);
      say("unblocked: %d", static_cast<int>(count));
      count = 0;
    }
    ::signal(signal, SIG_DFL);
  }
}

// Of several threads, each by its own number.
static void threads() {
  install(SIGUSR1, 0);
  const long self = getpid();
  for (int round = 0; round < 3; round++) {
    static thread_local volatile sig_atomic_t here;
    std::thread([&] {
      here = count;
      const long result = tgkill_site(self, raw(SYS_gettid), SIGUSR1);
      say("a thread to itself: %ld %d", result, count - here);
      const long other = tgkill_site(self, self, SIGUSR1);
      while (count == here + 1) sched_yield();
      say("to another: %ld", other);
      say("to the process: %ld", kill_site(self, SIGUSR1));
      while (count == here + 2) sched_yield();
    }).join();
    count = 0;
    const long result = kill_site(self, SIGUSR1);
    say_seen("afterwards", result);
  }
}

// As a default has it: ends, stops, and what is ignored.
static void defaults() {
  for (int i = 0; i < 2; i++) {
    for (int signal : {SIGTERM, SIGABRT, SIGUSR1, SIGKILL, SIGRTMIN}) {
      const pid_t child = spawn([=] {
        rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        for (int n = 0; n < 5; n++) kill_site(getpid(), SIGWINCH);
        kill_site(getpid(), signal);
      });
      say("%d: %s", signal, reap(child).c_str());
    }
    for (int signal : {SIGSTOP, SIGTSTP}) {
      const pid_t child = spawn([=] {
        setpgid(0, 0);  // in a group of its own, whose parent is in another: not orphaned
        kill_site(getpid(), signal);
        _exit(9);
      });
      int status;
      MUST(waitpid(child, &status, WUNTRACED));
      say("%d: stopped by %d", signal, WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
      kill(child, SIGCONT);
      say("%s", reap(child).c_str());
    }
  }
}

// A handler for one time, and one that is entered with its signal allowed.
static void flags() {
  for (int i = 0; i < 3; i++) {
    const pid_t child = spawn([] {
      install(SIGUSR1, static_cast<int>(SA_RESETHAND));
      kill_site(getpid(), SIGUSR1);
      kill_site(getpid(), SIGUSR1);
    });
    say("for one time: %s", reap(child).c_str());
  }
  static volatile sig_atomic_t depth;
  struct sigaction action = {};
  action.sa_flags = SA_NODEFER | SA_RESTART;
  action.sa_handler = [](int signal) {
    depth = depth + 1;
    if (depth < 5) kill_site(getpid(), signal);
  };
  MUST(sigaction(SIGUSR1, &action, nullptr));
  kill_site(getpid(), SIGUSR1);
  say("depth %d", static_cast<int>(depth));
}

// The kernel's way of saying that.
static void self_descriptors() {
  install(SIGUSR1, 0);
  for (int self : {-10000, -10001}) {
    long result = raw(SYS_pidfd_send_signal, self, SIGUSR1, 0, 0);
    say("%d: %s", self, result == 0 || result == -EBADF ? "as the kernel has it" : "?");
    say("%d times, from %s", result == 0 ? static_cast<int>(count) : 1,
        result == 0 ? sender() : "oneself");
    count = 0;
    say("invalid %ld", raw(SYS_pidfd_send_signal, self, 1, 0, 77));
  }
}

int main() {
  handlers();
  errors();
  blocked();
  threads();
  in_child("handlers", handlers);
  in_child("blocked", blocked);
  in_child("threads", threads);
  defaults();
  flags();
  self_descriptors();
  in_child("self", self_descriptors);
}
