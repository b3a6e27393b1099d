// What the host's /proc says of a task, as far as the supervisor asks. proc(5).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace warren {

struct ProcStat {
  char state = 0;  // 0: there is none such
  pid_t parent = 0;
  int exit_code = 0;
  // Of children that were waited for, in ticks of the clock.
  std::uint64_t children_user = 0;
  std::uint64_t children_system = 0;
  int processor = -1;  // the last one that it ran on
};

// /proc/TID/stat. Any thread.
ProcStat read_proc_stat(pid_t tid);

struct ProcStatus {
  pid_t process = 0;  // 0: it is gone
  pid_t parent = 0;
  // Signals: bit N - 1 is signal N's.
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;
  std::uint64_t caught = 0;
  int filters = 0;  // seccomp
};

// /proc/TID/status. Any thread.
ProcStatus read_proc_status(pid_t tid);

// /proc/PID/task/TID/children: of that thread. None where the host has no such list
// (CONFIG_PROC_CHILDREN). Any thread.
std::vector<pid_t> read_proc_children(pid_t pid, pid_t tid);

}  // namespace warren
