// What every handler may use: the engine, translation between guests' numbers and the host's, and
// the container's other services. One per container.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "groupfs/group_mounts.h"
#include "tracer/agent_forks.h"
#include "tracer/agents.h"
#include "tracer/errand.h"
#include "tracer/group_host.h"
#include "tracer/moved_children.h"
#include "tracer/namespace_files.h"
#include "tracer/procfs/serve.h"
#include "warren/groups.h"
#include "warren/kernel.h"

namespace warren {

// Counts of what guests made the supervisor do, for `warren run --stats`. Relaxed: no one orders
// anything by them.
struct Stats {
  std::atomic<std::uint64_t> stops{0};
  std::atomic<std::uint64_t> blocking_waits{0};
  std::atomic<std::uint64_t> notifications{0};
  std::atomic<std::uint64_t> forks{0};
  std::atomic<std::uint64_t> deaths{0};
  // Of the notifications, what each call's were, by its number; and those that agents make of their
  // own (inject/layout.h, PrivateCall).
  std::array<std::atomic<std::uint64_t>, 1024> notified{};
  std::atomic<std::uint64_t> notified_by_agents{0};

  void count_notification(int nr, bool by_agent) {
    notifications.fetch_add(1, std::memory_order_relaxed);
    if (by_agent) {
      notified_by_agents.fetch_add(1, std::memory_order_relaxed);
    } else if (static_cast<std::size_t>(nr) < notified.size()) {
      notified[static_cast<std::size_t>(nr)].fetch_add(1, std::memory_order_relaxed);
    }
  }
};

class Tracer;

class Runtime {
 public:
  Runtime(std::unique_ptr<Kernel> kernel, std::string name);

  Kernel& kernel() { return *kernel_; }
  const std::string& name() const { return name_; }
  Stats& stats() { return stats_; }
  NamespaceFiles& namespace_files() { return namespace_files_; }
  procfs::Server& procfs() { return procfs_; }
  // For handlers that came by a ptrace stop, and for post().
  Tracer& tracer() { return *tracer_; }
  void set_tracer(Tracer& tracer) { tracer_ = &tracer; }
  // The back end `inject`.
  Agents& agents() { return agents_; }
  // Whether guests run untraced but for the moments that need a stop. Set before there are guests.
  bool untraced() const { return untraced_; }
  void set_untraced() { untraced_ = true; }
  // Whether a guest that is no init has ever asked for orphans. Thread-safe.
  bool has_subreapers() const { return has_subreapers_.load(std::memory_order_relaxed); }
  void set_has_subreapers() { has_subreapers_.store(true, std::memory_order_relaxed); }
  AgentForks& agent_forks() { return agent_forks_; }
  MovedChildren& moved_children() { return moved_children_; }

  // Before there are guests. `mirror`: the kernel's cgroups, null for none; outlives this. Errors:
  // as Groups::create().
  Result<void> start_groups(GroupMirror* mirror);
  Groups& groups() { return *groups_; }
  TracerGroupHost& group_host() { return *group_host_; }
  // The mounted hierarchies; made for the first mount. Not from the tracer's thread. Errors: as
  // GroupMounts::create().
  Result<GroupMounts*> group_mounts();
  // Null: nothing was ever mounted.
  GroupMounts* made_group_mounts();
  // No mounts any more, and no ticks. The container has ended.
  void stop_groups();
  // Who a process of the host is to the groups: a guest sees the numbers of its namespace.
  GroupCaller group_caller(pid_t host, uid_t uid, gid_t gid) const;
  // As far as it is known without looking for news.
  GroupCaller known_group_caller(pid_t host, uid_t uid, gid_t gid) const;

  // The task that a host number belongs to; null for outsiders. Lock-free.
  Ref<Task> task_of(pid_t host) const;
  // Host number of a task (thread) that `viewer`'s namespace calls `nr`; 0 if it has none such.
  pid_t to_host(const PidNamespace& viewer, Nr nr) const;
  // Number, in the viewer's namespace, of a host identity that any task, group or session uses; 0
  // if not visible there.
  Nr to_guest(const PidNamespace& viewer, pid_t host) const;

  // Remembers the numbers of a process that was just reaped, since a signal that tells of its death
  // may yet have to be delivered.
  void remember_reaped(const ThreadGroup& process);
  // Whether that was so recently that the host cannot have given the number to another since.
  bool reaped_lately(pid_t host) const;
  // Whether a signal, with host numbers, is the one that a child's end, stop or continuation
  // raises. A child may have been cloned with another than SIGCHLD, which may mean other things as
  // well.
  bool tells_of_child(const siginfo_t& info) const;
  // As to_guest(), and for the recently reaped too. `known`: whether the host number means anything
  // in this container.
  Nr to_guest_or_reaped(const PidNamespace& viewer, pid_t host, bool* known) const;
  Nr to_guest_or_reaped(const PidNamespace& viewer, pid_t host) const;

 private:
  static constexpr std::size_t kReapedSlots = 4096;
  struct Reaped {
    pid_t host = 0;
    int exit_signal = 0;
    Ref<Pid> pid;
    std::chrono::steady_clock::time_point when;
  };

  // Ends in the reverse order.
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<TracerGroupHost> group_host_;
  std::unique_ptr<Groups> groups_;
  std::mutex mounts_mutex_;
  std::unique_ptr<Errand> news_for_mounts_;  // guarded by mounts_mutex_
  std::unique_ptr<GroupMounts> mounts_;      // guarded by mounts_mutex_
  std::string name_;
  Stats stats_;
  Tracer* tracer_ = nullptr;
  Agents agents_;
  bool untraced_ = false;
  std::atomic<bool> has_subreapers_{false};
  AgentForks agent_forks_;
  MovedChildren moved_children_;
  NamespaceFiles namespace_files_;
  procfs::Server procfs_;
  mutable std::mutex reaped_mutex_;
  std::vector<Reaped> reaped_;  // guarded by reaped_mutex_; direct-mapped by host number
};

}  // namespace warren
