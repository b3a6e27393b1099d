// getpriority, setpriority, sched_*, ioprio_* with a pid: whose they change, and the errors.
#include <pthread.h>

#include "harness.h"

// From linux/ioprio.h.
constexpr int kIoPrioProcess = 1, kIoPrioGroup = 2, kBestEffort = 2 << 13;

struct Attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

int main() {
  MUST(setsid());
  Gate ready, go;
  pid_t child = spawn([&] {
    MUST(setpgid(0, 0));
    ready.open();
    go.close_writer();
    go.pass();
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(sched_getscheduler(0));
  });
  ready.pass();
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(getpriority(PRIO_PROCESS, 1));
  SHOW(getpriority(PRIO_PROCESS, child));
  SHOW(setpriority(PRIO_PROCESS, static_cast<id_t>(child), 3));
  SHOW(getpriority(PRIO_PROCESS, child));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(setpriority(PRIO_PGRP, static_cast<id_t>(child), 5));
  SHOW(getpriority(PRIO_PGRP, child));
  SHOW(getpriority(PRIO_PGRP, 0));
  SHOW(getpriority(PRIO_PROCESS, 9999));
  SHOW(getpriority(PRIO_PGRP, 9999));
  SHOW(setpriority(PRIO_PROCESS, 9999, 5));
  SHOW(setpriority(PRIO_PGRP, 9999, 5));
  SHOW(getpriority(static_cast<__priority_which>(7), 0));
  SHOW(setpriority(static_cast<__priority_which>(7), 0, 0));

  SHOW(sched_getscheduler(child));
  SHOW(sched_getscheduler(9999));
  SHOW(sched_getscheduler(-1));
  sched_param param = {};
  SHOW(sched_setscheduler(child, SCHED_BATCH, &param));
  SHOW(sched_getscheduler(child));
  SHOW(sched_getscheduler(0));
  SHOW(sched_setscheduler(9999, SCHED_BATCH, &param));
  SHOW(sched_setscheduler(-1, SCHED_BATCH, &param));
  SHOW(sched_getparam(child, &param));
  SHOW(sched_getparam(9999, &param));
  SHOW(sched_setparam(child, &param));
  SHOW(sched_setparam(9999, &param));
  timespec interval;
  SHOW(sched_rr_get_interval(child, &interval));
  SHOW(sched_rr_get_interval(9999, &interval));
  cpu_set_t cpus, one;
  CPU_ZERO(&cpus);
  SHOW(sched_getaffinity(child, sizeof cpus, &cpus));
  SHOW(sched_getaffinity(9999, sizeof cpus, &cpus));
  int first = 0;
  while (!CPU_ISSET(first, &cpus)) first++;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  SHOW(sched_setaffinity(child, sizeof one, &one));
  SHOW(sched_setaffinity(9999, sizeof one, &one));
  SHOW(sched_getaffinity(child, sizeof cpus, &cpus));
  say("one left: %d", CPU_COUNT(&cpus));
  Attributes attributes = {};
  SHOW(raw(SYS_sched_getattr, child, arg(&attributes), sizeof attributes, 0));
  say("policy %u nice %d", attributes.policy, attributes.nice);
  attributes.nice = 7;
  SHOW(raw(SYS_sched_setattr, child, arg(&attributes), 0));
  SHOW(getpriority(PRIO_PROCESS, child));
  SHOW(raw(SYS_sched_getattr, 9999, arg(&attributes), sizeof attributes, 0));
  SHOW(raw(SYS_sched_setattr, 9999, arg(&attributes), 0));

  SHOW(raw(SYS_ioprio_set, kIoPrioProcess, child, kBestEffort | 6));
  SHOW(raw(SYS_ioprio_get, kIoPrioProcess, child));
  SHOW(raw(SYS_ioprio_set, kIoPrioGroup, child, kBestEffort | 5));
  SHOW(raw(SYS_ioprio_get, kIoPrioGroup, child));
  SHOW(raw(SYS_ioprio_get, kIoPrioProcess, 9999));
  SHOW(raw(SYS_ioprio_set, kIoPrioProcess, 9999, kBestEffort | 6));
  SHOW(raw(SYS_ioprio_get, kIoPrioGroup, 9999));
  SHOW(raw(SYS_ioprio_get, 9, 0));

  // A thread's own: PRIO_PROCESS takes its number.
  static Gate tid_gate, leave;
  static long tid;
  pthread_t t;
  pthread_create(
      &t, nullptr,
      [](void*) -> void* {
        tid = raw(SYS_gettid);
        tid_gate.open();
        leave.pass();
        say("in the thread: %d", getpriority(PRIO_PROCESS, 0));
        return nullptr;
      },
      nullptr);
  tid_gate.pass();
  SHOW(setpriority(PRIO_PROCESS, static_cast<id_t>(tid), 9));
  SHOW(getpriority(PRIO_PROCESS, static_cast<id_t>(tid)));
  SHOW(getpriority(PRIO_PROCESS, 1));
  leave.open();
  pthread_join(t, nullptr);
  go.open();
  say("%s", reap(child).c_str());
  SHOW(getpriority(PRIO_PROCESS, child));
}
