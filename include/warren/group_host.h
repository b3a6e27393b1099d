// GroupHost: what controllers need done to tasks, and cannot do themselves, since the library makes
// no system calls. The runtime implements it; the default does nothing and knows nothing, which is
// what an embedder without processes wants.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "warren/pid_namespace.h"
#include "warren/result.h"
#include "warren/task.h"

namespace warren {

class GroupMirror;

// Processor time in microseconds.
struct CpuTime {
  std::uint64_t user = 0;
  std::uint64_t system = 0;
};

// Bytes of a process.
struct MemoryUse {
  std::uint64_t anon = 0;   // private memory, swapped out or not
  std::uint64_t file = 0;   // mapped files
  std::uint64_t shmem = 0;  // shared memory
  std::uint64_t swap = 0;
};

// A set of processors; [n] is whether processor n belongs to it.
using CpuSet = std::vector<bool>;

// Thread-safe. None of these calls blocks for longer than a few system calls, none calls Groups
// back before it returns, and all but memory_share() may be called under the lock of Groups. A task
// that has ended meanwhile is no error.
class GroupHost {
 public:
  virtual ~GroupHost() = default;

  // Stops the task, whatever it does, without its or its parent's noticing, soon; and lets it go
  // on. Each counts: a task runs when as many thaws as freezes have been asked for. When the task
  // has stopped (and is still to be), Groups::task_frozen() is called, from a thread of the host's.
  virtual void freeze(Task& task) { (void)task; }
  virtual void thaw(Task& task) { (void)task; }

  // Processors of the machine that the container may use.
  virtual CpuSet cpus() { return {}; }
  // Confines a thread; what it asks for itself by sched_setaffinity(2) is kept within.
  virtual Result<void> set_cpus(Task& task, const CpuSet& cpus) {
    (void)task, (void)cpus;
    return {};
  }
  // Times of a thread since its start; of one that has ended, up to its end.
  virtual CpuTime cpu_time(Task& task) {
    (void)task;
    return {};
  }
  // A child may be in another group than its parent from now on. Until then, times of one that has
  // ended may be told as its parent's; from then on of itself.
  virtual void tell_times_apart() {}
  // Nice value, -20..19, of a thread. EACCES: only upwards without privilege.
  virtual Result<void> set_nice(Task& task, int nice) {
    (void)task, (void)nice;
    return {};
  }
  // A process's memory, as cheaply as it can be known: what it shares with others counts in full.
  // Nothing for one that only lodges in its parent's (vfork(2), until its exec).
  virtual MemoryUse memory(ThreadGroup& process) {
    (void)process;
    return {};
  }
  // The same; of what processes share, each is given its part (proc(5), smaps_rollup: Pss_Anon, …).
  // May take milliseconds; not under the lock of Groups.
  virtual MemoryUse memory_share(ThreadGroup& process) { return memory(process); }
  // setrlimit(2) of a process. UINT64_MAX: none. EPERM: above its hard limit.
  virtual Result<void> set_rlimit(ThreadGroup& process, int resource, std::uint64_t soft,
                                  std::uint64_t hard) {
    (void)process, (void)resource, (void)soft, (void)hard;
    return {};
  }
  virtual void kill(ThreadGroup& process, int signal) { (void)process, (void)signal; }
  // Device rules are in force somewhere from now on: opens of device nodes are to be checked with
  // device_allowed() (device_access.h). Why asked for: without rules no open is looked at for it.
  virtual void watch_devices() {}
  // Starts a program of the user's, in no group of the container's (release_agent).
  virtual void run_agent(const std::string& program, const std::string& argument) {
    (void)program, (void)argument;
  }
  // Groups::tick() shall be called every `milliseconds` from now on, by a thread of the host's; 0:
  // no more.
  virtual void set_tick(int milliseconds) { (void)milliseconds; }
  // The number that /proc/PID/ns/pid shows in the namespace's tasks.
  virtual std::uint64_t namespace_inode(PidNamespace& ns) { return ns.inode(); }
  // What uname(2) says of the host; a group shows these until it has names of its own.
  virtual std::string nodename() { return "(none)"; }
  virtual std::string domainname() { return "(none)"; }
  // The kernel's cgroups behind the groups, asked for once, when a Groups is made. Null: none.
  virtual GroupMirror* mirror() { return nullptr; }
  // Microseconds of a clock that never goes back.
  virtual std::uint64_t now() { return 0; }
};

}  // namespace warren
