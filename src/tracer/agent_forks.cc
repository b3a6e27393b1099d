#include "tracer/agent_forks.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

constexpr std::uint64_t kVforkBit = std::uint64_t{1} << 30;
constexpr std::uint64_t kQuietBit = std::uint64_t{1} << 29;
constexpr std::uint64_t kInitBit = std::uint64_t{1} << 31;

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

// Whether nobody need tell of the child: what has to be done to it before it runs, or to its
// parent, is what the agent does itself.
bool can_be_quiet(const Task& parent, const ForkRequest& request) {
  const ThreadGroup& process = parent.group();
  // Those are traced, and so are their children.
  if (has_flag(process, ProcessFlag::kTraced) || has_flag(process, ProcessFlag::kSharesMemory) ||
      has_flag(process, ProcessFlag::kNoAgent)) {
    return false;
  }
  // Its State is needed, or another's.
  if (has_flag(process, ProcessFlag::kMemoryShared) || counter(process, kVforksShift) != 0) {
    return false;
  }
  if ((request.flags & (CLONE_VM | CLONE_THREAD)) == 0) return request.stack == 0;
  constexpr std::uint64_t kWords =
      CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS;
  return (request.flags & (CLONE_THREAD | kWords)) == 0 && process.nr_threads() == 1;
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
  // So that at most one is in flight for each of its threads.
  settle(parent.group());
  // Those whose end is not known yet have numbers and charges. A refusal by a group is counted, and
  // must not be a mistake; there is none where no group but the first has tasks.
  if (runtime_.groups().nr_proxies() > 1) tracer.take_in_news();
  runtime_.procfs().sysctl_writes().apply();
  auto reservation = runtime_.kernel().reserve_fork(parent, args);
  if (!reservation) {
    tracer.take_in_news();
    reservation = runtime_.kernel().reserve_fork(parent, args);
    if (!reservation) return -reservation.error_code();
  }
  auto membership = runtime_.groups().begin_fork(parent);
  if (!membership) return -membership.error_code();

  const bool may_be_quiet = can_be_quiet(parent, request);
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
  std::uint64_t how = vforks ? kVforkBit : 0;
  std::uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = new_id();
    fork.order = next_order_++;
    if (may_be_quiet && place_is_free(parent.group(), number)) {
      fork.quiet = true;
      how |= kQuietBit;
      quiet_.emplace(&parent.group(), id);
      nr_quiet_.store(quiet_.size(), std::memory_order_relaxed);
    }
    in_flight_.emplace(id, std::move(fork));
    nr_.store(in_flight_.size(), std::memory_order_relaxed);
  }
  if ((how & kQuietBit) != 0) {
    tracer.expect_news();
    if (tracer.leave_init(parent.group())) how |= kInitBit;
  }
  return static_cast<long>(static_cast<std::uint64_t>(id) << 32 | how |
                           static_cast<std::uint64_t>(number));
}

AgentForks::InFlight AgentForks::extract(Table::iterator it) {
  InFlight& fork = it->second;
  if (fork.orphan) --orphans_;
  if (fork.orphan && !fork.looked_for) --new_orphans_;
  if (fork.quiet) {
    const auto [begin, end] = quiet_.equal_range(&fork.parent->group());
    quiet_.erase(
        std::find_if(begin, end, [&](const auto& entry) { return entry.second == it->first; }));
    nr_quiet_.store(quiet_.size(), std::memory_order_relaxed);
  }
  InFlight extracted = std::move(fork);
  in_flight_.erase(it);
  nr_.store(in_flight_.size(), std::memory_order_relaxed);
  return extracted;
}

std::optional<AgentForks::InFlight> AgentForks::take(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  const auto it = in_flight_.find(id);
  if (it == in_flight_.end()) return {};
  return extract(it);
}

std::optional<bool> AgentForks::publish(std::uint32_t id, pid_t host, bool reaped) {
  std::optional<ForkReservation> reservation;
  ForkMembership membership;
  ForkRequest request;
  Ref<Task> parent;
  bool quiet = false;
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(id);
    if (it == in_flight_.end() || it->second.child != InFlight::Child::kReserved) return {};
    InFlight& fork = it->second;
    fork.child = InFlight::Child::kPublishing;
    quiet = fork.quiet;
    reservation = std::move(fork.reservation);
    membership = std::move(fork.membership);
    request = fork.request;
    parent = fork.parent;
  }
  Tracer& tracer = runtime_.tracer();
  bool runs = reservation->ns().alive();
  Ref<Task> child;
  const Ref<Task> old = runtime_.task_of(host);
  // The host has given the number of one that was reaped to another by now.
  if (old && old->alive()) runs = false;
  if (runs) {
    if (old) tracer.reap(old->group());
    child = runtime_.kernel().publish_fork(std::move(*reservation), host);
    if (!(request.flags & CLONE_THREAD)) {
      child->group().set_data(
          Agents::inherited_flags(parent->group(), (request.flags & CLONE_VM) != 0));
    }
    TracerGroupHost& group_host = runtime_.group_host();
    if (group_host.any_confined()) group_host.inherit_cpus(*parent, *child);
    runtime_.groups().publish_fork(std::move(membership), *child);
    runtime_.stats().forks.fetch_add(1, std::memory_order_relaxed);
    if (!quiet && (request.flags & CLONE_CHILD_SETTID)) {
      (void)RemoteMemory(host).write(RemotePtr<Nr>(request.child_tid), child->vnr());
    }
    if (quiet) {
      // Whoever waits for that may be whom the rest needs: the tracer.
      const std::lock_guard lock(mutex_);
      if (const auto it = in_flight_.find(id); it != in_flight_.end()) {
        it->second.child = InFlight::Child::kVisible;
      }
      published_.notify_all();
    }
    if (reaped) {
      tracer.ended_unseen(child->group());
    } else {
      // Whoever ended the namespace meanwhile may not have seen it.
      runs = tracer.leave_untraced(child) && child->ns()->alive();
    }
  }
  std::optional<Caller> caller;
  std::optional<InFlight> over;
  long number = -ENOMEM;
  // Given back before anybody is told.
  if (*reservation) reservation->abandon();
  reservation.reset();
  membership = {};
  {
    const std::lock_guard lock(mutex_);
    const auto it = in_flight_.find(id);
    if (it != in_flight_.end()) {
      InFlight& fork = it->second;
      fork.child = InFlight::Child::kKnown;
      if (child) number = fork.number;
      if (fork.vforks && child) fork.vforked = Ref<ThreadGroup>(child->group());
      caller = fork.caller;
      // A vfork goes on until the parent has its memory back.
      if (caller || fork.orphan || (fork.quiet && (!fork.vforks || !child))) {
        over = extract(it);
      }
    }
  }
  if (over && over->quiet) end_vfork(*over);
  if (quiet) published_.notify_all();
  if (caller) answer(*caller, number);
  // Who waits for a child of vfork counts as still from now on.
  if (tracer.freezing()) tracer.look_if_still(parent);
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
  if (!publish(id, tid).value_or(false)) return {};
  return sixth;
}

std::uint32_t AgentForks::id_by_parent(pid_t tid) const {
  const pid_t parent = Tracer::parent_or_process_of(tid);
  std::uint32_t id = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [at, fork] : in_flight_) {
    // Who was made by a quiet one has a key by the time that it can be asked for.
    if (fork.quiet || fork.child != InFlight::Child::kReserved ||
        fork.parent->group().level0() != parent) {
      continue;
    }
    if (fork.host == tid) return at;
    if (fork.host == 0) id = at;
  }
  return id;
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
      extract(it);
      return number;
    }
    fork.host = host;
    // A thread dies with its process, so nobody would wait for the answer.
    if (fork.child == InFlight::Child::kPublishing || (fork.request.flags & CLONE_THREAD) ||
        runtime_.tracer().watch_stranger(host, key)) {
      fork.caller = caller;
      return {};
    }
    lost = extract(it);
    any_lost_ = true;
    lost_.push_back({Ref<ThreadGroup>(lost->parent->group()), lost->number});
  }
  lost->reservation.abandon();
  return lost->number;
}

std::uint64_t AgentForks::ended(std::uint64_t key, bool failed) {
  auto fork = take(static_cast<std::uint32_t>(key >> 32));
  if (!fork) return 0;
  end_vfork(*fork);
  if (!failed && fork->child == InFlight::Child::kReserved) {
    fork->reservation.abandon();
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
    lost = extract(it);
    any_lost_ = true;
    lost_.push_back({Ref<ThreadGroup>(lost->parent->group()), lost->number});
  }
  lost->reservation.abandon();
  if (lost->caller) answer(*lost->caller, lost->number);
}

Nr AgentForks::waited_for_lost(const ThreadGroup& parent) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(lost_.begin(), lost_.end(),
                               [&](const Lost& lost) { return lost.parent == &parent; });
  if (it != lost_.end()) {
    const Nr number = it->number;
    lost_.erase(it);
    return number;
  }
  constexpr auto kMoment = std::chrono::seconds(1);
  const auto now = std::chrono::steady_clock::now();
  while (!dropped_.empty() && now - dropped_.front().when > kMoment) dropped_.pop_front();
  const auto gone = std::find_if(dropped_.begin(), dropped_.end(),
                                 [&](const Dropped& each) { return each.ns == parent.ns(); });
  if (gone == dropped_.end()) return 0;
  const Nr number = gone->number;
  dropped_.erase(gone);
  return number;
}

void AgentForks::task_ended(const Task& task) {
  if (nr_.load(std::memory_order_relaxed) == 0 && !any_lost_.load(std::memory_order_relaxed))
    return;
  std::unique_lock lock(mutex_);
  bool orphaned = false;
  std::optional<InFlight> over;
  if (!lost_.empty() && task.is_leader()) {
    std::erase_if(lost_, [&](const Lost& lost) { return lost.parent == &task.group(); });
  }
  for (auto it = in_flight_.begin(); it != in_flight_.end();) {
    const auto at = it++;
    InFlight& fork = at->second;
    if (fork.quiet && fork.vforked == &task.group() && task.is_leader()) {
      over = extract(at);
      continue;
    }
    if (fork.parent != &task || fork.orphan) continue;
    fork.caller.reset();
    if (fork.child == InFlight::Child::kKnown) {
      extract(at);
    } else {
      fork.orphan = true;
      fork.orphaned = std::chrono::steady_clock::now();
      orphaned = true;
      ++orphans_;
      ++new_orphans_;
    }
  }
  lock.unlock();
  if (over) end_vfork(*over);
  if (orphaned) runtime_.tracer().post([] {});  // it looks for them
}

bool AgentForks::waits_for_child(const Task& task) const {
  if (nr_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& entry) {
    const InFlight& fork = entry.second;
    // The end of a quiet one is known late, if at all; whoever waits is in an uninterruptible
    // sleep.
    return fork.vforked && fork.parent == &task &&
           (!fork.quiet || read_proc_stat(task.level0()).state == 'D');
  });
}

bool AgentForks::forking(const Task& task) const {
  if (nr_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& entry) {
    return entry.second.child != InFlight::Child::kKnown && entry.second.parent == &task;
  });
}

bool AgentForks::publishing() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(in_flight_.begin(), in_flight_.end(), [](const auto& entry) {
    const InFlight::Child child = entry.second.child;
    return child == InFlight::Child::kPublishing || child == InFlight::Child::kVisible;
  });
}

std::vector<Ref<ThreadGroup>> AgentForks::inits_of_orphans() const {
  std::vector<Ref<Task>> parents;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, fork] : in_flight_) {
      if (fork.orphan) parents.push_back(fork.parent);
    }
  }
  std::vector<Ref<ThreadGroup>> inits;
  for (const Ref<Task>& parent : parents) {
    for (Ref<PidNamespace> ns = parent->ns(); ns; ns = ns->parent()) {
      const Ref<ThreadGroup> init = ns->init();
      if (!init || init->state() != GroupState::kAlive) continue;
      if (std::find(inits.begin(), inits.end(), init) == inits.end()) inits.push_back(init);
    }
  }
  return inits;
}

void AgentForks::looked_for_orphans(std::chrono::steady_clock::time_point then, bool unknown) {
  using std::chrono::milliseconds;
  const std::lock_guard lock(mutex_);
  for (auto& [id, fork] : in_flight_) {
    if (!fork.orphan || fork.looked_for || fork.orphaned >= then) continue;
    const bool ends = fork.child != InFlight::Child::kReserved || !fork.reservation.ns().alive();
    if (unknown && then - fork.orphaned < (ends ? milliseconds(100) : milliseconds(10'000))) {
      continue;
    }
    fork.looked_for = true;
    --new_orphans_;
  }
}

void AgentForks::drop_orphans() {
  std::vector<InFlight> dropped;
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    for (auto it = in_flight_.begin(); it != in_flight_.end();) {
      const auto at = it++;
      const InFlight& fork = at->second;
      if (!fork.looked_for || fork.child != InFlight::Child::kReserved) continue;
      if (fork.quiet) {
        dropped_.push_back({Ref<PidNamespace>(fork.reservation.ns()), fork.number, now});
      }
      dropped.push_back(extract(at));
    }
    any_lost_ = any_lost_ || !dropped.empty();
  }
  // There may have been a child, and whoever knew its number is not to meet another by it.
  for (InFlight& fork : dropped) fork.reservation.abandon();
}

void AgentForks::drop_all() {
  Table all;
  const std::lock_guard lock(mutex_);
  all.swap(in_flight_);
  quiet_.clear();
  nr_quiet_ = 0;
  lost_.clear();
  dropped_.clear();
  gone_.clear();
  any_gone_ = false;
  orphans_ = 0;
  new_orphans_ = 0;
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
