#include "tracer/agent_forks.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

constexpr std::uint64_t kVforkBit = std::uint64_t{1} << 30;

// What an agent may ask of the host's kernel; all else needs a stop.
constexpr std::uint64_t kServed =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_THREAD | CLONE_SYSVSEM |
    CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_IO;

bool served(const Task& parent, const ForkRequest& request) {
  if ((request.flags & ~kServed) != 0) return false;
  if (request.flags & CLONE_THREAD) {
    // The first one: the kernel is yet to be told of an address (Tracer::tell_clear_tid()).
    return parent.group().nr_threads() > 1 || parent.data() == nullptr;
  }
  if (request.exit_signal != SIGCHLD) return false;
  // Memory that stays shared.
  if ((request.flags & CLONE_VM) && !(request.flags & CLONE_VFORK)) return false;
  // A child in another namespace may be an init.
  return parent.pid_ns_for_children() == parent.ns();
}

}  // namespace

// Random, so that no process can pass for another's child by guessing.
std::uint32_t AgentForks::new_id() {
  for (;;) {
    if (random_.empty()) {
      random_.resize(64);
      // Cannot fail or be interrupted for so little, once the host has started.
      [[maybe_unused]] const ssize_t got =
          getrandom(random_.data(), random_.size() * sizeof random_[0], 0);
    }
    const std::uint32_t id = random_.back() & 0x7fffffff;
    random_.pop_back();
    if (id != 0 && !in_flight_.contains(id)) return id;
  }
}

long AgentForks::begin(SyscallContext& call, ForkRequest request) {
  Task& parent = call.task();
  Tracer& tracer = runtime_.tracer();
  if (tracer.freezing() || !served(parent, request)) return -ENOSYS;
  ForkArgs args;
  args.thread = (request.flags & CLONE_THREAD) != 0;
  args.exit_signal = request.exit_signal;
  // Those whose end is not known yet have numbers and charges, and a fork may be refused for them.
  tracer.take_in_deaths();
  runtime_.procfs().sysctl_writes().apply();
  auto reservation = runtime_.kernel().reserve_fork(parent, args);
  if (!reservation) return -reservation.error_code();
  auto membership = runtime_.groups().begin_fork(parent);
  if (!membership) return -membership.error_code();

  if (request.flags & CLONE_THREAD) {
    runtime_.agents().more_threads(parent);
    if (!has_flag(parent.group(), ProcessFlag::kHadThreads)) {
      set_flag(parent.group(), ProcessFlag::kHadThreads);
    }
  } else if (request.flags & CLONE_VM) {
    runtime_.agents().share_memory(parent, true);
  }
  const Nr number = reservation->nr_in(*parent.ns());
  if (request.flags & CLONE_PARENT_SETTID) {
    // A bad address is the guest's own affair, as in the kernel.
    (void)call.memory().write(RemotePtr<Nr>(request.parent_tid), number);
  }
  const bool vforks = (request.flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM;
  InFlight fork{.reservation = std::move(*reservation), .membership = std::move(*membership)};
  fork.request = std::move(request);
  fork.parent = Ref<Task>(parent);
  fork.number = number;
  fork.sixth = call.arg(5);
  fork.vforks = vforks;
  const std::lock_guard lock(mutex_);
  const std::uint32_t id = new_id();
  in_flight_.emplace(id, std::move(fork));
  nr_.store(in_flight_.size(), std::memory_order_relaxed);
  return static_cast<long>(static_cast<std::uint64_t>(id) << 32 | (vforks ? kVforkBit : 0) |
                           static_cast<std::uint64_t>(number));
}

void AgentForks::erase(Table::iterator it) {
  if (it->second.orphan) --orphans_;
  in_flight_.erase(it);
  nr_.store(in_flight_.size(), std::memory_order_relaxed);
}

std::optional<AgentForks::InFlight> AgentForks::take(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  const auto it = in_flight_.find(id);
  if (it == in_flight_.end()) return {};
  std::optional<InFlight> taken(std::move(it->second));
  erase(it);
  return taken;
}

bool AgentForks::publish(std::uint32_t id, pid_t host) {
  std::optional<ForkReservation> reservation;
  ForkMembership membership;
  ForkRequest request;
  Ref<Task> parent;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(id);
    if (it == in_flight_.end() || it->second.child != InFlight::Child::kReserved) return false;
    InFlight& fork = it->second;
    fork.child = InFlight::Child::kPublishing;
    reservation = std::move(fork.reservation);
    membership = std::move(fork.membership);
    request = fork.request;
    parent = fork.parent;
  }
  bool runs = reservation->ns().alive();
  Ref<Task> child;
  if (runs) {
    Tracer& tracer = runtime_.tracer();
    if (const Ref<Task> old = runtime_.task_of(host)) tracer.reap(old->group());
    child = runtime_.kernel().publish_fork(std::move(*reservation), host);
    if (!(request.flags & CLONE_THREAD)) {
      child->group().set_data(
          Agents::inherited_flags(parent->group(), (request.flags & CLONE_VM) != 0));
    }
    TracerGroupHost& group_host = runtime_.group_host();
    if (group_host.any_confined()) group_host.inherit_cpus(*parent, *child);
    runtime_.groups().publish_fork(std::move(membership), *child);
    runtime_.stats().forks.fetch_add(1, std::memory_order_relaxed);
    if (request.flags & CLONE_CHILD_SETTID) {
      (void)RemoteMemory(host).write(RemotePtr<Nr>(request.child_tid), child->vnr());
    }
    // Whoever ended the namespace meanwhile may not have seen it.
    runs = tracer.leave_untraced(child) && child->ns()->alive();
  }
  std::optional<Caller> caller;
  long number = -ENOMEM;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(id);
    if (it != in_flight_.end()) {
      InFlight& fork = it->second;
      fork.child = InFlight::Child::kKnown;
      if (child) number = fork.number;
      if (fork.vforks && child) fork.vforked = Ref<ThreadGroup>(child->group());
      caller = fork.caller;
      if (caller || fork.orphan) erase(it);
    }
  }
  if (caller) answer(*caller, number);
  // Who waits for a child of vfork counts as still from now on.
  if (runtime_.tracer().freezing()) runtime_.tracer().look_if_still(parent);
  return runs;
}

std::optional<std::uint64_t> AgentForks::registered(pid_t tid, std::uint64_t key) {
  const auto id = static_cast<std::uint32_t>(key >> 32);
  std::uint64_t sixth = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(id);
    if (it != in_flight_.end()) sixth = it->second.sixth;
  }
  if (runtime_.task_of(tid)) return sixth;  // adopt() was first
  if (!publish(id, tid)) return {};
  return sixth;
}

bool AgentForks::adopt(pid_t tid) {
  if (nr_.load(std::memory_order_relaxed) == 0) return false;
  const pid_t parent = Tracer::parent_or_process_of(tid);
  std::uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [at, fork] : in_flight_) {
      if (fork.child != InFlight::Child::kReserved || fork.parent->group().level0() != parent) {
        continue;
      }
      if (fork.host == tid) {
        id = at;
        break;
      }
      if (fork.host == 0) id = at;
    }
  }
  return id != 0 && publish(id, tid);
}

void AgentForks::end_vfork(const InFlight& fork) {
  if (fork.vforks) runtime_.agents().vfork_ended(fork.parent->group(), fork.vforked.get());
}

std::optional<long> AgentForks::forked(std::uint64_t key, pid_t host, const Caller& caller) {
  std::optional<InFlight> lost;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(static_cast<std::uint32_t>(key >> 32));
    if (it == in_flight_.end()) return -ENOMEM;  // a guest's own invention
    InFlight& fork = it->second;
    if (fork.child == InFlight::Child::kKnown) {
      const Nr number = fork.number;
      erase(it);
      return number;
    }
    fork.host = host;
    // A thread dies with its process, so nobody would wait for the answer.
    if (fork.child == InFlight::Child::kPublishing || (fork.request.flags & CLONE_THREAD) ||
        runtime_.tracer().watch_stranger(host, key)) {
      fork.caller = caller;
      return {};
    }
    lost = std::move(fork);
    erase(it);
    any_lost_ = true;
    lost_.push_back({Ref<ThreadGroup>(lost->parent->group()), lost->number});
  }
  return lost->number;
}

std::uint64_t AgentForks::ended(std::uint64_t key, bool failed) {
  const auto fork = take(static_cast<std::uint32_t>(key >> 32));
  if (!fork) return 0;
  end_vfork(*fork);
  if (!failed && fork->child == InFlight::Child::kReserved) {
    const std::lock_guard lock(mutex_);
    any_lost_ = true;
    lost_.push_back({Ref<ThreadGroup>(fork->parent->group()), fork->number});
  }
  return fork->sixth;
}

void AgentForks::stranger_died(std::uint64_t key) {
  std::optional<InFlight> lost;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(static_cast<std::uint32_t>(key >> 32));
    if (it == in_flight_.end() || it->second.child != InFlight::Child::kReserved) return;
    lost = std::move(it->second);
    erase(it);
    any_lost_ = true;
    lost_.push_back({Ref<ThreadGroup>(lost->parent->group()), lost->number});
  }
  if (lost->caller) answer(*lost->caller, lost->number);
}

Nr AgentForks::waited_for_lost(const ThreadGroup& parent) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(lost_.begin(), lost_.end(),
                               [&](const Lost& lost) { return lost.parent == &parent; });
  if (it == lost_.end()) return 0;
  const Nr number = it->number;
  lost_.erase(it);
  return number;
}

void AgentForks::task_ended(const Task& task) {
  if (nr_.load(std::memory_order_relaxed) == 0 && !any_lost_.load(std::memory_order_relaxed))
    return;
  const std::lock_guard lock(mutex_);
  if (!lost_.empty() && task.is_leader()) {
    std::erase_if(lost_, [&](const Lost& lost) { return lost.parent == &task.group(); });
  }
  for (auto it = in_flight_.begin(); it != in_flight_.end();) {
    const auto at = it++;
    InFlight& fork = at->second;
    if (fork.parent != &task || fork.orphan) continue;
    fork.caller.reset();
    if (fork.child == InFlight::Child::kKnown) {
      erase(at);
    } else {
      fork.orphan = true;
      ++orphans_;
    }
  }
}

bool AgentForks::waits_for_child(const Task& task) const {
  if (nr_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& entry) {
    return entry.second.vforked && entry.second.parent == &task;
  });
}

bool AgentForks::forking(const Task& task) const {
  if (nr_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& entry) {
    return entry.second.child != InFlight::Child::kKnown && entry.second.parent == &task;
  });
}

void AgentForks::drop_orphans() {
  std::vector<InFlight> dropped;
  const std::lock_guard lock(mutex_);
  for (auto it = in_flight_.begin(); it != in_flight_.end();) {
    const auto at = it++;
    if (!at->second.orphan || at->second.child == InFlight::Child::kPublishing) continue;
    dropped.push_back(std::move(at->second));
    erase(at);
  }
}

void AgentForks::drop_all() {
  Table all;
  const std::lock_guard lock(mutex_);
  all.swap(in_flight_);
  lost_.clear();
  orphans_ = 0;
  nr_ = 0;
}

void AgentForks::answer(const Caller& caller, long value) {
  seccomp_notif_resp response{};
  response.id = caller.notification;
  response.val = value;
  // ENOENT: it was killed meanwhile.
  ioctl(caller.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

}  // namespace warren
