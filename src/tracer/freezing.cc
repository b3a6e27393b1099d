// Freezing: tasks that stand still in whatever stop comes next, until they are thawed.
//
// A stop of any kind will do: what it means is done first, by the handlers of stops, and only the
// way out of it waits. So job control, waits and signals go on as for a task that gets no
// processor. What shows is what a SIGSTOP that nobody is told of would show: a few calls that
// signal(7) names end with EINTR.
#include <sched.h>

#include <utility>

#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/tracer.h"

namespace warren {

void Tracer::freeze(Ref<Task> task) {
  if (std::this_thread::get_id() == thread_) {
    // In the midst of something, perhaps the birth of the task itself: it must not run first.
    begin_freeze(task);
    post([this, task = std::move(task)] { report_if_still(task); });
    return;
  }
  post([this, task = std::move(task)] {
    begin_freeze(task);
    report_if_still(task);
  });
}

void Tracer::thaw(Ref<Task> task) {
  post([this, task = std::move(task)] { end_freeze(task); });
}

void Tracer::begin_freeze(const Ref<Task>& task) {
  if (!task->alive()) return;
  Freeze& freeze = freezes_[task.get()];
  freeze.task = task;
  freeze.reported = false;
  freezing_ = true;
  if (++freeze.count > 1) return;
  // A child that has not come to its first stop has no tracee, and is held there.
  Tracee* const tracee = runtime_.untraced() ? seize(task) : find(task->level0());
  if (!tracee || tracee->task != task || tracee->listening || tracee->held_at_exit) return;
  if (ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr) == 0) {
    interrupted_.push_back(tracee->tid);
  }
}

void Tracer::interrupt_if_frozen(Task& task) {
  if (freezes_.contains(&task)) ptrace_call::raw(PTRACE_INTERRUPT, task.level0(), nullptr, nullptr);
}

void Tracer::end_freeze(const Ref<Task>& task) {
  const auto it = freezes_.find(task.get());
  if (it == freezes_.end() || --it->second.count > 0) return;
  forget_freeze(*task);
  Tracee* const tracee = find(task->level0());
  if (tracee && tracee->held) let_go(*tracee, *std::exchange(tracee->held, std::nullopt));
}

void Tracer::forget_freeze(const Task& task) {
  if (freezes_.empty()) return;
  freezes_.erase(&task);
  if (freezes_.empty()) freezing_ = false;
}

bool Tracer::stands_still(const Task& task) {
  Tracee* const tracee = find(task.level0());
  if (!tracee || tracee->task != &task) return false;
  if (tracee->held || tracee->listening || tracee->held_at_exit) return true;
  if (tracee->guest && tracee->guest->stop) return true;
  // The kernel lets it wait for its child, which is stopped by itself, and nothing but death
  // interrupts that.
  if (tracee->call && tracee->call->fork != 0 && forks_.waits_for_child(tracee->call->fork)) {
    return true;
  }
  if (runtime_.agent_forks().waits_for_child(task)) return true;
  return task.is_leader() && has_flag(task.group(), ProcessFlag::kLeaderEnded);
}

void Tracer::report_if_still(const Ref<Task>& task) {
  const auto it = freezes_.find(task.get());
  if (it == freezes_.end() || it->second.reported || !stands_still(*task)) return;
  it->second.reported = true;
  if (freeze_observer_) freeze_observer_(*task);
}

void Tracer::let_go(Tracee& tracee, Resumption how) {
  if (how.how != Resumption::How::kToExit && !wants_trace(tracee) && leave(tracee, how.signal)) {
    return;
  }
  if (tracee.guest) {
    // A stop of any kind takes the place of the event stop that was asked for.
    update_options(tracee);
    if (tracee.guest->interrupted) {
      ptrace_call::raw(PTRACE_INTERRUPT, tracee.tid, nullptr, nullptr);
    }
  }
  switch (how.how) {
    case Resumption::How::kResume:
      ptrace_call::resume(tracee.tid, how.signal,
                          tracee.guest ? tracee.guest->resume : PTRACE_CONT);
      break;
    case Resumption::How::kToExit:
      ptrace_call::resume_to_exit(tracee.tid);
      break;
    case Resumption::How::kListen:
      tracee.listening = true;
      ptrace_call::listen(tracee.tid);
      break;
  }
}

bool Tracer::hold(Tracee& tracee, Resumption how) {
  if (!freezes_.contains(tracee.task.get())) return false;
  if (how.how == Resumption::How::kListen) {
    // SIGCONT must find it listening, so that the parent hears of that.
    let_go(tracee, how);
  } else {
    tracee.held = how;
  }
  report_if_still(tracee.task);
  return true;
}

// A thousand tasks that stop at once would be looked for through all thousand, each time. They are
// asked for by name, as long as that finds any; who comes late comes as any other stop.
void Tracer::collect_interrupted() {
  bool found = true;
  while (found && !interrupted_.empty()) {
    found = false;
    std::vector<pid_t> late;
    for (const pid_t tid : std::exchange(interrupted_, {})) {
      int status = 0;
      if (waiter_.take_from(tid, &status) == tid) {
        found = true;
        dispatch(tid, status);
      } else {
        late.push_back(tid);
      }
    }
    interrupted_.insert(interrupted_.end(), late.begin(), late.end());
    if (found) sched_yield();
  }
  interrupted_.clear();
}

void Tracer::leader_ends(Task& leader) {
  set_flag(leader.group(), ProcessFlag::kLeaderEnded);
  // begin_freeze() sets its flag before it looks at the leader's; this, after setting the leader's.
  if (freezing_) {
    post([this, task = Ref<Task>(leader)] { report_if_still(task); });
  }
}

}  // namespace warren
