// Pid: one identity with one number in each namespace from the root to its own.
#pragma once

#include <vector>

#include "warren/ref.h"
#include "warren/types.h"

namespace warren {

// Why: code holds identities and translates to numbers only at its edge, so that a number which is
// given to somebody else meanwhile cannot be mistaken (pid_namespaces(7)).
// Owner: reference counted; the numbers stay taken while a task, thread group, process group or
// session uses the Pid, whoever else holds references. The numbers may change when the process
// grows or moves (Kernel::grow, Kernel::move). Every member is lock-free and thread-safe.
class Pid : public RefCounted {
 public:
  // The number in `ns`; 0 when that namespace does not contain it.
  Nr nr_in(const PidNamespace& ns) const;
  // The number in its own, innermost namespace.
  Nr vnr() const;
  // The number in the root namespace.
  Nr level0() const;
  // The level of its own namespace; it has level() + 1 numbers.
  int level() const;
  // Its own namespace.
  Ref<PidNamespace> ns() const;
  // All numbers, level 0 first.
  std::vector<Nr> numbers() const noexcept;

  // The task whose id this is; null for a bare process group or session, or once reaped.
  Ref<Task> task() const;
  // The thread group whose id this is; null when there is none (any more).
  Ref<ThreadGroup> group() const;
  // Whether anything uses the Pid as `type` at this moment.
  bool in_use(PidType type) const;

 protected:
  using RefCounted::RefCounted;
  ~Pid() = default;
};

}  // namespace warren
