// Subsystem "memory": what the processes of a group use, and a limit that costs the largest of them
// its life. Processes are counted where they are now: what one uses moves with it. The host is
// asked from time to time, so a limit can be passed for a moment.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "group/controllers/number.h"
#include "warren/group_host.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren {
namespace {

using group::parse_unsigned;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kPageSize = 4096;
// What memory.limit_in_bytes shows for none: the largest number of whole pages.
constexpr std::uint64_t kLargestLimit =
    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / kPageSize * kPageSize;
constexpr int kSigkill = 9;

// Looks are no closer together, and no further apart; microseconds.
constexpr std::uint64_t kShortestTick = 5'000;
constexpr std::uint64_t kLongestTick = 100'000;
// Bytes that a group may gain in a microsecond, as far as the next look is planned: 4 GB/s.
constexpr std::uint64_t kGrowth = 4'000;
// Of its time, the thread that looks spends at most one part in so many on looking.
constexpr std::uint64_t kLookShare = 20;
constexpr std::uint64_t kLongestPause = 1'000'000;
// A look that comes a bit early counts.
constexpr std::uint64_t kSlack = 500;

// memory.events
struct Events {
  std::uint64_t max = 0;
  std::uint64_t oom = 0;
  std::uint64_t oom_kill = 0;
  std::uint64_t oom_group_kill = 0;
};

// One process where it is counted: in the group of its leader or, if that has ended, in each group
// where it has a thread.
struct Process {
  GroupRef group;
  Ref<ThreadGroup> process;
  MemoryUse use;
  bool exact = false;
};

class MemoryState;

// Killed for a limit, and perhaps not gone yet.
struct Victim {
  Ref<ThreadGroup> process;
  const MemoryState* where;  // or, once that is removed, the next above
};

// Guarded by the lock of Groups.
class MemoryState final : public SubsystemState {
 public:
  explicit MemoryState(GroupHost& host) : host(host) {}
  MemoryState* parent() const { return static_cast<MemoryState*>(SubsystemState::parent()); }

  GroupHost& host;
  std::uint64_t limit = kNoLimit;
  std::uint64_t peak = 0;
  std::uint64_t failcnt = 0;
  bool oom_group = false;
  Events events;
  std::uint64_t sum = 0;  // of the look that is being made use of
  // Sums that count shared memory often are looked at more closely only when they have grown.
  std::uint64_t largest_rough = 0;

  // In the root state only: those with a limit, who was killed for one, and when the next look is
  // due.
  std::vector<MemoryState*> limited;
  std::vector<Victim> victims;
  std::uint64_t next_tick = 0;
};

const Subsystem& memory_subsystem();

MemoryState& memory(SubsystemState& state) { return static_cast<MemoryState&>(state); }

MemoryState& root_of(MemoryState& state) {
  MemoryState* at = &state;
  while (at->parent() != nullptr) at = at->parent();
  return *at;
}

// Mapped files are the page cache's, shared by all, and the kernel can drop them; what is swapped
// out is still used.
std::uint64_t charged(const MemoryUse& use) { return use.anon + use.shmem; }

// Under the lock: the processes of the group and all below it.
void collect(MemoryState& top, std::vector<Process>* processes) {
  std::unordered_set<const ThreadGroup*> seen;
  top.groups().for_each_group(top.group(), [&](Group& group) {
    top.groups().for_each_task(group, [&](Task& task) {
      ThreadGroup& process = task.group();
      if (!task.is_leader()) {
        const Ref<Task> leader = process.leader();
        if (leader && leader->alive()) return;
      }
      if (process.state() != GroupState::kAlive || !seen.insert(&process).second) return;
      processes->push_back({GroupRef(&group), Ref<ThreadGroup>(process), {}});
    });
  });
}

// Of the group and all below it, now. What several processes share counts once.
MemoryUse current(MemoryState& state) {
  std::vector<Process> processes;
  state.groups().locked([&] { collect(state, &processes); });
  MemoryUse sum;
  for (const Process& each : processes) {
    const MemoryUse use = state.host.memory_share(*each.process);
    sum.anon += use.anon;
    sum.file += use.file;
    sum.shmem += use.shmem;
    sum.swap += use.swap;
  }
  state.groups().locked([&] { state.peak = std::max(state.peak, charged(sum)); });
  return sum;
}

// --- The limit ---

// Events happen to a group and to all above it.
void count(MemoryState& state, std::uint64_t Events::*event, std::uint64_t by = 1) {
  for (MemoryState* at = &state; at != nullptr; at = at->parent()) {
    at->events.*event += by;
    if (at->parent() != nullptr) at->groups().file_changed(at->group(), "memory.events");
  }
}

bool within(const MemoryState& state, const MemoryState& top) {
  const MemoryState* at = &state;
  while (at != nullptr && at != &top) at = at->parent();
  return at != nullptr;
}

bool is_in(const Process& process, const MemoryState& top) {
  SubsystemState* state = process.group->state(memory_subsystem());
  return state != nullptr && within(memory(*state), top);
}

std::vector<Process*> processes_in(std::vector<Process>& processes, const MemoryState& top) {
  std::vector<Process*> found;
  for (Process& each : processes) {
    if (is_in(each, top)) found.push_back(&each);
  }
  return found;
}

void kill(MemoryState& root, const Process& victim) {
  root.host.kill(*victim.process, kSigkill);
  MemoryState& state = memory(*victim.group->state(memory_subsystem()));
  root.victims.push_back({victim.process, &state});
  count(state, &Events::oom_kill);
}

// The largest process of the group dies or, with memory.oom.group, all of the topmost group around
// it that asks for it, up to the limited one.
void out_of_memory(MemoryState& root, MemoryState& limited, std::vector<Process>& processes) {
  std::vector<Process*> candidates = processes_in(processes, limited);
  if (candidates.empty()) return;
  count(limited, &Events::oom);
  // Of equals the one that came last.
  Process* largest = candidates.front();
  for (Process* each : candidates) {
    if (charged(each->use) >= charged(largest->use)) largest = each;
  }
  MemoryState* together = nullptr;
  for (MemoryState* at = &memory(*largest->group->state(memory_subsystem()));; at = at->parent()) {
    if (at->oom_group) together = at;
    if (at == &limited) break;
  }
  if (together == nullptr) {
    kill(root, *largest);
    return;
  }
  count(*together, &Events::oom_group_kill);
  for (Process* each : processes_in(processes, *together)) kill(root, *each);
}

// Whether one of the group was killed and is not gone yet: its memory will come back.
bool is_dying(const MemoryState& root, const MemoryState& state) {
  return std::any_of(root.victims.begin(), root.victims.end(),
                     [&](const Victim& victim) { return within(*victim.where, state); });
}

void sum_up(MemoryState& root, const std::vector<Process>& processes) {
  for (MemoryState* state : root.limited) state->sum = 0;
  for (const Process& each : processes) {
    SubsystemState* found = each.group->state(memory_subsystem());
    MemoryState* at = found != nullptr ? &memory(*found) : nullptr;
    for (; at != nullptr; at = at->parent()) {
      if (at->limit != kNoLimit) at->sum += charged(each.use);
    }
  }
}

// Whether shared memory, which these sums count often, must be told apart: the limit seems to be
// passed, or a new peak reached (by more than a little).
std::vector<Process*> to_look_at_closely(MemoryState& root, std::vector<Process>& processes) {
  std::vector<Process*> found;
  for (MemoryState* state : root.limited) {
    const bool grown = state->sum > state->largest_rough + state->largest_rough / 16;
    if (grown) state->largest_rough = state->sum;
    if (!grown && state->sum <= state->limit) continue;
    for (Process* each : processes_in(processes, *state)) {
      if (!each->exact) found.push_back(each);
      each->exact = true;
    }
  }
  return found;
}

// Returns when the next look is due: after how many microseconds.
std::uint64_t enforce(MemoryState& root, std::vector<Process>& processes) {
  std::uint64_t next = kLongestTick;
  for (MemoryState* state : root.limited) {
    const std::vector<Process*> own = processes_in(processes, *state);
    if (std::all_of(own.begin(), own.end(), [](const Process* each) { return each->exact; })) {
      state->peak = std::max(state->peak, state->sum);
    }
    if (state->sum <= state->limit) {
      next = std::min(next, (state->limit - state->sum) / kGrowth);
      continue;
    }
    next = 0;
    if (is_dying(root, *state)) continue;
    ++state->failcnt;
    count(*state, &Events::max);
    out_of_memory(root, *state, processes);
  }
  return next;
}

// The processes that any limit covers.
void collect_limited(MemoryState& root, std::vector<Process>* processes) {
  for (MemoryState* state : root.limited) {
    const MemoryState* above = state->parent();
    while (above != nullptr && above->limit == kNoLimit) above = above->parent();
    if (above == nullptr) collect(*state, processes);
  }
}

// One look at all limits. Returns when the next one is due: after how many microseconds.
std::uint64_t look(Groups& groups, MemoryState& root, std::vector<Process>& processes) {
  for (Process& each : processes) each.use = root.host.memory(*each.process);
  std::vector<Process*> closely;
  groups.locked([&] {
    std::erase_if(root.victims, [](const Victim& victim) {
      return victim.process->state() != GroupState::kAlive;
    });
    sum_up(root, processes);
    closely = to_look_at_closely(root, processes);
  });
  for (Process* each : closely) each->use = root.host.memory_share(*each->process);
  std::uint64_t next = 0;
  groups.locked([&] {
    sum_up(root, processes);
    next = enforce(root, processes);
  });
  return next;
}

void tick(Groups& groups) {
  const GroupRef root_group = groups.root_of(memory_subsystem());
  SubsystemState* root_state = root_group->state(memory_subsystem());
  if (root_state == nullptr) return;  // on its way to another hierarchy
  MemoryState& root = memory(*root_state);
  const std::uint64_t begin = root.host.now();
  std::vector<Process> processes;
  bool due = false;
  bool limits = false;
  groups.locked([&] {
    limits = !root.limited.empty();
    due = begin + kSlack >= root.next_tick;
    if (limits && due) collect_limited(root, &processes);
    if (limits) return;
    root.victims.clear();
    groups.want_tick(memory_subsystem(), 0);
  });
  if (!limits || !due) return;
  std::uint64_t next = look(groups, root, processes);
  const std::uint64_t now = root.host.now();
  const std::uint64_t cost = (now - std::min(now, begin)) * kLookShare;
  next = std::max({next, kShortestTick, std::min(cost, kLongestPause)});
  groups.locked([&] {
    root.next_tick = now + next;
    groups.want_tick(memory_subsystem(), static_cast<int>((next + 999) / 1000));
  });
}

void set_limit(MemoryState& state, std::uint64_t limit) {
  Groups& groups = state.groups();
  groups.locked([&] {
    MemoryState& root = root_of(state);
    std::erase(root.limited, &state);
    state.limit = limit;
    state.largest_rough = 0;
    if (limit != kNoLimit && state.group().alive()) root.limited.push_back(&state);
    root.next_tick = 0;
    groups.want_tick(memory_subsystem(), kShortestTick / 1000);
  });
}

// --- Callbacks ---

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost& host, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(std::make_unique<MemoryState>(host));
}

void destroy(SubsystemState& state) { std::erase(root_of(memory(state)).limited, &memory(state)); }

// --- Files ---

std::string line(std::uint64_t number) { return std::to_string(number) + "\n"; }

// As the kernel's memparse(): a number with an optional K, M, G, T, P or E; whole pages, rounded
// down. `none` is the word for no limit. EINVAL, ERANGE.
Result<std::uint64_t> parse_limit(std::string_view text, std::string_view none) {
  if (text == none) return kNoLimit;
  constexpr std::string_view kSuffixes = "kmgtpe";
  int shift = 0;
  if (!text.empty()) {
    const std::size_t suffix = kSuffixes.find(static_cast<char>(text.back() | 0x20));
    // The last digit of a hexadecimal number may be an E.
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    if (suffix != text.npos && !hexadecimal) {
      shift = static_cast<int>(suffix + 1) * 10;
      text.remove_suffix(1);
    }
  }
  const Result<std::uint64_t> number = group::parse_magnitude(text);
  if (!number) return number.error();
  if (*number > kNoLimit >> shift) return Errno{ERANGE};
  const std::uint64_t bytes = (*number << shift) / kPageSize * kPageSize;
  return bytes >= kLargestLimit ? kNoLimit : bytes;
}

// Its value at this moment.
template <typename T>
T get(SubsystemState& state, T MemoryState::*member) {
  T value{};
  state.groups().locked([&] { value = memory(state).*member; });
  return value;
}

Result<std::string> read_current(SubsystemState& state, const GroupCaller&) {
  return line(charged(current(memory(state))));
}

Result<std::string> read_swap(SubsystemState& state, const GroupCaller&) {
  return line(current(memory(state)).swap);
}

Result<std::string> read_peak(SubsystemState& state, const GroupCaller&) {
  current(memory(state));
  return line(get(state, &MemoryState::peak));
}

// Whatever is written, as in the kernel.
Result<void> reset_peak(SubsystemState& state, std::string_view, const GroupCaller&) {
  const std::uint64_t now = charged(current(memory(state)));
  state.groups().locked([&] { memory(state).peak = now; });
  return {};
}

Result<std::string> read_max(SubsystemState& state, const GroupCaller&) {
  const std::uint64_t limit = get(state, &MemoryState::limit);
  return limit == kNoLimit ? std::string("max\n") : line(limit);
}

Result<void> write_max(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> limit = parse_limit(text, "max");
  if (!limit) return limit.error();
  set_limit(memory(state), *limit);
  return {};
}

Result<std::string> read_limit(SubsystemState& state, const GroupCaller&) {
  return line(std::min(get(state, &MemoryState::limit), kLargestLimit));
}

Result<void> write_limit(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> limit = parse_limit(text, "-1");
  if (!limit) return limit.error();
  set_limit(memory(state), *limit);
  return {};
}

Result<std::string> read_failcnt(SubsystemState& state, const GroupCaller&) {
  return line(get(state, &MemoryState::failcnt));
}

// Whatever is written, as in the kernel.
Result<void> reset_failcnt(SubsystemState& state, std::string_view, const GroupCaller&) {
  state.groups().locked([&] { memory(state).failcnt = 0; });
  return {};
}

Result<std::string> read_events(SubsystemState& state, const GroupCaller&) {
  const Events events = get(state, &MemoryState::events);
  return "max " + line(events.max) + "oom " + line(events.oom) + "oom_kill " +
         line(events.oom_kill) + "oom_group_kill " + line(events.oom_group_kill);
}

Result<std::string> read_stat(SubsystemState& state, const GroupCaller&) {
  const MemoryUse use = current(memory(state));
  return "anon " + line(use.anon - std::min(use.anon, use.swap)) + "file " +
         line(use.file + use.shmem) + "shmem " + line(use.shmem) + "file_mapped " +
         line(use.file + use.shmem);
}

Result<std::string> read_oom_group(SubsystemState& state, const GroupCaller&) {
  return line(get(state, &MemoryState::oom_group) ? 1 : 0);
}

Result<void> write_oom_group(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> on = parse_unsigned(text);
  if (!on) return on.error();
  if (*on > 1) return Errno{EINVAL};
  state.groups().locked([&] { memory(state).oom_group = *on == 1; });
  return {};
}

constexpr unsigned kNotOnRoot = GroupFile::kNotOnRoot;
constexpr GroupFile kFiles[] = {
    {.name = "memory.current", .read = read_current},
    {.name = "memory.peak", .read = read_peak},
    {.name = "memory.max", .flags = kNotOnRoot, .read = read_max, .write = write_max},
    {.name = "memory.events", .flags = kNotOnRoot | GroupFile::kPollable, .read = read_events},
    {.name = "memory.stat", .read = read_stat},
    {.name = "memory.swap.current", .read = read_swap},
    {.name = "memory.oom.group",
     .flags = kNotOnRoot,
     .read = read_oom_group,
     .write = write_oom_group},
    {.name = "memory.usage_in_bytes", .read = read_current},
    {.name = "memory.limit_in_bytes",
     .flags = kNotOnRoot,
     .read = read_limit,
     .write = write_limit},
    {.name = "memory.max_usage_in_bytes", .read = read_peak, .write = reset_peak},
    {.name = "memory.failcnt", .flags = kNotOnRoot, .read = read_failcnt, .write = reset_failcnt},
};

constexpr Subsystem kMemory{
    .name = "memory", .create = create, .destroy = destroy, .tick = tick, .files = kFiles};
const SubsystemRegistration registration(kMemory);

const Subsystem& memory_subsystem() { return kMemory; }

}  // namespace
}  // namespace warren
