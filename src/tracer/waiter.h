// All waiting for guests goes through here.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <utility>

#include "tracer/runtime.h"

namespace warren {

struct WaitEvent {
  enum class Kind { kTask, kInterrupted, kNoTasks };
  Kind kind;
  pid_t tid = 0;
  int status = 0;
};

// Waits for the next event of any guest, for the tracer thread. A guest that stops wakes the tracer
// on another core as a rule, and waking a core that has gone idle costs several times what the
// tracer then does. So it looks again for a short while before it sleeps: as long as that pays, as
// measured by its own hits and misses, and never while anybody else wants the processor.
//
// wait(2) for any task goes through all of them until it finds one with news, and a container may
// have thousands that sleep. SIGCHLD, which the kernel sends with each piece of news, names the
// task; but of several that come before it is taken, only the first is kept. So after each SIGCHLD
// all are looked through once, as often as that takes but a small part of the time, and those that
// had news of late in between.
class Waiter {
 public:
  explicit Waiter(Stats& stats) : stats_(stats) {}

  // The tracer thread, before its first wait: blocks SIGCHLD and the signal by which others
  // interrupt. All other threads of the process must block SIGCHLD as well.
  void attach_thread();
  // `briefly`: a millisecond at most, then kInterrupted.
  WaitEvent wait(bool briefly = false);
  // Called with a task that has died, before its death is taken: until then the host's kernel keeps
  // what it knows of it.
  using DeathObserver = std::function<void(pid_t)>;
  void set_death_observer(DeathObserver observer) { death_observer_ = std::move(observer); }
  // Takes what the task has to tell, if anything, without waiting; as waitpid(2).
  pid_t take_from(pid_t tid, int* status);
  // Looks through all tasks. Takes an event if one is there; kNoTasks or kInterrupted if not.
  WaitEvent poll();
  // Sleeps until any task has news, which is not taken, a millisecond at most. False: none came.
  bool pause();
  // The task will soon have news.
  void expect(pid_t tid);
  // From now on job-control stops of own children that nobody traces are events, too.
  void hear_of_stops() { stops_ = true; }
  // Any thread: the current or next wait() returns kInterrupted.
  void interrupt();

 private:
  using Clock = std::chrono::steady_clock;

  int options() const { return __WALL | WNOHANG | (stops_ ? WUNTRACED : 0); }
  // Each: true if it has an event of a task, was interrupted, or there are no tasks.
  bool take_announced(WaitEvent* event, std::chrono::nanoseconds timeout);
  bool take_recent(WaitEvent* event);
  bool take(WaitEvent* event);
  bool spin(WaitEvent* event);
  bool sleep(WaitEvent* event);

  Stats& stats_;
  DeathObserver death_observer_;
  bool stops_ = false;
  std::atomic<int> interrupted_{0};
  pid_t thread_ = 0;
  sigset_t signals_{};
  // How long to look before sleeping; grows when an event came soon after falling asleep, shrinks
  // when looking was in vain.
  std::chrono::nanoseconds window_{0};
  // There may be news of which no SIGCHLD was kept; all are looked through at `next_look_`.
  bool unannounced_ = true;
  Clock::time_point next_look_{};
  // Tasks that had news of late, the last first; 0: none.
  std::array<pid_t, 8> recent_{};
  // Somebody else wanted the processor: no looking before this.
  Clock::time_point sleep_until_{};
};

}  // namespace warren
