// Deaths: what the engine learns of them, and the end of namespaces.
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Whether the host's kernel has forgotten the process. The number cannot have been given to another
// one unless the host went through all its numbers since its death, a moment ago.
bool gone(pid_t host) { return kill(host, 0) != 0 && errno == ESRCH; }

Ref<PidNamespace> outermost_of(const ThreadGroup& init) {
  Ref<PidNamespace> outermost = init.ns();
  for (Ref<PidNamespace> up = outermost->parent(); up && up->init() == &init; up = up->parent()) {
    outermost = up;
  }
  return outermost;
}

}  // namespace

void Tracer::on_death(pid_t tid, int status) {
  runtime_.stats().deaths.fetch_add(1, std::memory_order_relaxed);
  Ref<Task> task;
  if (Tracee* tracee = find(tid)) {
    end_calls(*tracee);
    task = tracee->task;
    if (tracee->guest) guest_ended(*tracee, status);
    tracees_.erase(tid);
  } else {
    child_has_come(tid);
    task = runtime_.task_of(tid);
    if (task) {
      forks_.child_died(tid);
    } else {
      if (runtime_.group_host().take_agent(tid)) return;
      // A child killed before its first stop; its parent's call may yet tell its number.
      if (forks_.any_in_flight()) early_deaths_[tid] = status;
      return;
    }
  }
  if (!forks_.any_in_flight()) early_deaths_.clear();
  if (!task) return;

  const Ref<ThreadGroup> group(task->group());
  const bool child_of_supervisor = group->parent() == nullptr;
  const bool was_alive = group->state() == GroupState::kAlive;
  // Before it is forgotten what it was.
  const Ref<PidNamespace> founded = group->is_init() ? outermost_of(*group) : nullptr;
  // The first thread's is told last; of those that were not traced, nobody else tells for sure.
  if (task->is_leader()) {
    for (const Ref<Task>& thread : group->threads()) {
      if (thread != task && thread->alive()) end_task(thread, 0);
    }
  }
  end_task(task, status);
  if (has_flag(*group, ProcessFlag::kTracesGuests)) {
    guest_tracer_ended(*task, group->state() != GroupState::kAlive);
  }
  if (child_of_supervisor && was_alive && group->state() != GroupState::kAlive && exit_observer_) {
    // One that is left, or was killed at its exit event, has not waited for its namespace.
    if (founded && !runtime_.kernel().zap_complete(*founded)) {
      zapping_.push_back({founded, tid, group->exit_status()});
    } else {
      exit_observer_(group->level0(), group->exit_status());
    }
  }
}

void Tracer::end_task(const Ref<Task>& task, int status) {
  const std::lock_guard lock(deaths_mutex_);
  const Ref<ThreadGroup> group(task->group());
  ExitResult result;
  if (task->alive()) {
    const bool leader = task->is_leader();
    runtime_.agent_forks().task_ended(*task);
    if (leader) runtime_.agents().ended(*group);
    leave_groups(*task);
    result = runtime_.kernel().exit_task(*task, status);
    // A process's first thread stays in its groups until it is reaped.
    if (!leader) release_groups(*task);
  }
  // The zombie of an orphan that the host has handed to the supervisor ends a second time.
  if (group->state() == GroupState::kZombie) reap_if_gone(*group);
  for (const Ref<ThreadGroup>& child : result.reparented) {
    if (!has_flag(*child, ProcessFlag::kOrphaned)) set_flag(*child, ProcessFlag::kOrphaned);
    runtime_.agents().parent_changed(*child);
    if (child->state() == GroupState::kZombie) reap_if_gone(*child);
  }
  for (const Ref<PidNamespace>& ns : result.dying) zap(ns);
}

void Tracer::abandon(Task& task) {
  const std::lock_guard lock(deaths_mutex_);
  const Ref<ThreadGroup> group(task.group());
  leave_groups(task);
  runtime_.kernel().exit_task(task, SIGKILL);
  reap(*group);
}

void Tracer::forget_all() {
  death_watch_.stop();
  forks_.drop_all();
  runtime_.agent_forks().drop_all();
  for (const TaskSnapshot& task : runtime_.kernel().snapshot().tasks) {
    const Ref<Task> zombie = runtime_.task_of(task.numbers[0]);
    if (zombie) reap(zombie->group());
  }
}

void Tracer::end_calls(Tracee& tracee) {
  forks_.forget(tracee.tid);
  if (!tracee.call) return;
  if (tracee.call->fork != 0) {
    forks_.parent_died(tracee.call->fork);
  } else if (tracee.task) {
    // It may have reaped a child in a wait whose end nobody saw.
    reap_children_gone(tracee.task->group());
  }
  tracee.call.reset();
}

void Tracer::reap_if_gone(ThreadGroup& group) {
  const Ref<ThreadGroup> parent = group.parent();
  // With its namespace a process vanishes unseen: the parent that would have waited for it is dying
  // as well, and whoever inherits the zombie on the host never knew it.
  const bool unseen = parent && !parent->ns()->alive();
  if (unseen) {
    reap(group);
  } else if (gone(group.level0())) {
    runtime_.remember_reaped(group);
    reap(group);
  }
}

void Tracer::reap(ThreadGroup& group) {
  const std::lock_guard lock(deaths_mutex_);
  if (group.state() != GroupState::kZombie) return;
  const Ref<Task> leader = group.leader();
  waited_times_.forget(group);
  runtime_.kernel().reap(group);
  release_groups(*leader);
}

// Three reads of a clock; only what a thread of several used must be read from its files.
void Tracer::note_times(pid_t tid) {
  const Tracee* const tracee = find(tid);
  Ref<Task> task = tracee ? tracee->task : runtime_.task_of(tid);
  if (!task || !task->alive()) return;
  // Of others that are not traced, the watch tells.
  if (!tracee && !has_flag(task->group(), ProcessFlag::kLeftInit)) return;
  count_time(*task, TracerGroupHost::read_cpu_time(tid, *task));
}

// What a fork, or a program from outside, was charged is given back: one lock at the death, one at
// the end of the zombie, and what the subsystems do there.
void Tracer::leave_groups(Task& task) {
  if (is_own_thread()) {
    forget_freeze(task);
  } else if (freezing_) {
    post([this, gone = Ref<Task>(task)] { forget_freeze(*gone); });
  }
  runtime_.groups().exit(task);
}

void Tracer::release_groups(Task& task) {
  runtime_.groups().release(task);
  runtime_.group_host().forget(task);
}

// All threads but the one that execs end with it, unseen as far as they were not waited for.
void Tracer::exec_by_thread(Task& task) {
  const std::lock_guard lock(deaths_mutex_);
  std::vector<Ref<Task>> others = task.group().threads();
  // One that has ended has left by itself, but for the first.
  std::erase_if(others, [&](const Ref<Task>& other) {
    return other == &task || (!other->alive() && !other->is_leader());
  });
  for (const Ref<Task>& other : others) leave_groups(*other);
  runtime_.kernel().exec(task);
  for (const Ref<Task>& other : others) release_groups(*other);
}

void Tracer::reap_children_gone(ThreadGroup& group) {
  const std::lock_guard lock(deaths_mutex_);
  for (const Ref<ThreadGroup>& child : group.children()) {
    if (child->state() == GroupState::kZombie) reap_if_gone(*child);
  }
}

void Tracer::zap(const Ref<PidNamespace>& ns) {
  // Forks in flight are refused or killed at their first stop from here on, so one round is enough.
  for (const Ref<ThreadGroup>& group : runtime_.kernel().begin_zap(*ns)) {
    if (group->state() == GroupState::kAlive) kill(group->level0(), SIGKILL);
  }
  // Zombies that wait for an init which will not come any more.
  if (const Ref<ThreadGroup> init = ns->init()) reap_children_gone(*init);
}

bool Tracer::hold_init(Tracee& tracee) {
  ThreadGroup& group = tracee.task->group();
  tracee.held_at_exit = true;
  for (const Ref<Task>& thread : group.threads()) {
    if (!thread->alive() || thread == &*tracee.task) continue;
    const Tracee* other = find(thread->level0());
    if (other && !other->held_at_exit) {
      // Not the last thread; the process lives on, or another one will come here last.
      tracee.held_at_exit = false;
      return false;
    }
  }
  // Its tracees would wait for it, and it waits for them to end.
  if (has_flag(group, ProcessFlag::kTracesGuests)) guest_tracer_ended(*tracee.task, true);
  // It does not come to what forks it has begun any more, and its namespace would wait for them.
  runtime_.agent_forks().settle(group);
  runtime_.agent_forks().task_ended(*tracee.task);
  const Ref<PidNamespace> outermost = outermost_of(group);
  zap(outermost);
  if (runtime_.kernel().zap_complete(*outermost)) {
    tracee.held_at_exit = false;
    return false;
  }
  zapping_.push_back({outermost, tracee.tid});
  return true;
}

void Tracer::release_held_inits() {
  std::erase_if(zapping_, [&](const Zapping& zapping) {
    if (!runtime_.kernel().zap_complete(*zapping.ns)) return false;
    if (zapping.status) {
      exit_observer_(zapping.init, *zapping.status);
      return true;
    }
    // All threads of init that waited at their end.
    if (const Ref<Task> init = runtime_.task_of(zapping.init)) {
      for (const Ref<Task>& thread : init->group().threads()) {
        Tracee* tracee = find(thread->level0());
        if (!tracee || !tracee->held_at_exit) continue;
        tracee->held_at_exit = false;
        ptrace_call::resume(tracee->tid);
      }
    }
    return true;
  });
}

}  // namespace warren
