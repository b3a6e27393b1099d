// cpu.max without the kernel's help. From time to time the tasks of each group with a limit are
// asked what they have used; a group that has used its quota is frozen until its next period. What
// it used beyond, because nobody looked in time, it owes: so the average is right however seldom
// somebody looks.
#include <algorithm>
#include <memory>

#include "group/controllers/cpu.h"

namespace warren::cpu_bandwidth {
namespace {

// Freezing and thawing costs a task some stops; more often than this it would be felt.
constexpr std::uint64_t kShortestPeriod = 50'000;
// With very many tasks, periods grow by so much for each.
constexpr std::uint64_t kPeriodPerTask = 200;
// Looks are no closer together, and no further apart.
constexpr std::uint64_t kShortestTick = 2'000;
constexpr std::uint64_t kLongestTick = 50'000;
// Of its time, the thread that looks spends at most one part in so many on looking.
constexpr std::uint64_t kLookShare = 20;
// A look that comes a bit early counts.
constexpr std::uint64_t kSlack = 500;
// A group that was kept frozen too long, since nobody looked, gets back at most so many quotas.
constexpr std::uint64_t kMostPeriodsAtOnce = 4;

void throttle(CpuState& top, std::uint64_t now) {
  top.bandwidth.throttled = true;
  top.bandwidth.throttled_since = now;
  ++top.bandwidth.nr_throttled;
  for_subtree(top, [](CpuState& state) {
    if (state.nr_throttled++ > 0) return;
    state.groups().for_each_task(state.group(), [&](Task& task) { state.host.freeze(task); });
  });
}

void unthrottle(CpuState& top, std::uint64_t now) {
  top.bandwidth.throttled = false;
  top.bandwidth.throttled_usec += now - std::min(now, top.bandwidth.throttled_since);
  for_subtree(top, [](CpuState& state) {
    if (--state.nr_throttled > 0) return;
    state.groups().for_each_task(state.group(), [&](Task& task) { state.host.thaw(task); });
  });
}

CpuState& root_of(CpuState& state) {
  CpuState* at = &state;
  while (at->parent() != nullptr) at = at->parent();
  return *at;
}

std::uint64_t used(CpuState& state, Task& task) {
  const CpuTime time = state.host.cpu_time(task);
  return time.user + time.system;
}

// The task of `state` has used so much more: charged to each limit above it.
void charge(CpuState& state, std::uint64_t microseconds) {
  if (microseconds == 0) return;
  for (CpuState* at = &state; at != nullptr; at = at->parent()) {
    if (at->bandwidth.limit.quota == CpuLimit::kNone) continue;
    at->bandwidth.left -= static_cast<std::int64_t>(microseconds);
    at->bandwidth.used = true;
  }
}

// The task has used `total` since its start.
void look_at(CpuState& state, std::optional<std::uint64_t>& seen, std::uint64_t total) {
  if (seen && total > *seen) charge(state, total - *seen);
  if (!seen || total > *seen) seen = total;
}

// The last look at a task that ends or leaves.
void look_last(CpuState& state, Task& task) {
  const auto entry = state.seen.find(&task);
  if (entry == state.seen.end()) return;
  if (entry->second) look_at(state, entry->second, used(state, task));
  state.seen.erase(entry);
}

void start_period(CpuBandwidth& bandwidth, std::uint64_t now, std::uint64_t nr_tasks) {
  const CpuLimit& limit = bandwidth.limit;
  bandwidth.current = limit;
  bandwidth.current.period = std::max({limit.period, kShortestPeriod, nr_tasks * kPeriodPerTask});
  if (bandwidth.current.period != limit.period) {
    bandwidth.current.quota = static_cast<std::uint64_t>(static_cast<double>(limit.quota) /
                                                         limit.period * bandwidth.current.period);
  }
  bandwidth.period_start = now;
}

// Ends the periods that are over, and throttles or not. Returns when to look again: after how many
// microseconds.
std::uint64_t advance(CpuState& state, std::uint64_t now, std::uint64_t nr_tasks,
                      std::uint64_t nr_cpus) {
  CpuBandwidth& bandwidth = state.bandwidth;
  const std::uint64_t elapsed = now - std::min(now, bandwidth.period_start);
  const std::uint64_t over = elapsed / bandwidth.current.period;
  if (over > 0) {
    const auto quota = static_cast<std::int64_t>(bandwidth.current.quota);
    const std::uint64_t counted =
        bandwidth.throttled ? std::min(over, kMostPeriodsAtOnce) : std::uint64_t{1};
    bandwidth.left += quota * static_cast<std::int64_t>(std::min(over, std::uint64_t{1000}));
    bandwidth.left = std::min(bandwidth.left, quota * static_cast<std::int64_t>(counted));
    if (bandwidth.used || bandwidth.throttled) bandwidth.nr_periods += over;
    bandwidth.used = false;
    start_period(bandwidth, bandwidth.period_start + over * bandwidth.current.period, nr_tasks);
  }
  if (bandwidth.left > 0 && bandwidth.throttled) unthrottle(state, now);
  if (bandwidth.left <= 0 && !bandwidth.throttled) throttle(state, now);

  const std::uint64_t period_end = bandwidth.period_start + bandwidth.current.period;
  const std::uint64_t rest = period_end - std::min(now, period_end);
  if (bandwidth.throttled) return rest;
  const std::uint64_t runners = std::max(std::uint64_t{1}, std::min(nr_tasks, nr_cpus));
  return std::min(rest, static_cast<std::uint64_t>(bandwidth.left) / runners);
}

struct Look {
  GroupRef group;
  Ref<Task> task;
  std::uint64_t total = 0;
};

// The tasks under any limit.
std::vector<Look> collect(CpuState& root) {
  std::vector<Look> looks;
  for (CpuState* state : root.limited) {
    if (state->nr_limits > 1) continue;  // one above has them
    for_subtree(*state, [&](CpuState& each) {
      each.groups().for_each_task(each.group(), [&](Task& task) {
        looks.push_back({GroupRef(&each.group()), Ref<Task>(task)});
      });
    });
  }
  return looks;
}

void charge_looks(std::vector<Look>& looks) {
  for (Look& look : looks) {
    SubsystemState* found = look.group->state(cpu_subsystem());
    if (found == nullptr) continue;  // the subsystem has gone to another hierarchy
    CpuState& state = cpu(*found);
    // Not there: it has ended or left meanwhile, and was looked at then.
    if (const auto entry = state.seen.find(look.task.get()); entry != state.seen.end()) {
      look_at(state, entry->second, look.total);
    }
  }
}

std::uint64_t count_tasks(CpuState& top) {
  std::uint64_t tasks = 0;
  for_subtree(top, [&](CpuState& state) { tasks += state.seen.size(); });
  return tasks;
}

// Removes one limit from the counts of the subtree.
void count_limit(CpuState& top, int by) {
  for_subtree(top, [&](CpuState& state) {
    state.nr_limits += by;
    if (state.nr_limits == 0) state.seen.clear();
    if (state.nr_limits != 1 || by < 0) return;
    state.groups().for_each_task(state.group(),
                                 [&](Task& task) { state.seen[&task] = std::nullopt; });
  });
}

}  // namespace

void set_limit(CpuState& state, std::optional<std::uint64_t> quota,
               std::optional<std::uint64_t> period) {
  Groups& groups = state.groups();
  const std::uint64_t now = state.host.now();
  groups.locked([&] {
    CpuBandwidth& bandwidth = state.bandwidth;
    CpuState& root = root_of(state);
    const bool had = bandwidth.limit.quota != CpuLimit::kNone;
    bandwidth.limit.quota = quota.value_or(bandwidth.limit.quota);
    bandwidth.limit.period = period.value_or(bandwidth.limit.period);
    const bool has = bandwidth.limit.quota != CpuLimit::kNone;
    if (had && bandwidth.throttled) unthrottle(state, now);
    if (had && !has) {
      std::erase(root.limited, &state);
      count_limit(state, -1);
    }
    if (!had && has && state.group().alive()) {
      root.limited.push_back(&state);
      count_limit(state, 1);
    }
    if (has) {
      start_period(bandwidth, now, 0);
      bandwidth.left = static_cast<std::int64_t>(bandwidth.current.quota);
      root.next_tick = 0;
      groups.want_tick(cpu_subsystem(), kShortestTick / 1000);
    }
  });
}

CpuBandwidth snapshot(CpuState& state) {
  CpuBandwidth bandwidth;
  state.groups().locked([&] { bandwidth = state.bandwidth; });
  return bandwidth;
}

void tick(Groups& groups) {
  const GroupRef root_group = groups.root_of(cpu_subsystem());
  SubsystemState* root_state = root_group->state(cpu_subsystem());
  if (root_state == nullptr) return;  // on its way to another hierarchy
  CpuState& root = cpu(*root_state);
  const std::uint64_t begin = root.host.now();
  std::vector<Look> looks;
  bool due = false;
  bool limits = false;
  groups.locked([&] {
    limits = !root.limited.empty();
    due = begin + kSlack >= root.next_tick;
    if (limits && due) looks = collect(root);
    if (!limits) groups.want_tick(cpu_subsystem(), 0);
  });
  if (!limits || !due) return;
  for (Look& look : looks) look.total = used(root, *look.task);
  const CpuSet cpus = root.host.cpus();
  const auto nr_cpus = static_cast<std::uint64_t>(std::count(cpus.begin(), cpus.end(), true));
  const std::uint64_t now = root.host.now();

  std::uint64_t next = kLongestTick;
  groups.locked([&] {
    charge_looks(looks);
    for (CpuState* state : root.limited) {
      next = std::min(next, advance(*state, now, count_tasks(*state), nr_cpus));
    }
    const std::uint64_t cost = (now - std::min(now, begin)) * kLookShare;
    next = std::max({next, kShortestTick, std::min(cost, kLongestTick)});
    root.next_tick = now + next;
    groups.want_tick(cpu_subsystem(), static_cast<int>((next + 999) / 1000));
  });
}

void destroy(CpuState& state) {
  if (state.bandwidth.limit.quota == CpuLimit::kNone) return;
  std::erase(root_of(state).limited, &state);
}

void attach(CpuState& to, CpuState& from, Task& task) {
  look_last(from, task);
  if (to.nr_limits > 0) to.seen[&task] = std::nullopt;
  if (to.nr_throttled > 0 && from.nr_throttled == 0) to.host.freeze(task);
  if (to.nr_throttled == 0 && from.nr_throttled > 0) to.host.thaw(task);
}

void fork(CpuState& state, Task& child) {
  if (state.nr_limits > 0) {
    // One that comes from outside has used what it has used there.
    const bool adopted = child.is_leader() && child.group().parent() == nullptr;
    state.seen[&child] = adopted ? std::nullopt : std::optional<std::uint64_t>(0);
  }
  if (state.nr_throttled > 0) state.host.freeze(child);
}

void exit(CpuState& state, Task& task) { look_last(state, task); }

}  // namespace warren::cpu_bandwidth
