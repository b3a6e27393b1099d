// Who of the guests traces whom, and what their waits are told.
#include <algorithm>

#include "tracer/group_host.h"
#include "tracer/guest_trace.h"
#include "tracer/proc_stat.h"
#include "tracer/signal_permission.h"

namespace warren {

Tracee::Tracee() = default;
Tracee::~Tracee() = default;

namespace {

constexpr int kStopped = 0x7f;  // in the low byte of a wait status

// ptrace(2): it is the thread's tracee; but any thread of the process may wait for it, unless it
// asks for its own alone.
bool is_tracer(const GuestTrace& guest, const Task& waiter, bool own_thread) {
  if (guest.process != &waiter.group()) return false;
  return !own_thread || !guest.thread || guest.thread == &waiter;
}

bool is_meant(const GuestWait& wait, Task& waiter, Nr nr, Pid& group) {
  switch (wait.type) {
    case P_ALL:
      return true;
    case P_PID:
      return nr == wait.id;
    case P_PGID:
      if (wait.id == 0) return waiter.group().pgid() == &group;
      return group.nr_in(*waiter.ns()) == wait.id;
    default:
      return false;
  }
}

bool is_meant(const GuestWait& wait, Task& waiter, const Task& tracee) {
  return is_meant(wait, waiter, tracee.nr_in(*waiter.ns()), *tracee.group().pgid());
}

}  // namespace

void GuestTraces::remove(const Tracee& tracee) { std::erase(tracees_, &tracee); }

bool GuestTraces::any_of(const ThreadGroup& process) const {
  return std::any_of(tracees_.begin(), tracees_.end(),
                     [&](const Tracee* tracee) { return tracee->guest->process == &process; });
}

void GuestTraces::forget_ends(const ThreadGroup& tracer) {
  std::erase_if(ends_, [&](const End& end) { return end.tracer == &tracer; });
}

bool GuestTraces::any_end_of(const ThreadGroup& tracer) const {
  return std::any_of(ends_.begin(), ends_.end(),
                     [&](const End& end) { return end.tracer == &tracer; });
}

std::vector<GuestTraces::End>::const_iterator GuestTraces::find_end(Task& waiter,
                                                                    const GuestWait& wait) const {
  return std::find_if(ends_.begin(), ends_.end(), [&](const End& end) {
    if (!wait.ends || end.tracer != &waiter.group()) return false;
    if (wait.own_thread && end.thread && end.thread != &waiter) return false;
    return is_meant(wait, waiter, end.news.nr, *end.group);
  });
}

void GuestTraces::told_by_kernel(const ThreadGroup& tracer, pid_t process) {
  std::erase_if(ends_,
                [&](const End& end) { return end.tracer == &tracer && end.process == process; });
}

std::optional<GuestNews> GuestTraces::take(Task& waiter, const GuestWait& wait) {
  // A tracee whose parent has died meanwhile may be the tracer's own child: then the kernel tells.
  std::erase_if(ends_, [&](const End& end) {
    return end.tracer == &waiter.group() && end.process != 0 &&
           read_proc_stat(end.process).parent == waiter.group().level0();
  });
  if (const auto end = find_end(waiter, wait); end != ends_.end()) {
    const GuestNews news = end->news;
    if (!wait.keeps) ends_.erase(end);
    return news;
  }
  for (Tracee* const tracee : tracees_) {
    GuestTrace& guest = *tracee->guest;
    if (!guest.stop || guest.stop->told || !is_tracer(guest, waiter, wait.own_thread)) continue;
    if (!is_meant(wait, waiter, *tracee->task)) continue;
    if (!wait.keeps) guest.stop->told = true;
    return GuestNews{.nr = tracee->task->nr_in(*waiter.ns()),
                     .uid = real_uid_of(tracee->tid),
                     .status = guest.stop->code << 8 | kStopped,
                     .time = TracerGroupHost::read_cpu_time(tracee->tid, *tracee->task)};
  }
  return std::nullopt;
}

bool GuestTraces::expects(Task& waiter, const GuestWait& wait) const {
  if (find_end(waiter, wait) != ends_.end()) return true;
  return std::any_of(tracees_.begin(), tracees_.end(), [&](const Tracee* tracee) {
    return is_tracer(*tracee->guest, waiter, wait.own_thread) &&
           is_meant(wait, waiter, *tracee->task);
  });
}

}  // namespace warren
