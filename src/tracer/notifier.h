// User notifications: the cheap way in, for calls that only need an answer or a descriptor.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tracer/runtime.h"

namespace warren {

// Serves one listener with a few threads. With synchronous wake-up each notification is served on
// the core of the guest that waits for it, so busy guests on several cores do not wait for each
// other.
class Notifier {
 public:
  Notifier(Runtime& runtime, UniqueFd listener);
  // Ends the threads; a call that waits meanwhile fails with ENOSYS when the listener is closed.
  ~Notifier();

  // Whether the last guest behind the listener has gone (where the host tells: Linux 6.11).
  bool idle() const { return serving_ == 0; }

 private:
  void serve();
  void handle(void* notification, void* response);

  Runtime& runtime_;
  UniqueFd listener_;
  std::atomic<int> stopping_{0};
  std::atomic<int> serving_{0};
  std::vector<std::thread> threads_;
};

}  // namespace warren
