// Subsystem "cpuacct": processor time by group: of the tasks that are there, of those that were
// there when they used it, and of those that have ended.
#include "group/controllers/cpuacct.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "group/controllers/number.h"
#include "warren/group_host.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren {
namespace {

constexpr std::uint64_t kUserHz = 100;  // as everywhere on Linux: times(2), proc(5)
constexpr std::uint64_t kMicroseconds = 1'000'000;

CpuTime& operator+=(CpuTime& a, const CpuTime& b) {
  a.user += b.user;
  a.system += b.system;
  return a;
}

// Never below 0: kernels correct the share of the system now and then.
CpuTime operator-(const CpuTime& a, const CpuTime& b) {
  return {a.user - std::min(a.user, b.user), a.system - std::min(a.system, b.system)};
}

// Guarded by the lock of Groups.
class CpuacctState final : public SubsystemState {
 public:
  explicit CpuacctState(GroupHost& host) : host(host) {}

  GroupHost& host;
  // Of tasks that have ended or left, and of child groups that were removed.
  CpuTime gone;
  // What a task had used when it came here. Only those that came from another group.
  std::unordered_map<const Task*, CpuTime> before;
  // cpuacct.usage* begin here, since 0 was written to them.
  CpuTime reset;
};

CpuacctState& cpuacct(SubsystemState& state) { return static_cast<CpuacctState&>(state); }

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost& host, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(std::make_unique<CpuacctState>(host));
}

void destroy(SubsystemState& state) {
  if (state.parent() != nullptr) cpuacct(*state.parent()).gone += cpuacct(state).gone;
}

// What the task, which has used `time` so far, has used here; it counts among the gone from now on.
void leave(CpuacctState& state, const Task& task, const CpuTime& time) {
  CpuTime before;
  if (const auto entry = state.before.find(&task); entry != state.before.end()) {
    before = entry->second;
    state.before.erase(entry);
  }
  state.gone += time - before;
}

void attach(SubsystemState& to, SubsystemState& from, Task& task) {
  const ThreadGroup& process = task.group();
  if (process.parent() || !process.children(1).empty()) cpuacct(to).host.tell_times_apart();
  const CpuTime time = cpuacct(to).host.cpu_time(task);
  leave(cpuacct(from), task, time);
  cpuacct(to).before.emplace(&task, time);
}

void exit(SubsystemState& state, Task& task) {
  leave(cpuacct(state), task, cpuacct(state).host.cpu_time(task));
}

struct LiveTask {
  Ref<Task> task;
  CpuTime before;
};

// Under the lock: the tasks of the group itself; returns what the gone have used.
CpuTime collect(CpuacctState& state, std::vector<LiveTask>* live) {
  state.groups().for_each_task(state.group(), [&](Task& task) {
    const auto entry = state.before.find(&task);
    live->push_back({Ref<Task>(task), entry != state.before.end() ? entry->second : CpuTime{}});
  });
  return state.gone;
}

// Of the group and all below it. `reset`: what cpuacct.usage leaves out of it; may be null.
CpuTime total(CpuacctState& state, CpuTime* reset = nullptr) {
  std::vector<LiveTask> live;
  CpuTime sum;
  const Subsystem& subsystem = cpuacct_subsystem();
  state.groups().locked([&] {
    if (reset != nullptr) *reset = state.reset;
    state.groups().for_each_group(state.group(), [&](Group& group) {
      SubsystemState* below = group.state(subsystem);
      if (below != nullptr) sum += collect(cpuacct(*below), &live);
    });
  });
  for (const LiveTask& each : live) sum += state.host.cpu_time(*each.task) - each.before;
  return sum;
}

CpuTime since_reset(SubsystemState& state) {
  CpuTime reset;
  const CpuTime sum = total(cpuacct(state), &reset);
  return sum - reset;
}

std::string nanoseconds(std::uint64_t microseconds) {
  return std::to_string(microseconds * 1000) + "\n";
}

Result<std::string> read_usage(SubsystemState& state, const GroupCaller&) {
  const CpuTime time = since_reset(state);
  return nanoseconds(time.user + time.system);
}

Result<std::string> read_usage_user(SubsystemState& state, const GroupCaller&) {
  return nanoseconds(since_reset(state).user);
}

Result<std::string> read_usage_sys(SubsystemState& state, const GroupCaller&) {
  return nanoseconds(since_reset(state).system);
}

// As in the kernel, only 0 can be written.
Result<void> write_usage(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> number = group::parse_unsigned(text);
  if (!number) return number.error();
  if (*number != 0) return Errno{EINVAL};
  const CpuTime now = total(cpuacct(state));
  state.groups().locked([&] { cpuacct(state).reset = now; });
  return {};
}

Result<std::string> read_stat(SubsystemState& state, const GroupCaller&) {
  const CpuTime time = total(cpuacct(state));
  return "user " + std::to_string(time.user * kUserHz / kMicroseconds) + "\nsystem " +
         std::to_string(time.system * kUserHz / kMicroseconds) + "\n";
}

Result<std::string> read_tasks(SubsystemState& state, const GroupCaller& caller) {
  std::vector<LiveTask> live;
  state.groups().locked([&] { collect(cpuacct(state), &live); });
  std::string text;
  for (const LiveTask& each : live) {
    const Nr nr = caller.ns ? each.task->nr_in(*caller.ns) : each.task->level0();
    if (nr == 0) continue;
    const CpuTime time = cpuacct(state).host.cpu_time(*each.task) - each.before;
    text += std::to_string(nr) + " " + std::to_string(time.user) + " " +
            std::to_string(time.system) + "\n";
  }
  return text;
}

constexpr GroupFile kFiles[] = {
    {.name = "cpuacct.usage", .read = read_usage, .write = write_usage},
    {.name = "cpuacct.usage_user", .read = read_usage_user},
    {.name = "cpuacct.usage_sys", .read = read_usage_sys},
    {.name = "cpuacct.stat", .read = read_stat},
    {.name = "cpuacct.tasks", .read = read_tasks},
};

constexpr Subsystem kCpuacct{.name = "cpuacct",
                             .create = create,
                             .destroy = destroy,
                             .attach = attach,
                             .exit = exit,
                             .files = kFiles};
const SubsystemRegistration registration(kCpuacct);

}  // namespace

const Subsystem& cpuacct_subsystem() { return kCpuacct; }

CpuTime cpu_time_of(SubsystemState& cpuacct_state) { return total(cpuacct(cpuacct_state)); }

}  // namespace warren
