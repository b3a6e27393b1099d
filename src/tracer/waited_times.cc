#include "tracer/waited_times.h"

#include <unistd.h>

#include <algorithm>

#include "tracer/proc_stat.h"

namespace warren {

void WaitedTimes::counted(const ThreadGroup& parent, const CpuTime& time) {
  const std::lock_guard lock(mutex_);
  CpuTime& elsewhere = children_[&parent].elsewhere;
  elsewhere.user += time.user;
  elsewhere.system += time.system;
}

void WaitedTimes::unseen(const ThreadGroup& parent, const ThreadGroup& child) {
  const std::lock_guard lock(mutex_);
  CpuTime below;
  if (const auto it = children_.find(&child); it != children_.end()) below = it->second.elsewhere;
  Children& children = children_[&parent];
  children.elsewhere.user += below.user;
  children.elsewhere.system += below.system;
  children.unseen = true;
}

CpuTime WaitedTimes::elsewhere(const ThreadGroup& process) const {
  const std::lock_guard lock(mutex_);
  const auto it = children_.find(&process);
  return it != children_.end() ? it->second.elsewhere : CpuTime{};
}

CpuTime WaitedTimes::own(const ThreadGroup& process) const {
  CpuTime elsewhere;
  {
    const std::lock_guard lock(mutex_);
    const auto it = children_.find(&process);
    if (it == children_.end() || !it->second.unseen) return {};
    elsewhere = it->second.elsewhere;
  }
  static const auto tick = 1'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const ProcStat stat = read_proc_stat(process.level0());
  CpuTime all{stat.children_user * tick, stat.children_system * tick};
  all.user -= std::min(all.user, elsewhere.user);
  all.system -= std::min(all.system, elsewhere.system);
  return all;
}

void WaitedTimes::forget(const ThreadGroup& process) {
  const std::lock_guard lock(mutex_);
  children_.erase(&process);
}

}  // namespace warren
