// rt_sigqueueinfo and rt_tgsigqueueinfo: errors, what a sender may claim, and queueing of many.
#include "harness.h"

static siginfo_t claim(int code, int pid, int value) {
  siginfo_t info = {};
  info.si_code = code;
  info.si_pid = pid;
  info.si_value.sival_int = value;
  return info;
}

static void take(int sig) {
  sigset_t set = signal_set({sig});
  siginfo_t info = {};
  timespec zero = {};
  int got = sigtimedwait(&set, &info, &zero);
  if (got < 0)
    say("  nothing: %s", errno_name(errno));
  else
    say("  %s si_pid %d value %d %s", signal_name(got).c_str(), info.si_pid,
        info.si_value.sival_int, si_code_text(info.si_code));
}

int main() {
  int rt = SIGRTMIN + 5;
  block({rt, SIGUSR1});
  siginfo_t info = claim(SI_QUEUE, 1, 5);
  SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&info)));
  take(rt);
  SHOW(raw(SYS_rt_sigqueueinfo, 9999, rt, arg(&info)));
  SHOW(raw(SYS_rt_sigqueueinfo, 1, 65, arg(&info)));
  SHOW(raw(SYS_rt_sigqueueinfo, 0, rt, arg(&info)));
  SHOW(raw(SYS_rt_sigqueueinfo, -1, rt, arg(&info)));
  SHOW(raw(SYS_rt_sigqueueinfo, 1, 0, arg(&info)));
  SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, 16));
  SHOW(raw(SYS_rt_tgsigqueueinfo, 1, 1, rt, arg(&info)));
  take(rt);
  SHOW(raw(SYS_rt_tgsigqueueinfo, 1, 9999, rt, arg(&info)));
  SHOW(raw(SYS_rt_tgsigqueueinfo, 9999, 1, rt, arg(&info)));
  SHOW(raw(SYS_rt_tgsigqueueinfo, 0, 1, rt, arg(&info)));
  SHOW(raw(SYS_rt_tgsigqueueinfo, 1, -1, rt, arg(&info)));

  // To itself a process may claim anything; to others not kill's or the kernel's codes.
  info = claim(SI_USER, 1, 6);
  SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&info)));
  take(rt);
  in_child("claims to init", [&] {
    siginfo_t i = claim(SI_QUEUE, getpid(), 11);
    SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&i)));
    i = claim(SI_USER, getpid(), 12);
    SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&i)));
    i = claim(SI_TKILL, getpid(), 13);
    SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&i)));
    i = claim(SI_KERNEL, getpid(), 14);
    SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, arg(&i)));
    SHOW(raw(SYS_rt_sigqueueinfo, 1, rt, 16));
    SHOW(raw(SYS_rt_tgsigqueueinfo, 1, 1, rt, 16));
    i = claim(-60, 77, 15);  // whatever it likes
    SHOW(raw(SYS_rt_sigqueueinfo, 1, 65, arg(&i)));
    SHOW(raw(SYS_rt_sigqueueinfo, 1, -1, arg(&i)));
    SHOW(raw(SYS_rt_sigqueueinfo, 1, 0, arg(&i)));
    SHOW(raw(SYS_rt_sigqueueinfo, 1, SIGKILL, arg(&i)));
    i.si_signo = 3;  // not believed
    SHOW(raw(SYS_rt_tgsigqueueinfo, 1, 1, rt, arg(&i)));
    SHOW(raw(SYS_rt_tgsigqueueinfo, 1, 2, rt, arg(&i)));
  });
  take(rt);
  take(rt);
  take(rt);

  // Realtime signals queue in order, common ones do not.
  in_child("many", [&] {
    for (int i = 0; i < 5; i++) sigqueue(1, rt, {.sival_int = 100 + i});
    for (int i = 0; i < 5; i++) sigqueue(1, SIGUSR1, {.sival_int = 200 + i});
  });
  for (int i = 0; i < 6; i++) take(rt);
  for (int i = 0; i < 2; i++) take(SIGUSR1);
}
