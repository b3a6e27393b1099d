// Children whose number their parents know is not what they would see today, because one of the two
// was moved to another pid namespace: the child has another number there, or none. In what wait(2)
// and SIGCHLD tell, and nowhere else, such a child keeps the number that fork(2) gave to its
// parent, which remembers no other.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "warren/kernel.h"

namespace warren {

// Thread-safe. Costs a process of a container where nobody was moved one look at a word.
class MovedChildren {
 public:
  // `parent` knows `child` as `nr`. Without effect if it knew it by another before.
  void note(const ThreadGroup& child, const ThreadGroup& parent, Nr nr);
  // What the parent knows the child by, also for a moment after it was reaped; 0: nothing is noted.
  Nr nr_for(const ThreadGroup& parent, pid_t host) const;
  // The host number of the child that the parent knows by `nr`; 0: none.
  pid_t host_of(const ThreadGroup& parent, Nr nr) const;

 private:
  struct Entry {
    Ref<const ThreadGroup> child;
    Ref<const ThreadGroup> parent;
    Nr nr;
    // Seen to be reaped; its parent may yet be on the way to hearing of it.
    mutable std::optional<std::chrono::steady_clock::time_point> reaped = std::nullopt;
  };

  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;                   // a leaf
  std::unordered_map<pid_t, Entry> children_;  // guarded by mutex_; by the child's host number
};

}  // namespace warren
