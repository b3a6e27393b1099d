// PidNamespace: a node of the tree of PID namespaces.
#pragma once

#include <cstdint>

#include "warren/ref.h"
#include "warren/result.h"
#include "warren/types.h"

namespace warren {

// Why: numbers are unique within one namespace only; its init adopts the orphans and takes all
// tasks with it when it ends (pid_namespaces(7)).
// Owner: reference counted; a child holds its parent, a Pid its own namespace, and the embedder may
// hold one as long as it likes (an open /proc/PID/ns/pid). Depth is not limited.
// Every member is thread-safe; those marked (lock) take the engine's writer lock.
class PidNamespace : public RefCounted {
 public:
  // 0 for the root.
  int level() const;
  // Null for the root.
  Ref<PidNamespace> parent() const;
  // Whether this is `other` or lies below it.
  bool is_within(const PidNamespace& other) const;

  // The number that /proc/PID/ns/pid shows (ioctl_ns(2)); unique within the Kernel unless set.
  std::uint64_t inode() const;
  void set_inode(std::uint64_t inode);

  // The process that adopts orphans here; null before the first task and after init was reaped.
  Ref<ThreadGroup> init() const;
  // Whether a first task ever became init here.
  bool has_init() const;
  // Whether tasks can be made here: false once its init, or that of a namespace above, has died.
  // A namespace that is still empty is alive.
  bool alive() const;

  // The number given last (proc(5), ns_last_pid); the next is looked for above it.
  Nr last_pid() const;
  // EINVAL unless 0 <= nr < pid_max(). (lock)
  Result<void> set_last_pid(Nr nr);
  // Numbers are below it. Inherited from the parent at creation.
  Nr pid_max() const;
  // Changes the limit at once; tasks that have larger numbers keep them.
  // EINVAL unless kReservedPids < limit <= kPidMaxCeiling (proc(5), pid_max). (lock)
  Result<void> set_pid_max(Nr limit);

  // Tasks (threads; zombies until reaped) whose own namespace this is.
  int nr_tasks() const;
  // Tasks that have a number here: those of nr_tasks() and of all namespaces below.
  int nr_visible_tasks() const;
  // Numbers taken here, with reserved ones and those that only a process group or session uses.
  int nr_pids() const;

 protected:
  using RefCounted::RefCounted;
  ~PidNamespace() = default;
};

}  // namespace warren
