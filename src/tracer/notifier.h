// User notifications: the cheap way in, for calls that only need an answer or a descriptor.
#pragma once

#include <linux/seccomp.h>

#include <atomic>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tracer/caller_processor.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"

namespace warren {

// Serves one listener with a few threads, two of which receive at a time. With synchronous wake-up
// who receives runs on the core of the guest that waits. Both are woken by each call, and one finds
// nothing to do, which cannot be measured; but a thread that has just answered may be preempted by
// whom it answered, before it waits again, and stays in that core's queue: a guest on another core
// would wait for it, and that core would idle. One decides at a time what becomes of its call; a
// thread that finds that this will take a while lets another one decide, and receive.
class Notifier {
 public:
  // `sync_wakeup`: synchronous wake-up, if the host can.
  Notifier(Runtime& runtime, UniqueFd listener, bool sync_wakeup);
  // Ends the threads; a call that waits meanwhile fails with ENOSYS when the listener is closed.
  ~Notifier();

  // Whether the last guest behind the listener has gone (where the host tells: Linux 6.11).
  bool idle() const { return running_ == 0; }

 private:
  void serve();
  // Whether the thread still is one of those that receive.
  bool handle(void* notification, void* response);
  // What a handler said is carried out, or put into the answer. True: the caller has its answer.
  bool carry_out(SyscallContext& context, seccomp_notif_resp* answer);
  // A child that an agent made tells of itself.
  void take_in_child(pid_t tid, const seccomp_notif& request, seccomp_notif_resp* answer);

  Runtime& runtime_;
  UniqueFd listener_;
  const bool sync_wakeup_;
  CallerProcessor caller_processor_;
  std::atomic<int> stopping_{0};
  std::atomic<int> running_{0};
  std::mutex serving_;  // held by who decides; not while the answer is sent
  std::counting_semaphore<> receivers_;
  std::vector<std::thread> threads_;
};

}  // namespace warren
