#include "tracer/default_action.h"

#include <csignal>

#include "tracer/proc_stat.h"

namespace warren {

bool acts_by_default(pid_t tid, int signal) {
  // SIGCHLD comes with every child.
  if (signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT) {
    return false;
  }
  const ProcStatus status = read_proc_status(tid);
  return status.process != 0 && (((status.ignored | status.caught) >> (signal - 1)) & 1) == 0;
}

}  // namespace warren
