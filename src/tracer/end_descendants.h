// The end of everything that a dead supervisor has left.
#pragma once

#include "warren/result.h"

namespace warren {

// Whether the caller has children, or may be given orphans without having any (as process 1 of a
// pid namespace is): then it cannot tell them from those of a child that it is about to fork.
bool may_have_other_children();

// From now on orphans among the caller's descendants become its children.
void take_orphans();

// How the children of a process are found.
enum class ChildrenFrom {
  kBest,  // kChildrenFile where the kernel has it
  kChildrenFile,
  kStat,
};

// Kills all descendants of a caller that takes orphans, and returns when the last has been reaped;
// a storm of forks does not outrun it. Helpers of the supervisor's that unmount and then end are
// waited for, but not killed. For a process with one thread, all of whose children are to end.
// EPERM: somebody who is left may not be killed; another errno: the caller's children cannot be
// told, and some are left.
Result<void> end_descendants(ChildrenFrom from = ChildrenFrom::kBest);

}  // namespace warren
