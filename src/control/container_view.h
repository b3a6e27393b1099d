// What a container looks like to someone who asks: plain values, copied out of the engine, that the
// control protocol carries and that `warren ps` and `warren ns` show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace warren::control {

// One task (thread group leader). The numbers are those of the observer's level and below; for an
// observer on the host that is level 0, the host's own numbers.
struct TaskInfo {
  std::vector<int> nrs;   // the task's whole tuple, from ContainerInfo::view_level to its own level
  uint64_t ns_inode = 0;  // its namespace
  int level = 0;          // of that namespace; the last of nrs is the number there
  int parent_level0 = 0;  // parent's number at the view's level; 0: not visible
  std::string state;      // R, S, D, T, Z, ...: /proc/PID/stat's letter
  std::string comm;       // at most 15 bytes
  std::string cmdline;    // arguments joined by blanks; empty for a zombie
  int threads = 0;
  int pgid0 = 0;  // process group and session, at the view's level; 0: not visible
  int sid0 = 0;
  bool is_init = false;  // child reaper of its namespace
};

// One PID namespace.
struct NamespaceInfo {
  uint64_t inode = 0;
  int level = 0;
  uint64_t parent_inode = 0;  // 0: the parent is not part of the view (the host's, for level 1)
  int init_level0 = 0;        // its init's number at the view's level; 0: init is gone
  int nr_tasks = 0;           // tasks in this very namespace, not in those below it
  bool by_guest = false;      // made by a guest's clone or unshare, not by `warren run` itself
  std::string name;           // given by `warren run --name` inside; mostly empty
  int last_nr = 0;            // the number given last (proc(5), ns_last_pid): its growth is the
                              // number of tasks made in it and below it
  int pid_max = 0;            // numbers are below it
};

// One container: the root namespace, everything below it and the supervisor that serves it.
struct ContainerInfo {
  std::string name;
  std::string backend;            // "ptrace" or "inject"
  std::string cgroup = "warren";  // whose controllers: "warren" or "delegate", the kernel's
  std::vector<std::string> kernel_controllers;  // "delegate": those that the kernel has
  int supervisor_pid = 0;                       // host number; 0 when the observer is a guest
  int64_t started = 0;                          // seconds since the epoch
  int view_level = 0;                           // level of the first number of each tuple
  std::vector<TaskInfo> tasks;
  std::vector<NamespaceInfo> namespaces;  // parents before their children
};

}  // namespace warren::control
