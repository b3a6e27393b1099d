// Quiet forks: what parents and children have noted of them, and where it is looked up.
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "tracer/agent_forks.h"
#include "tracer/agent_state.h"
#include "tracer/proc_stat.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

bool is_gone(pid_t host) { return kill(host, 0) != 0 && errno == ESRCH; }

// What a guest says that it has waited for: gone, or a guest's zombie.
bool may_be_dead_guest(const Runtime& runtime, pid_t host) {
  if (is_gone(host)) return true;
  const ProcStat stat = read_proc_stat(host);
  return stat.state == 'Z' && runtime.task_of(stat.parent);
}

}  // namespace

bool AgentForks::place_is_free(const ThreadGroup& parent, Nr number) const {
  const auto [begin, end] = quiet_.equal_range(&parent);
  return std::none_of(begin, end, [&](const auto& entry) {
    return agent_state::place_of(in_flight_.at(entry.second).number) ==
           agent_state::place_of(number);
  });
}

std::vector<AgentForks::Quiet> AgentForks::quiet_forks(const ThreadGroup* parent,
                                                       InFlight::Child child) const {
  std::vector<Quiet> found;
  const auto [begin, end] =
      parent ? quiet_.equal_range(parent) : std::pair(quiet_.begin(), quiet_.end());
  for (auto it = begin; it != end; ++it) {
    const InFlight& fork = in_flight_.at(it->second);
    if (fork.child == child && !fork.orphan)
      found.push_back({it->second, fork.number, fork.parent});
  }
  return found;
}

bool AgentForks::is_known_to_live(pid_t host) {
  const auto lives = [&] {
    const Ref<Task> task = runtime_.task_of(host);
    return task && task->alive();
  };
  if (!lives()) return false;
  runtime_.tracer().take_in_deaths();  // its end may be untold, and the number another's
  return lives();
}

// By parent: each one's memory is read once.
void AgentForks::look_up(const std::vector<Quiet>& quiet) {
  const ThreadGroup* process = nullptr;
  std::optional<agent_state::Children> children;
  for (const Quiet& fork : quiet) {
    if (std::exchange(process, &fork.parent->group()) != &fork.parent->group()) {
      children = agent_state::children_of(fork.parent->level0());
    }
    if (!children) continue;
    const inject::State::Child& child = (*children)[agent_state::place_of(fork.number)];
    if ((child.number & ~inject::State::kReaped) != static_cast<std::uint32_t>(fork.number)) {
      continue;  // it is on the way to its clone, or not yet out of it
    }
    if (is_known_to_live(child.host)) continue;  // the guest makes things up
    if ((child.number & inject::State::kReaped) != 0) {
      // If there is such a process yet, or again, nobody can tell whether there was the child.
      if (is_gone(child.host)) {
        publish(fork.id, child.host, true);
      } else {
        if (auto taken = take(fork.id)) taken->reservation.abandon();
      }
    } else if (const pid_t parent = Tracer::parent_or_process_of(child.host);
               parent == fork.parent->group().level0()) {
      if (!publish(fork.id, child.host).value_or(true)) kill(child.host, SIGKILL);
    } else if (parent == 0 && is_gone(child.host)) {
      // Its parent is about to hear of that from its wait; or nobody waits, SIGCHLD being ignored.
      child_gone(fork.parent->group(), fork.number, child.host);
      publish(fork.id, child.host, true);
    }
    // Else its parent has died, and it is looked for as an orphan; or it is a stranger.
  }
}

std::size_t AgentForks::settle_where(const ThreadGroup* parent, const Task* still) {
  if (any_gone_.load(std::memory_order_relaxed)) forget_gone(parent);
  if (nr_quiet_.load(std::memory_order_relaxed) == 0) return 0;
  std::vector<Quiet> quiet;
  {
    const std::lock_guard lock(mutex_);
    quiet = quiet_forks(parent, InFlight::Child::kReserved);
  }
  look_up(quiet);
  std::unique_lock lock(mutex_);
  published_.wait(lock, [&] { return quiet_forks(parent, InFlight::Child::kPublishing).empty(); });
  const std::vector<Quiet> left = quiet_forks(parent, InFlight::Child::kReserved);
  return static_cast<std::size_t>(std::count_if(
      left.begin(), left.end(), [&](const Quiet& fork) { return fork.parent != still; }));
}

// The first thing that a child does is to note its key.
bool AgentForks::look_among_children(const Quiet& fork) {
  bool newborn = false;
  for (const pid_t child :
       read_proc_children(fork.parent->group().level0(), fork.parent->level0())) {
    if (runtime_.task_of(child)) continue;
    const agent_state::Keys keys = agent_state::keys_of(child);
    if (keys.fork >> 32 == fork.id || keys.vfork >> 32 == fork.id) {
      if (!publish(fork.id, child).value_or(true)) kill(child, SIGKILL);
      return true;
    }
    if (keys.fork == 0 && keys.vfork == 0) newborn = true;
  }
  return !newborn;
}

bool AgentForks::settle_all_that_run() {
  if (settle() == 0) return true;
  std::vector<Quiet> quiet;
  {
    const std::lock_guard lock(mutex_);
    quiet = quiet_forks(nullptr, InFlight::Child::kReserved);
  }
  bool all = true;
  for (const Quiet& fork : quiet) all = look_among_children(fork) && all;
  return all;
}

std::size_t AgentForks::settle(const ThreadGroup& parent, const Task* still) {
  return settle_where(&parent, still);
}
std::size_t AgentForks::settle() { return settle_where(nullptr, nullptr); }

void AgentForks::wait_until_published(std::uint32_t id) {
  std::unique_lock lock(mutex_);
  published_.wait(lock, [&] {
    const auto it = in_flight_.find(id);
    return it == in_flight_.end() || !it->second.quiet ||
           it->second.child != InFlight::Child::kPublishing;
  });
}

Ref<Task> AgentForks::adopt(pid_t tid, Claim claim) {
  if (nr_.load(std::memory_order_relaxed) == 0) return runtime_.task_of(tid);
  const agent_state::Keys keys = agent_state::keys_of(tid);
  std::uint32_t id = 0;
  {
    // Of a thread it is the key that made the process, and that of the process's own vfork.
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t key : {keys.vfork, keys.fork}) {
      const auto it = in_flight_.find(static_cast<std::uint32_t>(key >> 32));
      if (it == in_flight_.end() || !it->second.quiet) continue;
      if (id == 0 && it->second.child != InFlight::Child::kKnown) id = it->first;
    }
  }
  if (id == 0 && claim == Claim::kAny && !runtime_.task_of(tid)) id = id_by_parent(tid);
  if (id == 0) return runtime_.task_of(tid);
  const std::optional<bool> runs = publish(id, tid);
  if (runs && !*runs) {
    kill(tid, SIGKILL);
    return nullptr;
  }
  if (!runs) wait_until_published(id);  // another thread is at it
  return runtime_.task_of(tid);
}

bool AgentForks::adopt_dead(pid_t host) {
  if (!may_be_dead_guest(runtime_, host)) return false;
  std::uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    std::uint64_t first = ~std::uint64_t{0};
    for (const auto& [at, fork] : in_flight_) {
      if (!fork.quiet || !fork.looked_for || fork.child != InFlight::Child::kReserved) continue;
      if (fork.order >= first) continue;
      first = fork.order;
      id = at;
    }
  }
  return id != 0 && publish(id, host, is_gone(host)).has_value();
}

bool AgentForks::adopt_vforked(const ThreadGroup& parent, pid_t host) {
  if (!may_be_dead_guest(runtime_, host)) return false;
  std::uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const Quiet& fork : quiet_forks(&parent, InFlight::Child::kReserved)) {
      if (in_flight_.at(fork.id).vforks) id = fork.id;
    }
  }
  return id != 0 && publish(id, host, is_gone(host)).has_value();
}

void AgentForks::look_after_vforks(const Task& caller) {
  if (nr_quiet_.load(std::memory_order_relaxed) == 0) return;
  // A parent that calls has its memory back, and says in it what became of the child.
  if (counter(caller.group(), kVforksShift) != 0) settle(caller.group());
  std::optional<InFlight> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = in_flight_.begin(); it != in_flight_.end(); ++it) {
      const InFlight& fork = it->second;
      if (!fork.quiet || !fork.vforks || fork.child != InFlight::Child::kKnown) continue;
      const bool of_child = fork.vforked == &caller.group() &&
                            syscall(SYS_kcmp, caller.group().level0(),
                                    fork.parent->group().level0(), KCMP_VM, 0, 0) != 0;
      if (!of_child && fork.parent != &caller) continue;
      over = extract(it);
      break;
    }
  }
  if (over) end_vfork(*over);
}

void AgentForks::child_gone(const ThreadGroup& child) {
  const Ref<ThreadGroup> parent = child.parent();
  if (!parent || parent->state() != GroupState::kAlive ||
      !has_flag(*parent, ProcessFlag::kAgentMapped)) {
    return;
  }
  const Nr number = child.nr_in(*parent->ns());
  if (number != 0) child_gone(*parent, number, child.level0());
}

// Not at once: the parent may just be looking up the number of the child that it has waited for.
void AgentForks::child_gone(ThreadGroup& parent, Nr number, pid_t host) {
  {
    const std::lock_guard lock(mutex_);
    gone_.push_back({Ref<ThreadGroup>(parent), number, host});
    any_gone_ = true;
  }
  runtime_.tracer().expect_news();
}

// The host may give its number to another child of that parent.
void AgentForks::forget_gone(const ThreadGroup* parent) {
  const std::lock_guard lock(mutex_);
  std::erase_if(gone_, [&](const Gone& gone) {
    if (parent && gone.parent != parent) return false;
    // Else the place has been taken since, or is about to be.
    if (gone.parent->state() == GroupState::kAlive && place_is_free(*gone.parent, gone.number)) {
      agent_state::forget_child(gone.parent->level0(), gone.number, gone.host);
    }
    return true;
  });
  any_gone_ = !gone_.empty();
}

}  // namespace warren
