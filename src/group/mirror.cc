// Groups with cgroups of the kernel's beside them: what follows from its moving whole processes
// only.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "group/core.h"

namespace warren {

bool GroupsImpl::is_whole_process(const Task& task) const {
  for (const Ref<Task>& thread : task.group().threads()) {
    if (thread.get() == &task) continue;
    if (proxy_of(*thread) != nullptr && !thread->membership().exited) return false;
  }
  return true;
}

Result<void> GroupsImpl::place(Group& to, const std::vector<Move>& moves) {
  // Each process, with the group that it is to go back to when a later one cannot come.
  std::vector<std::pair<ThreadGroup*, Group*>> processes;
  for (const Move& move : moves) {
    Group* from = move.from->members[kDefault].load(std::memory_order_relaxed);
    processes.emplace_back(&move.task->group(), from);
  }
  std::sort(processes.begin(), processes.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t begin = 0, end = 0; begin < processes.size(); begin = end) {
    ThreadGroup* const process = processes[begin].first;
    while (end < processes.size() && processes[end].first == process) ++end;
    const std::vector<Ref<Task>> threads = process->threads();
    const auto elsewhere = std::count_if(threads.begin(), threads.end(), [&](const auto& thread) {
      const Group* group = group_of(*thread, kDefault);
      return group != nullptr && group != &to && !thread->membership().exited;
    });
    if (static_cast<std::size_t>(elsewhere) != end - begin) return Errno{EOPNOTSUPP};
  }
  processes.erase(std::unique(processes.begin(), processes.end(),
                              [](const auto& a, const auto& b) { return a.first == b.first; }),
                  processes.end());
  for (std::size_t i = 0; i < processes.size(); ++i) {
    Result<void> placed = mirror->place(*processes[i].first, to);
    if (placed) continue;
    while (i-- > 0) (void)mirror->place(*processes[i].first, *processes[i].second);
    return placed;
  }
  return {};
}

}  // namespace warren
