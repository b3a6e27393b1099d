// An init that forks: the kernel's own signals do nothing to it where it has no handler, its
// children have their defaults, and it finds its own as it has left them.
#include <pthread.h>
#include <spawn.h>
#include <sys/timerfd.h>
#include <time.h>

#include "harness.h"

static const int from_kernel[] = {SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO};

static volatile sig_atomic_t handled;
static void handler(int sig) { handled = sig; }

static void show_actions(const char* who) {
  std::string all;
  for (int sig = 1; sig < 32; sig++) {
    struct sigaction action;
    if (sigaction(sig, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_DFL) continue;
    all += " " + signal_name(sig) + (action.sa_handler == SIG_IGN ? "=ignored" : "=handled");
  }
  say("%s:%s", who, all.empty() ? " all default" : all.c_str());
}

static void show_action(const char* what, const struct sigaction& action) {
  say("%s %s, flags %x, SIGUSR2 %s", what,
      action.sa_handler == SIG_DFL   ? "default"
      : action.sa_handler == SIG_IGN ? "ignored"
                                     : "handled",
      action.sa_flags & ~0x04000000 /* SA_RESTORER, libc's */,
      sigismember(&action.sa_mask, SIGUSR2) ? "masked" : "not masked");
}

static struct sigaction* const kNowhere = reinterpret_cast<struct sigaction*>(0x1000);

static void show_status(const char* who) {
  FILE* file = fopen("/proc/self/status", "r");
  char line[256];
  while (file && fgets(line, sizeof line, file)) {
    unsigned long long mask;
    // Without SIGRT32 and SIGRT33, which are libc's.
    if (sscanf(line, "SigIgn: %llx", &mask) == 1) say("%s: SigIgn %llx", who, mask);
    if (sscanf(line, "SigCgt: %llx", &mask) == 1) say("%s: SigCgt %llx", who, mask & 0x7fffffff);
  }
  if (file) fclose(file);
}

static int broken_pipe() {
  int fds[2];
  MUST(pipe(fds));
  close(fds[0]);
  const ssize_t n = write(fds[1], "x", 1);
  const int error = errno;
  close(fds[1]);
  errno = error;
  return static_cast<int>(n);
}

// Until the timer must have run out: another one was set later, and has.
static void wait_for_alarm() {
  const int timer = MUST(timerfd_create(CLOCK_REALTIME, 0));
  const itimerval soon = {{0, 0}, {0, 1000}};
  MUST(setitimer(ITIMER_REAL, &soon, nullptr));
  const itimerspec later = {{0, 0}, {0, 100'000'000}};
  MUST(timerfd_settime(timer, 0, &later, nullptr));
  uint64_t count = 0;
  SHOW(read(timer, &count, sizeof count));
  close(timer);
}

static void timer_sends(int sig) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = sig;
  timer_t timer;
  MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
  const itimerspec often = {{0, 1'000'000}, {0, 1'000'000}};
  MUST(timer_settime(timer, 0, &often, nullptr));
  const timespec moment = {0, 20'000'000};
  say("%s by a timer: nanosleep %d", signal_name(sig).c_str(), nanosleep(&moment, nullptr));
  MUST(timer_delete(timer));
}

// Process 1 is told of a socket's news by that signal.
static void descriptor_sends(int sig) {
  int ends[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  MUST(fcntl(ends[0], F_SETFL, O_ASYNC));
  MUST(fcntl(ends[0], F_SETSIG, sig));
  MUST(fcntl(ends[0], F_SETOWN, 1));
  MUST(write(ends[1], "x", 1));
  say("%s by a descriptor", signal_name(sig).c_str());
  close(ends[0]);
  close(ends[1]);
}

static void children(const char* when) {
  say("-- children %s", when);
  in_child("fork", [] { show_actions("child"); });
  in_child("broken pipe", [] { broken_pipe(); });
  in_child("alarm", [] {
    alarm(1);
    for (;;) pause();
  });
  for (const int sig : from_kernel) in_child(signal_name(sig).c_str(), [sig] { raise(sig); });
  pid_t pid = vfork();
  if (pid == 0) {
    execl("/bin/grep", "grep", "SigIgn", "/proc/self/status", nullptr);
    _exit(127);
  }
  say("vfork: %s", reap(pid).c_str());
  pid = vfork();
  if (pid == 0) {
    show_actions("child of vfork");
    signal(SIGPIPE, SIG_IGN);
    show_actions("child of vfork");
    signal(SIGPIPE, SIG_DFL);
    kill(getpid(), SIGPIPE);
    _exit(1);
  }
  say("vfork: %s", reap(pid).c_str());
  char name[] = "grep", what[] = "SigIgn", file[] = "/proc/self/status";
  char* argv[] = {name, what, file, nullptr};
  MUST(posix_spawn(&pid, "/bin/grep", nullptr, nullptr, argv, environ) == 0 ? 0 : -1);
  say("posix_spawn: %s", reap(pid).c_str());
  pid = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (pid == 0) {
    show_actions("child of clone");
    _exit(0);
  }
  say("clone: %s", reap(pid).c_str());
}

int main(int argc, char** argv) {
  const std::string step = argc > 1 ? argv[1] : "";
  if (step == "again") {
    say("-- another program");
    show_actions("init");
    show_status("init");
    children("of it");
    in_child("kill by a child", [] { SHOW(kill(1, SIGTERM)); });
    SHOW(broken_pipe());
    execl("/proc/self/exe", argv[0], "timer", nullptr);
  }
  if (step == "timer") {
    say("-- a timer");
    for (int i = 0; i < 3; i++) in_child("fork", [] {});
    timer_sends(SIGRTMIN + 1);
    timer_sends(SIGTERM);
    execl("/proc/self/exe", argv[0], "owner", nullptr);
  }
  if (step == "owner") {
    say("-- an owner of descriptors");
    for (int i = 0; i < 3; i++) in_child("fork", [] {});
    for (const int sig : {SIGUSR2, SIGIO}) descriptor_sends(sig);
    in_child("by a child", [] { descriptor_sends(SIGTERM); });
  }
  if (!step.empty()) return 0;
  show_actions("init");
  children("at first");
  children("again");
  show_status("init");

  say("-- signals of the kernel's");
  SHOW(broken_pipe());
  wait_for_alarm();
  for (const int sig : from_kernel) SHOW(raise(sig));
  for (const int sig : {SIGTERM, SIGINT, SIGUSR1, SIGABRT, SIGTSTP, SIGRTMIN + 3}) {
    SHOW(kill(getpid(), sig));
  }
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGTERM, &info));
  in_child("kill by a child", [] {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    for (const int sig : {SIGTERM, SIGALRM, SIGHUP, SIGTSTP, SIGSEGV, SIGKILL, SIGSTOP}) {
      SHOW(kill(1, sig));
      SHOW(syscall(SYS_rt_sigqueueinfo, 1, sig, &info));
      SHOW(syscall(SYS_tgkill, 1, 1, sig));
    }
  });
  children("afterwards");

  say("-- blocked");
  sigset_t set;
  sigemptyset(&set);
  for (const int sig : {SIGTERM, SIGPIPE, SIGALRM}) sigaddset(&set, sig);
  MUST(sigprocmask(SIG_BLOCK, &set, nullptr));
  in_child("kill by a child", [] { SHOW(kill(1, SIGTERM)); });
  SHOW(broken_pipe());
  sigset_t pending;
  MUST(sigpending(&pending));
  for (const int sig : {SIGTERM, SIGPIPE, SIGALRM}) {
    say("%s %s", signal_name(sig).c_str(), sigismember(&pending, sig) ? "pending" : "not pending");
  }
  MUST(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  children("with nothing blocked");

  say("-- handlers");
  signal(SIGUSR1, handler);
  in_child("kill by a child", [] { SHOW(kill(1, SIGUSR1)); });
  say("handled %s", signal_name(handled).c_str());
  show_actions("init");
  struct sigaction action = {}, old = {};
  action.sa_handler = handler;
  SHOW(sigaction(SIGPIPE, &action, &old));
  say("before: %s", old.sa_handler == SIG_DFL ? "default" : "other");
  SHOW(broken_pipe());
  say("handled %s", signal_name(handled).c_str());
  children("with a handler");
  SHOW(signal(SIGPIPE, SIG_DFL) == handler);
  SHOW(broken_pipe());
  SHOW(signal(SIGXFSZ, SIG_IGN) == SIG_DFL);
  show_actions("init");
  children("with one ignored");

  say("-- and none again");
  for (const int sig : {SIGALRM, SIGIO, SIGXFSZ}) {
    action.sa_handler = handler;
    action.sa_flags = SA_NODEFER;
    SHOW(sigaction(sig, &action, nullptr));
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR2);
    SHOW(sigaction(sig, &action, &old));
    show_action("was", old);
    SHOW(sigaction(sig, nullptr, &old));
    show_action("is", old);
    action.sa_handler = SIG_IGN;
    SHOW(sigaction(sig, &action, &old));
    show_action("was", old);
    action.sa_handler = SIG_DFL;
    SHOW(sigaction(sig, &action, &old));
    show_action("was", old);
  }
  SHOW(syscall(SYS_rt_sigaction, SIGALRM, nullptr, kNowhere, 8));
  SHOW(syscall(SYS_rt_sigaction, SIGALRM, kNowhere, nullptr, 8));
  signal(SIGALRM, handler);
  // It is set, though what it was cannot be told.
  const void* const ignored[4] = {reinterpret_cast<void*>(SIG_IGN)};
  SHOW(syscall(SYS_rt_sigaction, SIGALRM, ignored, kNowhere, 8));
  SHOW(sigaction(SIGALRM, nullptr, &old));
  show_action("is", old);
  SHOW(signal(SIGALRM, SIG_DFL) == SIG_IGN);
  SHOW(syscall(SYS_rt_sigaction, SIGALRM, nullptr, &old, 4));
  wait_for_alarm();
  SHOW(raise(SIGIO));
  children("with none");

  say("-- pending");
  MUST(sigprocmask(SIG_BLOCK, &set, nullptr));
  signal(SIGALRM, handler);
  wait_for_alarm();
  SHOW(signal(SIGALRM, SIG_DFL) == handler);
  MUST(sigpending(&pending));
  say("SIGALRM %s", sigismember(&pending, SIGALRM) ? "pending" : "not pending");
  in_child("fork", [] { show_actions("child"); });
  MUST(sigpending(&pending));
  say("SIGALRM %s", sigismember(&pending, SIGALRM) ? "pending" : "not pending");
  MUST(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  children("with nothing pending");

  say("-- threads");
  pthread_t thread;
  pthread_create(
      &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
  pthread_join(thread, nullptr);
  SHOW(broken_pipe());
  children("of a process of threads");
  show_actions("init");
  execl("/proc/self/exe", argv[0], "again", nullptr);
  say("execl: %s", errno_name(errno));
}
