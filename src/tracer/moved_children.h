// Children that their parents lost sight of, because one of the two was moved to another pid
// namespace. For wait(2) and SIGCHLD, and nothing else, such a parent goes on knowing the child by
// the number that it knew: else the end of it could not be told to the parent.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "warren/kernel.h"

namespace warren {

// Thread-safe. Costs a process of a container where nobody was moved one look at a word.
class MovedChildren {
 public:
  // `parent`'s namespace does not contain `child` any more, which was `nr` there.
  void note(const ThreadGroup& child, const ThreadGroup& parent, Nr nr);
  // What the parent knew the child by, also for a moment after it was reaped; 0: no such child.
  Nr nr_for(const ThreadGroup& parent, pid_t host) const;
  // The host number of the child that the parent knew by `nr`; 0: none.
  pid_t host_of(const ThreadGroup& parent, Nr nr) const;

 private:
  struct Entry {
    Ref<const ThreadGroup> child;
    Ref<const ThreadGroup> parent;
    Nr nr;
  };

  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;                   // a leaf
  std::unordered_map<pid_t, Entry> children_;  // guarded by mutex_; by the child's host number
};

}  // namespace warren
