// A process that stands between its caller and one child: signals go through to the child, the
// child's end becomes its own.
#pragma once

#include <signal.h>
#include <sys/types.h>

namespace warren::cli {

// Used by the inits of warren and by a `warren run` inside a container. One for each process,
// before it has threads.
class SignalRelay {
 public:
  // Before the fork: from here on signals wait for watch(), so that none is lost in between.
  SignalRelay();

  // In the child, before execve: blocked and ignored signals as this process found them.
  void restore() const;

  // In the parent: passes signals on to `child`, reaps whatever else becomes a child of this
  // process, and returns when `child` has ended: its exit status, or 128+n if a signal n ended it.
  //
  // Signals from the terminal's driver are not passed on while the child is in this process's
  // group, since it gets them too; nor are SIGTSTP, SIGTTIN and SIGTTOU, which stop this process as
  // any.
  int watch(pid_t child) const;

 private:
  sigset_t relayed_;
  sigset_t old_mask_;
  struct sigaction old_child_;
};

// As a shell says it: the exit status, or 128+n for a signal n.
int exit_status_of(int wait_status);

}  // namespace warren::cli
