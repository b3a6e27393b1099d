#include "tracer/fork.h"

#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

namespace warren {

namespace {

// Register that carries the key: the sixth argument, which clone(2) does not have.
constexpr int kKeyArgument = 5;

// The kernel's ERESTARTNOINTR: the call was interrupted and will be made again, whatever happens.
constexpr long kRestartNoIntr = 513;

// Namespaces that a subsystem may stand for.
constexpr std::uint64_t kNamespaces = CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC |
                                      CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWCGROUP;

// Flags that never reach the host's kernel: what they ask for is warren's to give.
constexpr std::uint64_t kStripped = CLONE_NEWPID | CLONE_NEWUTS | CLONE_UNTRACED | CLONE_PTRACE |
                                    CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND;

}  // namespace

Result<void> begin_own_groups(Groups& groups, Task& task, std::uint64_t clone_flags) {
  const Subsystem* pid = groups.find_subsystem("pid");
  const bool apart = pid != nullptr && groups.root_of(*pid)->hierarchy().id() != 0;
  if (!apart) clone_flags &= ~static_cast<std::uint64_t>(CLONE_NEWPID);
  if ((clone_flags & kNamespaces) == 0) return {};
  const std::vector<Nr> numbers = task.numbers();
  return groups.unshare(task, clone_flags,
                        std::to_string(numbers.size() > 1 ? numbers[1] : task.level0()));
}

Result<ForkReservation> Forks::reserve(const Tracee& parent, const ForkRequest& request) {
  if (const auto it = kept_.find(parent.tid); it != kept_.end()) {
    Kept kept = std::move(it->second);
    kept_.erase(it);
    if (kept.flags == request.flags && kept.exit_signal == request.exit_signal &&
        request.set_tid.empty() && kept.reservation.ns().alive() &&
        ((request.flags & CLONE_NEWPID) ||
         parent.task->pid_ns_for_children() == &kept.reservation.ns())) {
      return std::move(kept.reservation);
    }
  }
  ForkArgs args;
  args.thread = (request.flags & CLONE_THREAD) != 0;
  args.new_pid_ns = (request.flags & CLONE_NEWPID) != 0;
  args.clone_parent = (request.flags & CLONE_PARENT) != 0;
  args.exit_signal = request.exit_signal;
  args.set_tid = request.set_tid;
  runtime_.procfs().sysctl_writes().apply();
  return runtime_.kernel().reserve_fork(*parent.task, args);
}

long Forks::begin(const Tracee& parent, ForkRequest request, const arch::Registers& guest,
                  arch::Registers* call, std::uint64_t* key) {
  auto reservation = reserve(parent, request);
  if (!reservation) return -reservation.error_code();
  // One lock, one reference, and the subsystems that limit forks: those of the groups that the
  // parent is in, whatever the number of groups.
  auto membership = runtime_.groups().begin_fork(*parent.task);
  if (!membership) return -membership.error_code();

  call->set_syscall(SYS_clone);
  const std::uint64_t flags = (request.flags & ~kStripped) | CLONE_PTRACE;
  call->set_arg(0, flags | static_cast<std::uint64_t>(request.exit_signal));
  call->set_arg(1, request.stack);
  call->set_arg(2, request.flags & CLONE_PIDFD ? request.pidfd : 0);
  call->set_arg(3, request.child_tid);
  call->set_arg(4, request.tls);
  *key = next_key_;
  next_key_ += std::uint64_t{1} << 32;
  call->set_arg(kKeyArgument, *key);

  if (request.flags & CLONE_THREAD) {
    runtime_.agents().more_threads(*parent.task);
    if (!has_flag(parent.task->group(), ProcessFlag::kHadThreads)) {
      set_flag(parent.task->group(), ProcessFlag::kHadThreads);
    }
  } else if (request.flags & CLONE_VM) {
    // A vfork's child gives the memory back.
    runtime_.agents().share_memory(*parent.task, (request.flags & CLONE_VFORK) != 0);
  }
  const Nr result = reservation->nr_in(*parent.task->ns());
  InFlight fork{.reservation = std::move(*reservation), .membership = std::move(*membership)};
  fork.result = result;
  fork.parent = parent.task;
  fork.parent_tid = parent.tid;
  fork.vforks =
      (request.flags & (CLONE_VM | CLONE_VFORK | CLONE_THREAD)) == (CLONE_VM | CLONE_VFORK);
  fork.child.options = parent.options;
  fork.child.parent = parent.task;
  fork.child.request = std::move(request);
  fork.child.guest = guest;
  in_flight_.emplace(*key, std::move(fork));
  return 0;
}

void Forks::publish(InFlight& fork, pid_t child_tid) {
  fork.child_tid = child_tid;
  Child& child = fork.child;
  if (child.request.flags & CLONE_PARENT_SETTID) {
    // A bad address is the guest's own affair, as in the kernel.
    (void)RemoteMemory(fork.parent_tid).write(RemotePtr<Nr>(child.request.parent_tid), fork.result);
  }
  if (!fork.reservation.ns().alive()) {
    fork.reservation.cancel();
    fork.membership = {};
    return;
  }
  // A zombie of that number which the host has forgotten; the engine would reap it, and its groups
  // would not hear of that. One lookup without a lock.
  if (const Ref<Task> old = runtime_.task_of(child_tid)) runtime_.tracer().reap(old->group());
  child.task = runtime_.kernel().publish_fork(std::move(fork.reservation), child_tid);
  child.is_init = child.task->group().is_init();
  if (!(child.request.flags & CLONE_THREAD)) {
    const bool shares_memory = (child.request.flags & CLONE_VM) != 0;
    child.task->group().set_data(Agents::inherited_flags(fork.parent->group(), shares_memory));
    if (child.request.flags & CLONE_VFORK) {
      fork.vforked = Ref<ThreadGroup>(child.task->group());
      child.vforker = fork.parent;
    }
  }
  enter_groups(fork);
  runtime_.stats().forks.fetch_add(1, std::memory_order_relaxed);
}

// The child cannot run yet: it is at, or before, its first stop.
void Forks::enter_groups(InFlight& fork) {
  Task& task = *fork.child.task;
  if (runtime_.group_host().any_confined()) runtime_.group_host().inherit_cpus(*fork.parent, task);
  // The second and last lock of the groups that a fork takes.
  runtime_.groups().publish_fork(std::move(fork.membership), task);
  if ((fork.child.request.flags & kNamespaces) == 0) return;
  // Without a group of its own (its name is taken too often, a limit on groups) it shares its
  // parent's.
  (void)begin_own_groups(runtime_.groups(), task, fork.child.request.flags);
}

void Forks::end_if_done(std::unordered_map<std::uint64_t, InFlight>::iterator it) {
  if (it->second.parent_done && it->second.child_done) in_flight_.erase(it);
}

long Forks::parent_returned(std::uint64_t key, long result) {
  const auto it = in_flight_.find(key);
  if (it == in_flight_.end()) return result;
  InFlight& fork = it->second;
  if (fork.vforks) runtime_.agents().vfork_ended(fork.parent->group(), fork.vforked.get());
  if (result < 0) {
    const ForkRequest& request = fork.child.request;
    if (result == -kRestartNoIntr && request.set_tid.empty() && fork.parent_tid != 0) {
      kept_.insert_or_assign(fork.parent_tid,
                             Kept{std::move(fork.reservation), request.flags, request.exit_signal});
    }
    in_flight_.erase(it);
    return result;
  }
  if (fork.child_tid == 0) publish(fork, static_cast<pid_t>(result));
  fork.parent_done = true;
  const Nr nr = fork.result;
  end_if_done(it);
  return nr;
}

bool Forks::announced(std::uint64_t key, pid_t child_tid) {
  const auto it = in_flight_.find(key);
  if (it == in_flight_.end()) return false;
  InFlight& fork = it->second;
  // The child's part is with the child, once that has come.
  const bool untraced = (fork.child.request.flags & CLONE_UNTRACED) != 0;
  if (fork.child_tid == 0) publish(fork, child_tid);
  return untraced;
}

bool Forks::child_arrived(std::uint64_t key, pid_t tid, Child* child) {
  const auto it = in_flight_.find(key);
  if (it == in_flight_.end() || it->second.child_done) return false;
  InFlight& fork = it->second;
  if (fork.child_tid == 0) publish(fork, tid);
  fork.child_done = true;
  *child = std::move(fork.child);
  if (fork.parent_tid == 0) --orphans_;
  end_if_done(it);
  return true;
}

bool Forks::waits_for_child(std::uint64_t key) const {
  const auto it = in_flight_.find(key);
  return it != in_flight_.end() && it->second.vforked && !it->second.parent_done;
}

void Forks::child_died(pid_t tid) {
  for (auto it = in_flight_.begin(); it != in_flight_.end(); ++it) {
    if (it->second.child_tid != tid) continue;
    it->second.child_done = true;
    end_if_done(it);
    return;
  }
}

void Forks::parent_died(std::uint64_t key) {
  const auto it = in_flight_.find(key);
  if (it == in_flight_.end()) return;
  InFlight& fork = it->second;
  fork.parent_done = true;
  if (!fork.child_done && fork.child_tid == 0) {
    fork.parent_tid = 0;
    ++orphans_;
  }
  end_if_done(it);
}

void Forks::drop_orphans() {
  std::erase_if(in_flight_, [](const auto& entry) {
    return entry.second.parent_done && entry.second.child_tid == 0;
  });
  orphans_ = 0;
}

}  // namespace warren
