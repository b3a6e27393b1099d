// The state of subsystem "cpu", and its two halves: shares (cpu.cc) and bandwidth
// (cpu_bandwidth.cc).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "warren/group_host.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren {

class CpuState;

const Subsystem& cpu_subsystem();

// cpu.max, in microseconds.
struct CpuLimit {
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t quota = kNone;
  std::uint64_t period = 100'000;
};

// Where a group with a limit stands. All times in microseconds.
struct CpuBandwidth {
  CpuLimit limit;
  // Of the running period. It is `limit`, stretched where its periods would be too short.
  CpuLimit current;
  std::uint64_t period_start = 0;
  // What may still be used in this period. Below 0: used ahead of time, and owed.
  std::int64_t left = 0;
  bool used = false;  // in this period
  bool throttled = false;
  std::uint64_t throttled_since = 0;
  // cpu.stat
  std::uint64_t nr_periods = 0;
  std::uint64_t nr_throttled = 0;
  std::uint64_t throttled_usec = 0;
};

// Guarded by the lock of Groups.
class CpuState final : public SubsystemState {
 public:
  CpuState(GroupHost& host, const CpuState* parent)
      : host(host),
        nr_limits(parent != nullptr ? parent->nr_limits : 0),
        nr_throttled(parent != nullptr ? parent->nr_throttled : 0) {}
  CpuState* parent() const { return static_cast<CpuState*>(SubsystemState::parent()); }

  GroupHost& host;

  // As the kernel keeps cpu.weight: 1024 stands for a weight of 100.
  std::uint64_t shares = 1024;
  // The host refused a nice value, for want of privilege.
  bool refused = false;

  CpuBandwidth bandwidth;
  // How many of this group and those above it have a limit, and are throttled. Tasks are frozen,
  // once, while nr_throttled is not 0.
  int nr_limits = 0;
  int nr_throttled = 0;
  // While there are limits: what each task had used when it was looked at last; nothing yet: at the
  // next look.
  std::unordered_map<const Task*, std::optional<std::uint64_t>> seen;

  // In the root state only: the groups with a limit, and when the next look is due.
  std::vector<CpuState*> limited;
  std::uint64_t next_tick = 0;
};

inline CpuState& cpu(SubsystemState& state) { return static_cast<CpuState&>(state); }

// Under the lock: `f` for the state and all below it, parents first. (A subsystem that goes to
// another hierarchy leaves groups without a state.)
template <typename F>
void for_subtree(CpuState& top, F f) {
  top.groups().for_each_group(top.group(), [&](Group& group) {
    if (SubsystemState* state = group.state(cpu_subsystem()); state != nullptr) f(cpu(*state));
  });
}

// --- Bandwidth. Under the lock of Groups, except where it is said. ---

namespace cpu_bandwidth {

// Not under the lock. Nothing: as it is.
void set_limit(CpuState& state, std::optional<std::uint64_t> quota,
               std::optional<std::uint64_t> period);
// A copy. Not under the lock; neither is tick().
CpuBandwidth snapshot(CpuState& state);
void tick(Groups& groups);

void destroy(CpuState& state);
void attach(CpuState& to, CpuState& from, Task& task);
void fork(CpuState& state, Task& child);
void exit(CpuState& state, Task& task);

}  // namespace cpu_bandwidth
}  // namespace warren
