// cpuset: the processors that a group's tasks may run on (Linux: kernel/cgroup/cpuset.c, with the
// rules of cgroup v2: a group without processors of its own has its parent's, and what it asks for
// in vain does not count). There is one memory node, which all have.
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "group/controllers/cpu_list.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {
namespace {

extern const Subsystem kCpuset;

// How many processors can be named where the host does not say how many there are.
constexpr std::size_t kUnknownSize = 8192;
// Of memory nodes, as on most builds of Linux.
constexpr std::size_t kMaxNodes = 1024;

// Guarded by the lock of Groups, except for the flag.
class CpusetState final : public SubsystemState {
 public:
  CpuSet wanted;     // "cpuset.cpus"
  CpuSet effective;  // of a root: the container's; empty where the host does not know them
  bool has_mems = false;
  CpusetState* root = nullptr;
  // In a root: some group has, or had, fewer than all processors. Children then get theirs
  // explicitly, since what they inherit from their parent may be out of date when it was moved
  // during the fork.
  std::atomic<bool> ever_confined{false};
};

CpusetState& cpuset(SubsystemState& state) { return static_cast<CpusetState&>(state); }

bool any(const CpuSet& set) {
  for (const bool member : set) {
    if (member) return true;
  }
  return false;
}

CpuSet intersection(const CpuSet& a, const CpuSet& b) {
  CpuSet both(a.size());
  for (std::size_t n = 0; n < a.size() && n < b.size(); ++n) both[n] = a[n] && b[n];
  return both;
}

CpuSet effective_of(const CpusetState& state, const CpusetState& parent) {
  if (!any(parent.effective)) return state.wanted;
  CpuSet both = intersection(state.wanted, parent.effective);
  return any(both) ? both : parent.effective;
}

// An error is a task's that cannot be confined; as in Linux it then stays as it is.
void apply(const CpusetState& state, Task& task) {
  (void)state.groups().host().set_cpus(task, state.effective);
}

// What this group or one above wants has changed.
void update(CpusetState& state) {
  CpuSet effective = effective_of(state, cpuset(*state.parent()));
  if (effective == state.effective) return;
  state.effective = std::move(effective);
  if (state.effective != state.root->effective) state.root->ever_confined = true;
  state.groups().for_each_task(state.group(), [&](Task& task) { apply(state, task); });
}

bool populated(const CpusetState& top) {
  bool found = false;
  top.groups().for_each_group(top.group(), [&](Group& group) {
    top.groups().for_each_task(group, [&](Task&) { found = true; });
  });
  return found;
}

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost& host, SubsystemState* parent) {
  auto state = std::make_unique<CpusetState>();
  state->root = parent != nullptr ? cpuset(*parent).root : state.get();
  if (parent == nullptr) {
    state->effective = host.cpus();
    return std::unique_ptr<SubsystemState>(std::move(state));
  }
  const CpusetState& above = cpuset(*parent);
  state->effective = above.effective;
  if (parent->group().clone_children()) {
    state->wanted = above.parent() != nullptr ? above.wanted : above.effective;
    state->has_mems = above.parent() == nullptr || above.has_mems;
  }
  return std::unique_ptr<SubsystemState>(std::move(state));
}

void attach(SubsystemState& to, SubsystemState& from, Task& task) {
  if (cpuset(to).effective != cpuset(from).effective) apply(cpuset(to), task);
}

void fork(SubsystemState& state, Task& child) {
  if (cpuset(state).root->ever_confined) apply(cpuset(state), child);
}

template <CpuSet CpusetState::*set>
Result<std::string> read_set(SubsystemState& state, const GroupCaller&) {
  std::string text;
  state.groups().locked([&] { text = format_cpu_list(cpuset(state).*set); });
  return text + "\n";
}

Result<std::string> read_cpus(SubsystemState& state, const GroupCaller& caller) {
  return state.parent() == nullptr ? read_set<&CpusetState::effective>(state, caller)
                                   : read_set<&CpusetState::wanted>(state, caller);
}

Result<void> write_cpus(SubsystemState& state, std::string_view text, const GroupCaller&) {
  CpusetState& top = cpuset(state);
  if (state.parent() == nullptr) return Errno{EACCES};
  const std::size_t known = top.root->effective.size();
  Result<CpuSet> wanted = parse_cpu_list(text, known > 0 ? known : kUnknownSize);
  if (!wanted) return wanted.error();
  Groups& groups = state.groups();
  Result<void> result;
  groups.locked([&] {
    if (any(top.wanted) && !any(*wanted) && populated(top)) {
      result = Errno{ENOSPC};
      return;
    }
    top.wanted = std::move(*wanted);
    groups.for_each_group(top.group(), [](Group& g) { update(cpuset(*g.state(kCpuset))); });
  });
  return result;
}

Result<std::string> read_mems(SubsystemState& state, const GroupCaller&) {
  bool has = state.parent() == nullptr;
  state.groups().locked([&] { has |= cpuset(state).has_mems; });
  return std::string(has ? "0\n" : "\n");
}

Result<void> write_mems(SubsystemState& state, std::string_view text, const GroupCaller&) {
  if (state.parent() == nullptr) return Errno{EACCES};
  Result<CpuSet> nodes = parse_cpu_list(text, kMaxNodes);
  if (!nodes) return nodes.error();
  const bool wants = (*nodes)[0];
  (*nodes)[0] = false;
  if (any(*nodes)) return Errno{EINVAL};
  Result<void> result;
  state.groups().locked([&] {
    CpusetState& s = cpuset(state);
    if (s.has_mems && !wants && populated(s)) {
      result = Errno{ENOSPC};
    } else {
      s.has_mems = wants;
    }
  });
  return result;
}

Result<std::string> read_effective_mems(SubsystemState&, const GroupCaller&) {
  return std::string("0\n");
}

constexpr auto read_effective = read_set<&CpusetState::effective>;

// The names of v2, and those of v1 for the same.
constexpr GroupFile kFiles[] = {
    {"cpuset.cpus", 0, read_cpus, write_cpus},
    {"cpuset.cpus.effective", 0, read_effective},
    {"cpuset.effective_cpus", 0, read_effective},
    {"cpuset.mems", 0, read_mems, write_mems},
    {"cpuset.mems.effective", 0, read_effective_mems},
    {"cpuset.effective_mems", 0, read_effective_mems},
};

constexpr Subsystem kCpuset{
    .name = "cpuset",
    .create = create,
    .attach = attach,
    .fork = fork,
    .files = kFiles,
};

const SubsystemRegistration registration(kCpuset);

}  // namespace
}  // namespace warren::group
