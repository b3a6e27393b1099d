// Task groups with a subsystem of one's own: `tickets`. A group gives a ticket to each task that
// enters it and has `tickets.max` of them; whoever finds none left cannot fork, or move, into it.
#include <warren/groups.h>

#include <charconv>
#include <iostream>
#include <string>

namespace {

using warren::Errno;
using warren::Group;
using warren::GroupCaller;
using warren::GroupHost;
using warren::GroupRef;
using warren::Groups;
using warren::Ref;
using warren::Result;
using warren::SubsystemState;
using warren::Task;

struct Tickets : SubsystemState {
  int max = 1000;
  int given = 0;
};

Tickets& tickets(SubsystemState& state) { return static_cast<Tickets&>(state); }

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState*) {
  return std::unique_ptr<SubsystemState>(new Tickets);
}

Result<void> take(SubsystemState& state) {
  if (tickets(state).given >= tickets(state).max) return Errno{EAGAIN};
  ++tickets(state).given;
  return {};
}

void give_back(SubsystemState& state) { --tickets(state).given; }

// A move takes the new ticket before it is sure to happen, and gives the old one back when it has.
constexpr warren::GroupFile kFiles[] = {
    {.name = "tickets.given",
     .read = [](SubsystemState& state, const GroupCaller&) -> Result<std::string> {
       return std::to_string(tickets(state).given) + "\n";
     }},
    {.name = "tickets.max",
     .read = [](SubsystemState& state, const GroupCaller&) -> Result<std::string> {
       return std::to_string(tickets(state).max) + "\n";
     },
     .write = [](SubsystemState& state, std::string_view text, const GroupCaller&) -> Result<void> {
       int max = 0;
       const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), max);
       if (error != std::errc() || end != text.data() + text.size()) return Errno{EINVAL};
       state.groups().locked([&] { tickets(state).max = max; });
       return {};
     }},
};

constexpr warren::Subsystem kTickets{
    .name = "tickets",
    .create = create,
    .can_attach = [](SubsystemState& to, SubsystemState&, Task&) { return take(to); },
    .cancel_attach = [](SubsystemState& to, SubsystemState&, Task&) { give_back(to); },
    .attach = [](SubsystemState&, SubsystemState& from, Task&) { give_back(from); },
    .can_fork = [](SubsystemState& state, Task&) { return take(state); },
    .cancel_fork = give_back,
    .release = [](SubsystemState& state, Task&) { give_back(state); },
    .files = kFiles,
};

// This is all that makes it one of the program's subsystems.
const warren::SubsystemRegistration registration(kTickets);

// A child of `parent`, in its groups; null: refused.
Ref<Task> fork(warren::Kernel& kernel, Groups& groups, Task& parent) {
  Result<warren::ForkMembership> membership = groups.begin_fork(parent);
  if (!membership) {
    std::cout << "fork of " << parent.vnr() << ": errno " << membership.error_code() << "\n";
    return nullptr;
  }
  Result<warren::ForkReservation> reservation = kernel.reserve_fork(parent);
  if (!reservation) return nullptr;  // the membership ends by itself
  Ref<Task> child = kernel.publish_fork(std::move(*reservation));
  groups.publish_fork(std::move(*membership), *child);
  return child;
}

void show(Groups& groups, Group& group) {
  std::cout << group.path() << ":";
  for (const Ref<Task>& task : groups.tasks(group)) std::cout << " " << task->vnr();
  std::cout << ", tickets " << *groups.read(group, "tickets.given", {});
}

}  // namespace

int main() {
  auto kernel = std::move(*warren::Kernel::create());
  GroupHost host;  // there are no real processes
  auto groups = std::move(*Groups::create(*kernel, host));
  for (const char* name : {"pids", "freezer", "tickets"}) {
    std::cout << name << (groups->find_subsystem(name) != nullptr ? " is" : " is not")
              << " there\n";
  }

  Ref<Task> init = *kernel->adopt(kernel->root(), {});
  if (!groups->adopt(*init)) return 1;
  GroupRef root = groups->default_root();
  GroupRef few = *groups->make(*root, "few", {});
  if (!groups->write(*few, "tickets.max", "2\n", {})) return 1;

  Ref<Task> one = fork(*kernel, *groups, *init);
  if (!groups->write(*few, "cgroup.procs", "2", {})) return 1;
  Ref<Task> two = fork(*kernel, *groups, *one);
  fork(*kernel, *groups, *one);  // no ticket left
  std::cout << "move of 1: errno " << groups->write(*few, "cgroup.procs", "1", {}).error_code()
            << "\n";
  show(*groups, *root);
  show(*groups, *few);

  for (const Ref<Task>& task : {two, one, init}) {
    groups->exit(*task);
    kernel->exit_task(*task, 0);
    kernel->reap(task->group());
    groups->release(*task);
  }
  show(*groups, *few);
  return groups->remove(*few) ? 0 : 1;
}
