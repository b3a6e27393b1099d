#include "tracer/engine_view.h"

#include <algorithm>
#include <cerrno>

#include "tracer/agent_state.h"
#include "tracer/process_flags.h"
#include "tracer/thread_end.h"
#include "tracer/tracer.h"

namespace warren {

EngineView::EngineView(Runtime& runtime, Task& task)
    : runtime_(runtime), task_(task), ns_(task.ns()) {
  runtime_.tracer().take_in_news();
}

int EngineView::to_host(int vnr) const {
  const Ref<Task> task = runtime_.kernel().find_task(*ns_, vnr);
  return task && !thread_is_ending(*task) ? task->level0() : 0;
}

int EngineView::to_guest(int host) const { return runtime_.to_guest(*ns_, host); }

bool EngineView::numbers(int host_tid, procfs::TaskNumbers* out) const {
  const Ref<Task> task = runtime_.task_of(host_tid);
  if (!task || task->nr_in(*ns_) == 0) return false;
  const ThreadGroup& process = task->group();
  const auto first = static_cast<std::size_t>(ns_->level());
  const Ref<PidNamespace> own = task->ns();
  const auto levels = static_cast<std::size_t>(own->level()) + 1;
  // A group or session is shown at the levels of the task's namespace, 0 where it is not visible.
  const auto from_view = [&](const Ref<Pid>& pid) {
    std::vector<int> shown(levels - first, 0);
    const std::vector<Nr> numbers = pid->numbers();
    const Ref<PidNamespace> of = pid->ns();
    // Both chains run through the view's namespace; below it they may part.
    if (!of->is_within(*ns_)) return shown;
    for (Ref<PidNamespace> level = own; level && level->level() >= ns_->level();
         level = level->parent()) {
      shown[static_cast<std::size_t>(level->level()) - first] = pid->nr_in(*level);
    }
    return shown;
  };
  out->pid = from_view(task->pid());
  out->tgid = from_view(process.pid());
  out->pgid = from_view(process.pgid());
  out->sid = from_view(process.sid());
  out->ppid = process.parent_nr_in(*ns_);
  if (runtime_.untraced() && process.is_init()) {
    out->ignored_unknown = agent_state::ignored_of(process.level0());
  }
  if (has_flag(process, ProcessFlag::kGuestTraced)) {
    runtime_.tracer().do_now([&] {
      const auto traced = runtime_.tracer().guest_trace_of(*task);
      out->tracer = traced.tracer ? traced.tracer->nr_in(*ns_) : 0;
      out->trace_stopped = traced.stopped;
    });
  }
  return true;
}

bool EngineView::group_stopped(int host_tid) const {
  const Ref<Task> task = runtime_.task_of(host_tid);
  if (!task) return false;
  // The stop may have been seen by everybody but the tracer.
  if (!has_flag(task->group(), ProcessFlag::kGroupStopped)) runtime_.tracer().settle();
  return has_flag(task->group(), ProcessFlag::kGroupStopped);
}

int EngineView::next_process(int at_least) const {
  return runtime_.kernel().next_group(*ns_, at_least);
}

std::vector<int> EngineView::threads(int host_tgid) const {
  std::vector<int> numbers;
  const Ref<Task> leader = runtime_.task_of(host_tgid);
  if (!leader) return numbers;
  for (const Ref<Task>& thread : leader->group().threads()) {
    if (thread_is_ending(*thread)) continue;
    if (const Nr nr = thread->nr_in(*ns_)) numbers.push_back(nr);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

int EngineView::tgid_of(int host_tid) const {
  const Ref<Task> task = runtime_.task_of(host_tid);
  return task ? task->group().level0() : 0;
}

int EngineView::self_tgid_host() const { return task_.group().level0(); }

int EngineView::self_tid_host() const { return task_.level0(); }

int EngineView::last_pid() const { return ns_->last_pid(); }

int EngineView::pid_max() const { return ns_->pid_max(); }

// The container's user owns its namespaces.
bool EngineView::may_set_sysctl() const { return true; }

Result<UniqueFd> EngineView::namespace_fd(int host_tid, bool for_children) const {
  const Ref<Task> task = runtime_.task_of(host_tid);
  if (!task || !task->alive()) return Errno{ENOENT};
  const Ref<PidNamespace> ns = for_children ? task->pid_ns_for_children() : task->ns();
  // namespaces(7): pid_for_children shows nothing until the namespace has its init.
  if (for_children && !ns->has_init()) return Errno{ENOENT};
  return runtime_.namespace_files().open(ns);
}

std::string EngineView::cgroup_of(int host_tid) const {
  const Ref<Task> task = runtime_.task_of(host_tid);
  // One that is gone from here is about to be so on the host; until then it shows nothing.
  return task ? runtime_.groups().proc_cgroup(*task) : std::string();
}

std::string EngineView::cgroups() const { return runtime_.groups().proc_cgroups(); }

std::vector<procfs::ShownMount> EngineView::group_mounts() const {
  std::vector<procfs::ShownMount> shown;
  GroupMounts* const mounts = runtime_.made_group_mounts();
  if (!mounts) return shown;
  for (GroupMount& mount : mounts->list()) {
    shown.push_back({mount.device, std::move(mount.dir), std::move(mount.source),
                     std::move(mount.type), std::move(mount.options)});
  }
  return shown;
}

std::string EngineView::warren_json() const {
  return "{\"container\":\"" + runtime_.name() + "\",\"level\":" + std::to_string(ns_->level()) +
         ",\"nr\":" + std::to_string(task_.group().vnr()) + "}\n";
}

}  // namespace warren
