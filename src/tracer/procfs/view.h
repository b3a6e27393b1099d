// What the /proc view needs to know about tasks. It stands between the view and the engine, so that
// the view can be tested against a fake and knows nothing of the engine's locks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::procfs {

// Name to give to the memfd that stands for a PID namespace (memfd_create(2)). A descriptor of it
// is recognised by this name when a guest reads the link /proc/PID/fd/N, and shown as "pid:[INO]".
inline constexpr char kNamespaceMemfdName[] = "warren-pidns";

// The numbers of one task, as /proc/PID/{stat,status} show them to an observer. Each vector begins
// at the level of the observer's namespace and ends at the level of the task's own (status: NStgid,
// NSpid, NSpgid, NSsid, proc(5)); a group or session that a level does not contain is 0 there. None
// is empty.
struct TaskNumbers {
  std::vector<int> tgid, pid, pgid, sid;
  int ppid = 0;  // parent's thread group in the observer's namespace; 0 if not visible there
  // Stopped by a job-control signal (state T). Filled in by the reader, see
  // ProcView::group_stopped.
  bool group_stopped = false;
  // Who of the guests traces it (TracerPid); 0: nobody, or not visible. And whether it is in a stop
  // that is shown to that one (state t).
  int tracer = 0;
  bool trace_stopped = false;
  // Signals that it ignores without knowing; bit N - 1 is signal N's.
  std::uint64_t ignored_unknown = 0;
};

// A mounted hierarchy of task groups, as the tables of mounts are to show it.
struct ShownMount {
  dev_t device = 0;
  std::string dir;      // absolute
  std::string source;   // "none"
  std::string type;     // "rcfs", "cgroup" or "cgroup2"
  std::string options;  // "rw,relatime,cpuset,name=x"
};

// One observer's view: a calling task and the PID namespace whose /proc it looks at. All numbers
// called vnr are of that namespace, all called host are level 0 numbers. Every call may come from
// any thread; none may block on a guest.
class ProcView {
 public:
  virtual ~ProcView() = default;

  // The task (process or thread) of this number; 0 if the namespace has none. A zombie that has not
  // been reaped still counts.
  virtual int to_host(int vnr) const = 0;
  // The number of a host identity in use by any type (task, thread group, process group, session: a
  // group outlives its leader); 0 if not visible.
  virtual int to_guest(int host) const = 0;
  // False if there is no such task any more, or it is not visible.
  virtual bool numbers(int host_tid, TaskNumbers* out) const = 0;
  // Whether a task that the host shows as traced (state t) is stopped by a job-control signal. May
  // wait for the tracer.
  virtual bool group_stopped(int host_tid) const = 0;
  // The smallest vnr >= at_least that is a thread group's leader; 0 if none. at_least >= 1.
  virtual int next_process(int at_least) const = 0;
  // Threads of a thread group, ascending vnrs; empty if it is gone.
  virtual std::vector<int> threads(int host_tgid) const = 0;
  // Thread group (host number) of a task; 0 if it is gone.
  virtual int tgid_of(int host_tid) const = 0;

  // The calling task.
  virtual int self_tgid_host() const = 0;
  virtual int self_tid_host() const = 0;

  // /proc/sys/kernel/{ns_last_pid,pid_max} of the namespace. Setting: EPERM where the caller may
  // not, EINVAL out of range. set_* are called later than the guest's write(2) (see sysctl.h), so
  // may_set_sysctl() tells at open(2) time whether this caller may write.
  virtual int last_pid() const = 0;
  virtual int pid_max() const = 0;
  virtual bool may_set_sysctl() const = 0;

  // A new descriptor of the memfd that stands for the PID namespace of the task, or of its children
  // to come (/proc/PID/ns/{pid,pid_for_children}, namespaces(7)). ENOENT: no such namespace (yet).
  // EACCES: not permitted.
  virtual Result<UniqueFd> namespace_fd(int host_tid, bool for_children) const = 0;

  // Task groups: the text of /proc/PID/cgroup and of /proc/cgroups, and the hierarchies that are
  // mounted, oldest first.
  virtual std::string cgroup_of(int host_tid) const = 0;
  virtual std::string cgroups() const = 0;
  virtual std::vector<ShownMount> group_mounts() const = 0;

  // Content of the virtual file /proc/self/warren; empty if the caller has none (the file is then
  // ENOENT).
  virtual std::string warren_json() const = 0;
};

}  // namespace warren::procfs
