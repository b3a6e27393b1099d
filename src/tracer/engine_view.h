// The /proc view of one guest, on the engine.
#pragma once

#include "tracer/procfs/view.h"
#include "tracer/runtime.h"
#include "warren/kernel.h"

namespace warren {

// Lives as long as one call of the guest is served. Thread-safe, like the engine.
class EngineView final : public procfs::ProcView {
 public:
  // Of all that has happened until now.
  EngineView(Runtime& runtime, Task& task);

  int to_host(int vnr) const override;
  int to_guest(int host) const override;
  bool numbers(int host_tid, procfs::TaskNumbers* out) const override;
  bool group_stopped(int host_tid) const override;
  int next_process(int at_least) const override;
  std::vector<int> threads(int host_tgid) const override;
  int tgid_of(int host_tid) const override;
  int self_tgid_host() const override;
  int self_tid_host() const override;
  int last_pid() const override;
  int pid_max() const override;
  bool may_set_sysctl() const override;
  Result<UniqueFd> namespace_fd(int host_tid, bool for_children) const override;
  std::string cgroup_of(int host_tid) const override;
  std::string cgroups() const override;
  std::vector<procfs::ShownMount> group_mounts() const override;
  std::string warren_json() const override;

  const Ref<PidNamespace>& ns() const { return ns_; }

 private:
  Runtime& runtime_;
  Task& task_;
  Ref<PidNamespace> ns_;
};

}  // namespace warren
