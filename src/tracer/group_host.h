// What controllers of task groups do to guests: GroupHost on ptrace, /proc and the scheduler's
// calls, all without privilege.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "warren/group_host.h"
#include "warren/kernel.h"

namespace warren {

class Runtime;
class Groups;

// Owner: Runtime. Thread-safe. Its mutexes are leaves, but that `posted work` of the tracer is
// taken in freeze() and thaw(); callers hold the lock of Groups as a rule.
class TracerGroupHost final : public GroupHost {
 public:
  // `mirror`: the kernel's cgroups of the container; null: none. Outlives it.
  TracerGroupHost(Runtime& runtime, GroupMirror* mirror);
  ~TracerGroupHost() override;

  // GroupHost
  void freeze(Task& task) override;
  void thaw(Task& task) override;
  CpuSet cpus() override { return cpus_; }
  Result<void> set_cpus(Task& task, const CpuSet& cpus) override;
  CpuTime cpu_time(Task& task) override;
  void tell_times_apart() override;
  Result<void> set_nice(Task& task, int nice) override;
  MemoryUse memory(ThreadGroup& process) override;
  MemoryUse memory_share(ThreadGroup& process) override;
  std::uint64_t namespace_inode(PidNamespace& ns) override;
  Result<void> set_rlimit(ThreadGroup& process, int resource, std::uint64_t soft,
                          std::uint64_t hard) override;
  void kill(ThreadGroup& process, int signal) override;
  void watch_devices() override;
  void run_agent(const std::string& program, const std::string& argument) override;
  void set_tick(int milliseconds) override;
  std::string nodename() override;
  std::string domainname() override;
  GroupMirror* mirror() override { return mirror_; }
  std::uint64_t now() override;

  // --- For the tracer ---

  // The times of a task that has died and that the host's kernel has not forgotten yet.
  static CpuTime read_cpu_time(pid_t tid, const Task& task);
  // The task is about to leave Groups: what it used, all told. From then on cpu_time() says this,
  // until forget().
  void ended(const Task& task, const CpuTime& time);
  // The task is gone.
  void forget(const Task& task);
  // The child begins with its parent's wishes. Only needed if any_confined().
  void inherit_cpus(const Task& parent, const Task& child);
  bool any_confined() const { return nr_confined_.load(std::memory_order_relaxed) != 0; }
  // Whether the process is a release agent, and nobody's guest.
  bool take_agent(pid_t pid);

  // --- For system calls ---

  // What sched_setaffinity(2) of `wanted` by or for the task may give it: `wanted` within its
  // group's processors; nothing: EINVAL. Notes the wish, for when the group gets others.
  // Unchanged where the task is not confined.
  CpuSet confine(const Task& task, const CpuSet& wanted);
  // Whether opens of device nodes are to be checked.
  bool watches_devices() const { return watches_devices_.load(std::memory_order_relaxed); }

  // Ends the thread that ticks. No tick() after it.
  void stop();

 private:
  // What a task that is confined to some processors may have, and what it would have of its own.
  struct Confinement {
    CpuSet allowed;
    CpuSet wanted;  // empty: all
  };

  void tick_loop();

  Runtime& runtime_;
  GroupMirror* const mirror_;
  const CpuSet cpus_;
  std::atomic<bool> watches_devices_{false};

  std::mutex cpus_mutex_;
  std::unordered_map<const Task*, Confinement> confined_;  // guarded by cpus_mutex_
  std::atomic<std::size_t> nr_confined_{0};

  // Tasks that have died and are not forgotten.
  std::mutex ended_mutex_;
  std::unordered_map<const Task*, CpuTime> ended_;  // guarded by ended_mutex_

  std::mutex agents_mutex_;
  std::unordered_set<pid_t> agents_;  // guarded by agents_mutex_

  std::mutex tick_mutex_;
  std::condition_variable tick_changed_;
  std::chrono::milliseconds tick_{0};  // guarded by tick_mutex_; 0: none
  bool stopping_ = false;              // guarded by tick_mutex_
  std::thread ticker_;
};

}  // namespace warren
