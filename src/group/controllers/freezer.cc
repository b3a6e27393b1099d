// freezer: stops and continues whole subtrees, unnoticed by their tasks. One switch with the files
// of both generations: cgroup.freeze and cgroup.events of cgroup v2 (kernel/cgroup/freezer.c),
// freezer.state of v1 (legacy_freezer.c).
//
// A group freezes when its own switch or one above is on. What is counted is who still runs: a
// task is `stopping` from the moment its group freezes (or it comes in) until the host says that it
// has stopped; a group is frozen when it freezes and nobody in its subtree is stopping.
#include <atomic>
#include <memory>
#include <string>
#include <unordered_set>

#include "group/controllers/number.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {
namespace {

extern const Subsystem kFreezer;

// Written under the lock of Groups; the flags are read without it by files.
class FreezerState final : public SubsystemState {
 public:
  std::atomic<bool> wanted{false};    // its own switch
  std::atomic<bool> freezing{false};  // its own, or one above
  std::atomic<bool> frozen{false};
  std::unordered_set<const Task*> stopping;  // of the group itself
  int stopping_below = 0;                    // of the group and all below
};

FreezerState& freezer(SubsystemState& state) { return static_cast<FreezerState&>(state); }
FreezerState* up(FreezerState& state) { return static_cast<FreezerState*>(state.parent()); }

void update_frozen(FreezerState& state) {
  const bool frozen = state.freezing && state.stopping_below == 0;
  if (state.frozen.exchange(frozen) == frozen) return;
  state.groups().file_changed(state.group(), "cgroup.events");
}

// More or fewer tasks of this group are stopping.
void add_stopping(FreezerState& state, int count) {
  if (count == 0) return;
  for (FreezerState* s = &state; s != nullptr; s = up(*s)) {
    s->stopping_below += count;
    update_frozen(*s);
  }
}

void stop(FreezerState& state, Task& task) {
  if (state.stopping.insert(&task).second) add_stopping(state, 1);
  state.groups().host().freeze(task);
}

void forget(FreezerState& state, const Task& task) {
  if (state.stopping.erase(&task) != 0) add_stopping(state, -1);
}

// The switch of this group or of one above has changed. Under the lock.
void refreeze(FreezerState& state) {
  const FreezerState* parent = up(state);
  const bool freezing = state.wanted || (parent != nullptr && parent->freezing);
  if (state.freezing == freezing) return;
  state.freezing = freezing;
  Groups& groups = state.groups();
  if (freezing) {
    groups.for_each_task(state.group(), [&](Task& task) { stop(state, task); });
  } else {
    const auto stopping = static_cast<int>(state.stopping.size());
    state.stopping.clear();
    add_stopping(state, -stopping);
    groups.for_each_task(state.group(), [&](Task& task) { groups.host().thaw(task); });
  }
}

void set_wanted(FreezerState& top, bool wanted) {
  Groups& groups = top.groups();
  groups.locked([&] {
    if (top.wanted == wanted) return;
    top.wanted = wanted;
    groups.for_each_group(top.group(), [](Group& g) { refreeze(freezer(*g.state(kFreezer))); });
    // Only now: a group whose own tasks have stopped may have others below.
    groups.for_each_group(top.group(),
                          [](Group& g) { update_frozen(freezer(*g.state(kFreezer))); });
  });
}

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState* parent) {
  auto state = std::make_unique<FreezerState>();
  const bool freezing = parent != nullptr && freezer(*parent).freezing;
  state->freezing = freezing;
  state->frozen = freezing;  // nobody is in it
  return std::unique_ptr<SubsystemState>(std::move(state));
}

void attach(SubsystemState& to_state, SubsystemState& from_state, Task& task) {
  FreezerState& to = freezer(to_state);
  FreezerState& from = freezer(from_state);
  if (&to == &from) return;
  const bool was_stopping = from.stopping.contains(&task);
  if (to.freezing && (was_stopping || !from.freezing)) {
    to.stopping.insert(&task);
    add_stopping(to, 1);
  }
  forget(from, task);
  if (to.freezing && !from.freezing) to.groups().host().freeze(task);
  if (from.freezing && !to.freezing) to.groups().host().thaw(task);
}

void fork(SubsystemState& state, Task& child) {
  if (freezer(state).freezing) stop(freezer(state), child);
}

void exit(SubsystemState& state, Task& task) { forget(freezer(state), task); }

void frozen(SubsystemState& state, Task& task) { forget(freezer(state), task); }

std::string events(SubsystemState& state) {
  return freezer(state).frozen ? "frozen 1\n" : "frozen 0\n";
}

template <std::atomic<bool> FreezerState::*flag>
Result<std::string> read_flag(SubsystemState& state, const GroupCaller&) {
  return std::string(freezer(state).*flag ? "1\n" : "0\n");
}

Result<void> write_freeze(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::int64_t> number = parse_number(text, 0, 1);
  if (!number) return number.error();
  set_wanted(freezer(state), *number != 0);
  return {};
}

Result<std::string> read_state(SubsystemState& state, const GroupCaller&) {
  // `frozen` first: it never stays true without `freezing`.
  if (freezer(state).frozen) return std::string("FROZEN\n");
  return std::string(freezer(state).freezing ? "FREEZING\n" : "THAWED\n");
}

Result<void> write_state(SubsystemState& state, std::string_view text, const GroupCaller&) {
  if (text != "FROZEN" && text != "THAWED") return Errno{EINVAL};
  set_wanted(freezer(state), text == "FROZEN");
  return {};
}

Result<std::string> read_parent_freezing(SubsystemState& state, const GroupCaller&) {
  const FreezerState* parent = up(freezer(state));
  return std::string(parent != nullptr && parent->freezing ? "1\n" : "0\n");
}

constexpr GroupFile kFiles[] = {
    {"cgroup.freeze", GroupFile::kNotOnRoot, read_flag<&FreezerState::wanted>, write_freeze},
    {"freezer.state", GroupFile::kNotOnRoot, read_state, write_state},
    {"freezer.self_freezing", GroupFile::kNotOnRoot, read_flag<&FreezerState::wanted>},
    {"freezer.parent_freezing", GroupFile::kNotOnRoot, read_parent_freezing},
};

constexpr Subsystem kFreezer{
    .name = "freezer",
    .create = create,
    .attach = attach,
    .fork = fork,
    .exit = exit,
    .frozen = frozen,
    .events = events,
    .files = kFiles,
};

const SubsystemRegistration registration(kFreezer);

}  // namespace
}  // namespace warren::group
