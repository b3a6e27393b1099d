// The end of everything that a dead supervisor has left.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren {

// Whether the caller has children, or may be given orphans without having any (as process 1 of a
// pid namespace is): then it cannot tell them from those of a child that it is about to fork.
bool may_have_other_children();

// From now on orphans among the caller's descendants become its children.
void take_orphans();

// While it is there the kernel reaps the caller's dead children, and SIGCHLD is blocked, and
// pending once one has died. Were the caller to reap them, a storm of forks would leave more dead
// than it comes to, as one of many who want a CPU, until no number is left for anybody on the
// machine to fork.
class ReapedByKernel {
 public:
  ReapedByKernel();
  ~ReapedByKernel();
  ReapedByKernel(const ReapedByKernel&) = delete;
  ReapedByKernel& operator=(const ReapedByKernel&) = delete;

 private:
  sigset_t mask_before_;
  struct sigaction action_before_;
};

// A child, whom the caller must not have waited for yet, whose orphans will come to the caller: the
// kernel reaps them from the moment on in which the child ends, and not when the caller gets a CPU.
class OutlivedChild {
 public:
  explicit OutlivedChild(pid_t child);
  void wait() const;

 private:
  pid_t pid_;
  UniqueFd fd_;  // its number may become an orphan's as soon as the kernel has reaped it
  std::optional<ReapedByKernel> reaped_;
};

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
