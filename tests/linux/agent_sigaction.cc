// rt_sigaction(2) by the same instructions again and again: what it returns, what it stores, bad
// addresses, and that a handler which looks at who sent a signal sees numbers of its own namespace,
// whenever it was installed.
#include "harness.h"
#include "sites.h"

struct KernelSigaction {
  unsigned long handler, flags, restorer, mask;
};

static volatile sig_atomic_t seen_pid, seen_signal;

static long set(int signal, const void* act, void* old) {
  return site<0, SYS_rt_sigaction>(signal, arg(act), arg(old), 8);
}

static void plain(int) {}

static void results(int signal) {
  KernelSigaction act = {reinterpret_cast<unsigned long>(plain), 0x04000000, 0, 0};
  KernelSigaction ignore = {1, 0, 0, 0};
  KernelSigaction standard = {};
  long wrong = 0;
  for (int i = 0; i < 10; i++) {
    KernelSigaction old = {7, 7, 7, 7};
    if (set(signal, &act, &old) != 0) wrong++;
    if (i > 0 && (old.handler != 1 || old.flags != 0)) wrong++;
    if (set(signal, &ignore, &old) != 0) wrong++;
    if (old.handler != act.handler || old.flags != act.flags) wrong++;
    if (set(signal, nullptr, &old) != 0 || old.handler != 1) wrong++;
    if (set(signal, nullptr, nullptr) != 0) wrong++;
  }
  say("signal %d: %ld wrong", signal, wrong);
  set(signal, &standard, nullptr);
  char* pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  MUST(munmap(pages + 4096, 4096));
  for (int i = 0; i < 3; i++) {
    say("no address %ld", set(signal, reinterpret_cast<void*>(8), nullptr));
    say("beyond the end %ld", set(signal, pages + 4096, nullptr));
    // The flags lie there, and not all of the rest.
    for (int before : {4, 8, 12, 16, 24, 28, 31}) {
      const long got = set(signal, pages + 4096 - before, nullptr);
      if (got != -EFAULT) say("%d bytes: %ld", before, got);
    }
    say("its last place %ld", set(signal, pages + 4096 - 32, nullptr));
    say("old nowhere %ld", set(signal, &ignore, reinterpret_cast<void*>(8)));
    say("size %ld", site<0, SYS_rt_sigaction>(signal, arg(&ignore), 0, 7));
  }
  KernelSigaction old = {};
  set(signal, nullptr, &old);
  say("now %ld", static_cast<long>(old.handler));
}

static void with_siginfo() {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  action.sa_sigaction = [](int signal, siginfo_t* info, void*) {
    seen_pid = info->si_pid;
    seen_signal = signal;
  };
  struct sigaction without = {};
  without.sa_handler = plain;
  without.sa_flags = SA_RESTART;
  for (int i = 0; i < 4; i++) {
    MUST(sigaction(SIGCHLD, &without, nullptr));
    reap(spawn([] {}));
    MUST(sigaction(SIGCHLD, &action, nullptr));
    seen_pid = 0;
    const pid_t child = spawn([] {});
    reap(child);
    say("child is %s", seen_pid == child && seen_signal == SIGCHLD ? "who was seen" : "another");
  }
  int fds[2];
  MUST(pipe(fds));
  close(fds[0]);
  MUST(sigaction(SIGPIPE, &action, nullptr));
  seen_pid = 0;
  SHOW(write(fds[1], "x", 1));
  say("pipe: %s", seen_pid == getpid() && seen_signal == SIGPIPE ? "its own" : "another's");
  MUST(sigaction(SIGXFSZ, &action, nullptr));
  const int file = MUST(memfd_create("file", 0));
  rlimit before;
  MUST(getrlimit(RLIMIT_FSIZE, &before));
  const rlimit small = {0, before.rlim_max};
  MUST(setrlimit(RLIMIT_FSIZE, &small));
  seen_pid = 0;
  errno = 0;
  const long written = write(file, "x", 1);
  const int error = errno;
  MUST(setrlimit(RLIMIT_FSIZE, &before));
  say("write %ld %s", written, errno_name(error));
  say("size: %s", seen_pid == getpid() && seen_signal == SIGXFSZ ? "its own" : "another's");
  struct sigaction old = {};
  MUST(sigaction(SIGCHLD, nullptr, &old));
  say("old is %d, flags %x", old.sa_sigaction == action.sa_sigaction,
      static_cast<unsigned>(old.sa_flags) & ~0x04000000u);
}

static volatile sig_atomic_t count, seen_code;

static void counts(int) { count = count + 1; }

static void looks(int signal, siginfo_t* info, void*) {
  count = count + 1;
  seen_pid = info->si_pid;
  seen_signal = signal;
  seen_code = info->si_code;
}

static void install(int signal, bool sees, int flags) {
  struct sigaction action = {};
  action.sa_flags = flags | (sees ? SA_SIGINFO : 0);
  if (sees) {
    action.sa_sigaction = looks;
  } else {
    action.sa_handler = counts;
  }
  MUST(sigaction(signal, &action, nullptr));
}

// Sent by kill and its kin, as the handler changes; by oneself, and by a child that has the handler
// from its parent and gets one, too.
static void sent() {
  const pid_t self = getpid();
  for (int round = 0; round < 3; round++) {
    for (int flags : {static_cast<int>(SA_RESTART), 0}) {
      for (bool sees : {false, true}) {
        install(SIGUSR1, sees, flags);
        count = 0;
        for (int i = 0; i < 5; i++) MUST(kill(self, SIGUSR1));
        MUST(static_cast<int>(raw(SYS_tgkill, self, self, SIGUSR1)));
        if (sees) say("%s %s", seen_pid == self ? "self" : "?", si_code_text(seen_code));
        const pid_t child = spawn([&] {
          const int before = count;
          MUST(kill(getpid(), SIGUSR1));
          MUST(kill(getppid(), SIGUSR1));
          if (sees && seen_pid != getpid()) _exit(9);
          _exit(count - before);
        });
        int status;
        while (waitpid(child, &status, 0) < 0) {
        }
        say("count %d, child's %d", static_cast<int>(count), WEXITSTATUS(status));
        if (sees) say("%s %s", seen_pid == child ? "child" : "?", si_code_text(seen_code));
      }
    }
    signal(SIGUSR1, SIG_IGN);
    MUST(kill(self, SIGUSR1));
  }
}

int main() {
  in_child("sent", sent);
  for (int signal : {SIGCHLD, SIGPIPE, SIGUSR1, 64}) {
    in_child("results", [=] { results(signal); });
  }
  for (int signal : {0, SIGKILL, SIGSTOP, 65, -1}) {
    KernelSigaction ignore = {1, 0, 0, 0};
    say("%d: %ld %ld", signal, set(signal, &ignore, nullptr), set(signal, nullptr, nullptr));
  }
  in_child("who sent it", with_siginfo);
  with_siginfo();
}
