// timeout: 60
// Calls that carry numbers, under a timer that interrupts the process as often as it can: each one
// gives the answer that it gives in quiet, and none is carried out twice or not at all.
#include "harness.h"

static volatile int ticks, users;

static bool at_once;  // a timer that ends within the call, rather than one that ticks on

// Runs the call until enough ticks have come in; says how often it answered otherwise than wanted.
template <typename F>
static void under_fire(const char* what, F call, long wanted) {
  int wrong = 0, first_error = 0, rounds = 0;
  for (int start = ticks; rounds < 300 || (ticks - start < 50 && rounds < 20000); rounds++) {
    if (at_once) {
      itimerval soon = {{0, 0}, {0, 1 + rounds % 12}};
      MUST(setitimer(ITIMER_REAL, &soon, nullptr));
    }
    errno = 0;
    if (call() != wanted) {
      wrong++;
      if (first_error == 0) first_error = errno;
    }
  }
  say("%s: wrong %d%s%s", what, wrong, wrong ? " first " : "",
      wrong ? errno_name(first_error) : "");
}

static void all_calls() {
  const pid_t me = getpid();
  under_fire(
      "getpid", [] { return raw(SYS_getpid); }, me);
  under_fire(
      "getppid", [] { return raw(SYS_getppid); }, 1);
  under_fire(
      "gettid", [] { return raw(SYS_gettid); }, me);
  under_fire(
      "getpgid", [me] { return raw(SYS_getpgid, me); }, getpgid(me));
  under_fire(
      "kill 0", [me] { return kill(me, 0); }, 0);
  under_fire(
      "kill nobody", [] { return kill(9999, 0); }, -1);
  int sent = 0;
  users = 0;
  under_fire(
      "kill USR1", [&] { return sent++, kill(me, SIGUSR1); }, 0);
  // The process is its only thread, so each signal is delivered before the call returns.
  say("sent as many as handled %d", sent == users);
  users = 0;
  sent = 0;
  under_fire(
      "tgkill USR1", [&] { return sent++, raw(SYS_tgkill, me, me, SIGUSR1); }, 0);
  say("sent as many as handled %d", sent == users);
  users = 0;
  sent = 0;
  under_fire(
      "sigqueue USR1", [&] { return sent++, sigqueue(me, SIGUSR1, {.sival_int = 1}); }, 0);
  say("sent as many as handled %d", sent == users);
  rlimit limit;
  under_fire(
      "prlimit", [&] { return prlimit(me, RLIMIT_NOFILE, nullptr, &limit); }, 0);
  under_fire(
      "getpriority", [me] { return getpriority(PRIO_PROCESS, static_cast<id_t>(me)); },
      getpriority(PRIO_PROCESS, 0));
  under_fire(
      "setpgid", [me] { return setpgid(me, me); }, 0);
  under_fire(
      "open /proc/self/stat", [] { return atoi(stat_field("/proc/self/stat", 1).c_str()); }, me);
  under_fire(
      "readlink /proc/self",
      [] {
        char text[16] = {};
        return readlink("/proc/self", text, sizeof text - 1) > 0 ? atoi(text) : -1;
      },
      me);
  under_fire(
      "pidfd_open",
      [me] {
        int fd = static_cast<int>(raw(SYS_pidfd_open, me, 0));
        if (fd >= 0) close(fd);
        return fd >= 0;
      },
      1);
  under_fire(
      "fcntl owner", [me] { return fcntl(0, F_SETOWN, me) == 0 ? fcntl(0, F_GETOWN) : -1; }, me);
}

int main() {
  below_init([] {
    for (int flags : {SA_RESTART, 0}) {
      on_signal(
          SIGALRM, [](int) { ticks = ticks + 1; }, flags);
      on_signal(
          SIGUSR1, [](int) { users = users + 1; }, flags);
      at_once = false;
      itimerval often = {{0, 150}, {0, 150}};
      MUST(setitimer(ITIMER_REAL, &often, nullptr));
      say("a timer that ticks, SA_RESTART %d", flags != 0);
      all_calls();
      say("a timer that ends within each call, SA_RESTART %d", flags != 0);
      at_once = true;
      all_calls();
    }
    at_once = false;
    on_signal(
        SIGALRM, [](int) { ticks = ticks + 1; }, SA_RESTART);
    // Slower than a tick each, so with fewer ticks.
    itimerval often = {{0, 3000}, {0, 3000}};
    MUST(setitimer(ITIMER_REAL, &often, nullptr));
    under_fire(
        "fork and wait",
        [] {
          pid_t pid = fork();
          if (pid == 0) _exit(getpid() & 0x7f);
          int status = 0;
          return pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == (pid & 0x7f);
        },
        1);
    under_fire(
        "vfork and exec",
        [] {
          pid_t pid = vfork();
          if (pid == 0) {
            execl("/bin/true", "true", nullptr);
            _exit(1);
          }
          int status = -1;
          return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
        },
        1);
    itimerval never = {};
    setitimer(ITIMER_REAL, &never, nullptr);
  });
}
