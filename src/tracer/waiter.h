// All waiting for guests goes through here.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>

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
class Waiter {
 public:
  explicit Waiter(Stats& stats) : stats_(stats) {}

  // The tracer thread, before its first wait: prepares the signal by which others interrupt.
  void attach_thread();
  // `idle`: called once before it goes to sleep.
  WaitEvent wait();
  // Takes an event if one is there; kNoTasks or kInterrupted with tid 0 if not.
  WaitEvent poll();
  // Any thread: the current or next wait() returns kInterrupted.
  void interrupt();

 private:
  bool spin(WaitEvent* event);

  Stats& stats_;
  std::atomic<int> interrupted_{0};
  pid_t thread_ = 0;
  // How long to look before sleeping; grows when an event came soon after falling asleep, shrinks
  // when looking was in vain.
  std::chrono::nanoseconds window_{0};
  // Somebody else wanted the processor: no looking before this.
  std::chrono::steady_clock::time_point sleep_until_{};
};

}  // namespace warren
