// pids: how many tasks a group may have, itself and below (Linux: kernel/cgroup/pids.c). A task
// counts from before its fork until it is reaped, so that zombies, which hold numbers, count too.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "group/controllers/number.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {
namespace {

// One above the greatest limit that can be written, as in the kernel on 64 bits.
constexpr std::int64_t kNoLimit = (std::int64_t{1} << 22) + 1;

// Counters are changed under the lock of Groups or without it; each is right by itself.
class PidsState final : public SubsystemState {
 public:
  std::atomic<std::int64_t> count{0};
  std::atomic<std::int64_t> peak{0};
  std::atomic<std::int64_t> limit{kNoLimit};
  // Failed forks: of tasks of this very group; for this group's own limit; for that of this group
  // or of one below.
  std::atomic<std::uint64_t> failed_here{0};
  std::atomic<std::uint64_t> over_limit{0};
  std::atomic<std::uint64_t> over_limit_below{0};
};

PidsState& pids(SubsystemState& state) { return static_cast<PidsState&>(state); }

// The group above, or null where the counting ends: a root has no limit and is not counted.
PidsState* up(PidsState& state) {
  auto* parent = static_cast<PidsState*>(state.parent());
  return parent != nullptr && parent->parent() != nullptr ? parent : nullptr;
}

PidsState* first(SubsystemState& state) {
  return state.parent() != nullptr ? &pids(state) : nullptr;
}

void note_peak(PidsState& state, std::int64_t count) {
  std::int64_t peak = state.peak.load(std::memory_order_relaxed);
  while (count > peak &&
         !state.peak.compare_exchange_weak(peak, count, std::memory_order_relaxed)) {
  }
}

void uncharge(SubsystemState& state, const PidsState* end = nullptr) {
  for (PidsState* s = first(state); s != end; s = up(*s)) {
    s->count.fetch_sub(1, std::memory_order_relaxed);
  }
}

// What has moved is counted whatever the limit: organising may exceed it, forks may not.
void charge(SubsystemState& state) {
  for (PidsState* s = first(state); s != nullptr; s = up(*s)) {
    note_peak(*s, s->count.fetch_add(1, std::memory_order_relaxed) + 1);
  }
}

// The group whose limit refuses one more; null: charged.
PidsState* try_charge(SubsystemState& state) {
  for (PidsState* s = first(state); s != nullptr; s = up(*s)) {
    const std::int64_t count = s->count.fetch_add(1, std::memory_order_relaxed) + 1;
    if (count > s->limit.load(std::memory_order_relaxed)) {
      s->count.fetch_sub(1, std::memory_order_relaxed);
      uncharge(state, s);
      return s;
    }
    note_peak(*s, count);
  }
  return nullptr;
}

// Linux counts a refusal where the fork was in a v1 hierarchy, and where the limit was, and above,
// in the one of v2, which ours with the number 0 is like.
bool counts_as_v2(PidsState& state) { return state.group().hierarchy().id() == 0; }

void count_refusal(PidsState& forking, PidsState& limiting) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  forking.failed_here.fetch_add(1, kRelaxed);
  if (!counts_as_v2(forking)) {
    forking.groups().file_changed(forking.group(), "pids.events");
    forking.groups().file_changed(forking.group(), "pids.events.local");
    return;
  }
  limiting.over_limit.fetch_add(1, kRelaxed);
  limiting.groups().file_changed(limiting.group(), "pids.events.local");
  for (PidsState* s = &limiting; s != nullptr; s = up(*s)) {
    s->over_limit_below.fetch_add(1, kRelaxed);
    s->groups().file_changed(s->group(), "pids.events");
  }
}

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(std::make_unique<PidsState>());
}

Result<void> can_fork(SubsystemState& state, Task&) {
  PidsState* limiting = try_charge(state);
  if (limiting == nullptr) return {};
  count_refusal(pids(state), *limiting);
  return Errno{EAGAIN};
}

void cancel_fork(SubsystemState& state) { uncharge(state); }

Result<void> can_attach(SubsystemState& to, SubsystemState& from, Task&) {
  charge(to);
  uncharge(from);
  return {};
}

void cancel_attach(SubsystemState& to, SubsystemState& from, Task&) {
  charge(from);
  uncharge(to);
}

void release(SubsystemState& state, Task&) { uncharge(state); }

Result<std::string> read_max(SubsystemState& state, const GroupCaller&) {
  const std::int64_t limit = pids(state).limit.load(std::memory_order_relaxed);
  return limit == kNoLimit ? std::string("max\n") : std::to_string(limit) + "\n";
}

Result<void> write_max(SubsystemState& state, std::string_view text, const GroupCaller&) {
  std::int64_t limit = kNoLimit;
  if (text != "max") {
    const Result<std::int64_t> number = parse_number(text);
    if (!number) return number.error();
    if (*number < 0 || *number >= kNoLimit) return Errno{EINVAL};
    limit = *number;
  }
  pids(state).limit.store(limit, std::memory_order_relaxed);
  return {};
}

template <std::atomic<std::int64_t> PidsState::*counter>
Result<std::string> read_counter(SubsystemState& state, const GroupCaller&) {
  return std::to_string((pids(state).*counter).load(std::memory_order_relaxed)) + "\n";
}

template <std::atomic<std::uint64_t> PidsState::*v2>
Result<std::string> read_events(SubsystemState& state, const GroupCaller&) {
  PidsState& s = pids(state);
  const auto& events = counts_as_v2(s) ? s.*v2 : s.failed_here;
  return "max " + std::to_string(events.load(std::memory_order_relaxed)) + "\n";
}

constexpr GroupFile kFiles[] = {
    {"pids.max", GroupFile::kNotOnRoot, read_max, write_max},
    {"pids.current", GroupFile::kNotOnRoot, read_counter<&PidsState::count>},
    {"pids.peak", GroupFile::kNotOnRoot, read_counter<&PidsState::peak>},
    {"pids.events", GroupFile::kNotOnRoot | GroupFile::kPollable,
     read_events<&PidsState::over_limit_below>},
    {"pids.events.local", GroupFile::kNotOnRoot | GroupFile::kPollable,
     read_events<&PidsState::over_limit>},
};

constexpr Subsystem kPids{
    .name = "pids",
    .create = create,
    .can_attach = can_attach,
    .cancel_attach = cancel_attach,
    .can_fork = can_fork,
    .cancel_fork = cancel_fork,
    .release = release,
    .files = kFiles,
};

const SubsystemRegistration registration(kPids);

}  // namespace
}  // namespace warren::group
