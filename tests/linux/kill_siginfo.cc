// si_pid, si_code and si_value in handlers: kill, tgkill, sigqueue, raise, alarm, SIGCHLD.
#include "harness.h"

static volatile int got, got_pid, got_code, got_value, got_status;

static void handler(int sig, siginfo_t* info, void*) {
  got_pid = info->si_pid;
  got_code = info->si_code;
  got_value = info->si_value.sival_int;
  got_status = info->si_status;
  got = sig;
}

static void wait_handler(const char* what) {
  while (!got) sched_yield();
  if (got == SIGCHLD)
    say("%s: %s si_pid %d %s status %d", what, signal_name(got).c_str(), got_pid,
        chld_code(got_code), got_status);
  else if (got_code == SI_QUEUE)
    say("%s: %s si_pid %d SI_QUEUE value %d", what, signal_name(got).c_str(), got_pid, got_value);
  else
    say("%s: %s si_pid %d %s", what, signal_name(got).c_str(), got_pid, si_code_text(got_code));
  got = 0;
}

int main() {
  for (int sig : {SIGUSR1, SIGUSR2, SIGRTMIN + 2, SIGALRM, SIGCHLD}) on_signal(sig, handler);
  pid_t me = getpid();
  kill(me, SIGUSR1);
  wait_handler("kill itself");
  raise(SIGUSR1);
  wait_handler("raise");
  sigqueue(me, SIGUSR2, {.sival_int = 42});
  wait_handler("sigqueue itself");
  got = 0;

  sigset_t chld = signal_set({SIGCHLD});
  sigprocmask(SIG_BLOCK, &chld, nullptr);
  for (int round = 0; round < 2; round++) {
    pid_t child = spawn([me] { kill(me, SIGUSR1); });
    wait_handler("kill by a child");
    say("%s", reap(child).c_str());
    child = spawn([me] { sigqueue(me, SIGRTMIN + 2, {.sival_int = -7}); });
    wait_handler("sigqueue by a child");
    say("%s", reap(child).c_str());
    child = spawn([me] { raw(SYS_tgkill, me, me, SIGUSR2); });
    wait_handler("tgkill by a child");
    say("%s", reap(child).c_str());
  }
  pid_t child = spawn([] {
    pid_t self = getpid();
    sigqueue(self, SIGUSR1, {.sival_int = 3});
    wait_handler("in the child");
    kill(self, SIGUSR2);
    wait_handler("in the child");
    _exit(12);
  });
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
  sigprocmask(SIG_UNBLOCK, &chld, nullptr);
  wait_handler("SIGCHLD");
  say("%s", reap(child).c_str());

  // From the parent to the child.
  Gate ready;
  child = spawn([&] {
    ready.open();
    wait_handler("from the parent");
    ready.open();
    wait_handler("from the parent");
  });
  ready.pass();
  kill(child, SIGUSR1);
  ready.pass();
  sigqueue(child, SIGUSR2, {.sival_int = 99});
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  wait_handler("SIGCHLD");

  itimerval timer = {{0, 0}, {0, 1000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  while (!got) sched_yield();
  say("setitimer: %s %s", signal_name(got).c_str(), si_code_text(got_code));
}
