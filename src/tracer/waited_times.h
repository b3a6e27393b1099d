// What children used that have ended: by whom it is counted. Where nobody sees each child's end,
// the kernel's sum for the parent is all that tells; what others count already is not counted
// again.
#pragma once

#include <mutex>
#include <unordered_map>

#include "warren/group_host.h"
#include "warren/kernel.h"

namespace warren {

// Thread-safe; its mutex is a leaf. All times are with what children had waited for in their turn,
// as the kernel has it (getrusage(2), RUSAGE_CHILDREN).
class WaitedTimes {
 public:
  // A child of `parent` used `time`, and that is counted elsewhere.
  void counted(const ThreadGroup& parent, const CpuTime& time);
  // `parent` has waited for `child`, whose own times nobody saw: they count as the parent's.
  void unseen(const ThreadGroup& parent, const ThreadGroup& child);
  // What the process's children used that counts elsewhere.
  CpuTime elsewhere(const ThreadGroup& process) const;
  // What of them counts as the process's own. Asks the kernel, for those that have any such.
  CpuTime own(const ThreadGroup& process) const;
  void forget(const ThreadGroup& process);

 private:
  struct Children {
    CpuTime elsewhere;
    bool unseen = false;
  };

  mutable std::mutex mutex_;
  std::unordered_map<const ThreadGroup*, Children> children_;  // guarded by mutex_
};

}  // namespace warren
