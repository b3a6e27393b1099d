// On which processor a caller shall wake up when it is answered.
//
// A synchronous wake-up brings the one who is woken to the waker's processor: the receiver to the
// caller's, and the caller, when it is answered, to the receiver's. That is the same one, and saves
// a wake-up across processors, if the receiver did move. It does not where it was not asleep yet,
// or its queue had not let go of it; the answer then takes the caller from its own idle processor
// to one where it has to wait its turn, for milliseconds.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace warren {

// Any thread.
class CallerProcessor {
 public:
  // A call of `tid` was received by a thread that went to wait for it on processor `before`, and
  // has found it on processor `now`. Whether the caller's is `now`, too.
  bool is_here(pid_t tid, int before, int now);

 private:
  // Where callers were last: a task's number and a processor. Lossy; a caller that was moved since
  // is moved once more.
  std::array<std::atomic<std::uint64_t>, 256> last_{};
};

}  // namespace warren
