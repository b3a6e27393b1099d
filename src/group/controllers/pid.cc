// Subsystem "pid": pid namespaces as groups. A task that begins a namespace by clone(2) or
// unshare(2) with CLONE_NEWPID begins a child group with it; whoever belongs there shares both.
// Groups that were made by hand have no namespace, and anybody may join them.
#include <limits>
#include <memory>
#include <string>

#include "group/controllers/number.h"
#include "warren/group_host.h"
#include "warren/groups.h"
#include "warren/pid_namespace.h"
#include "warren/subsystem.h"

namespace warren {
namespace {

constexpr std::uint64_t kCloneNewPid = 0x20000000;

// Everything is guarded by the lock of Groups.
class PidState final : public SubsystemState {
 public:
  explicit PidState(bool takes) : takes_namespace(takes) {}

  // That of its first task is to become its own.
  bool takes_namespace;
  // The next child is made by Groups::unshare().
  bool child_takes_namespace = false;
  Ref<PidNamespace> ns;
};

PidState& pid(SubsystemState& state) { return static_cast<PidState&>(state); }

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState* parent) {
  // A root group shows the namespace of the first task that ever came.
  const bool takes = parent == nullptr || pid(*parent).child_takes_namespace;
  if (parent != nullptr) pid(*parent).child_takes_namespace = false;
  return std::unique_ptr<SubsystemState>(std::make_unique<PidState>(takes));
}

bool unshare(SubsystemState& state, std::uint64_t clone_flags) {
  const bool wanted = (clone_flags & kCloneNewPid) != 0;
  pid(state).child_takes_namespace = wanted;
  return wanted;
}

PidState& root_of(SubsystemState& state) {
  SubsystemState* at = &state;
  while (at->parent() != nullptr) at = at->parent();
  return pid(*at);
}

// Of a task that has called unshare(2): the one in which it will have its children.
void take_namespace(PidState& state, Task& task) {
  // The first task of all may begin in any group.
  if (state.parent() != nullptr) take_namespace(root_of(state), task);
  if (!state.takes_namespace) return;
  state.takes_namespace = false;
  state.ns = state.parent() == nullptr ? task.ns() : task.pid_ns_for_children();
}

Result<void> can_attach(SubsystemState& to, SubsystemState&, Task& task) {
  const PidState& state = pid(to);
  if (state.parent() == nullptr || state.ns == nullptr) return {};
  if (state.ns == task.ns() || state.ns == task.pid_ns_for_children()) return {};
  return Errno{EINVAL};
}

void attach(SubsystemState& to, SubsystemState&, Task& task) { take_namespace(pid(to), task); }

void fork(SubsystemState& state, Task& child) { take_namespace(pid(state), child); }

void destroy(SubsystemState& state) { pid(state).ns = nullptr; }

// Its own or, of a group without, that of the nearest group above.
Result<Ref<PidNamespace>> namespace_of(SubsystemState& state) {
  Ref<PidNamespace> ns;
  state.groups().locked([&] {
    for (SubsystemState* at = &state; at != nullptr && ns == nullptr; at = at->parent()) {
      ns = pid(*at).ns;
    }
  });
  if (ns == nullptr) return Errno{ENODATA};
  return ns;
}

// As namespace_of(), to change it: only where it is the group's own.
Result<Ref<PidNamespace>> own_namespace(SubsystemState& state) {
  Ref<PidNamespace> ns;
  state.groups().locked([&] { ns = pid(state).ns; });
  if (ns == nullptr) return Errno{EOPNOTSUPP};
  return ns;
}

template <typename F>
Result<std::string> show(SubsystemState& state, F get) {
  const Result<Ref<PidNamespace>> ns = namespace_of(state);
  if (!ns) return ns.error();
  return std::to_string(get(**ns)) + "\n";
}

Result<std::string> read_level(SubsystemState& state, const GroupCaller&) {
  return show(state, [](const PidNamespace& ns) { return ns.level(); });
}

Result<std::string> read_inode(SubsystemState& state, const GroupCaller&) {
  return show(state, [&](PidNamespace& ns) { return state.groups().host().namespace_inode(ns); });
}

Result<std::string> read_last(SubsystemState& state, const GroupCaller&) {
  return show(state, [](const PidNamespace& ns) { return ns.last_pid(); });
}

Result<std::string> read_max(SubsystemState& state, const GroupCaller&) {
  return show(state, [](const PidNamespace& ns) { return ns.pid_max(); });
}

Result<void> change(SubsystemState& state, std::string_view text,
                    Result<void> (PidNamespace::*set)(Nr)) {
  const Result<std::uint64_t> nr = group::parse_magnitude(text);
  if (!nr) return nr.error();
  if (*nr > std::numeric_limits<Nr>::max()) return Errno{EINVAL};
  const Result<Ref<PidNamespace>> ns = own_namespace(state);
  if (!ns) return ns.error();
  return (**ns.*set)(static_cast<Nr>(*nr));
}

Result<void> write_last(SubsystemState& state, std::string_view text, const GroupCaller&) {
  return change(state, text, &PidNamespace::set_last_pid);
}

Result<void> write_max(SubsystemState& state, std::string_view text, const GroupCaller&) {
  return change(state, text, &PidNamespace::set_pid_max);
}

constexpr GroupFile kFiles[] = {
    {.name = "pid.level", .read = read_level},
    {.name = "pid.inode", .read = read_inode},
    {.name = "pid.last", .read = read_last, .write = write_last},
    {.name = "pid.max", .read = read_max, .write = write_max},
};

constexpr Subsystem kPid{.name = "pid",
                         .create = create,
                         .destroy = destroy,
                         .unshare = unshare,
                         .can_attach = can_attach,
                         .attach = attach,
                         .fork = fork,
                         .files = kFiles};
const SubsystemRegistration registration(kPid);

}  // namespace
}  // namespace warren
