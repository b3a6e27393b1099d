// Moves of tasks between groups: all of them or none.
#include <algorithm>
#include <cerrno>

#include "group/core.h"

namespace warren {

// Asks every subsystem of `mask` about every move; after a failure everybody who agreed is told.
// Those that the kernel enforces are not asked; place() does.
Result<void> GroupsImpl::ask(const std::vector<Move>& moves, std::uint32_t mask) {
  mask &= ~taken_over.load(std::memory_order_relaxed);
  struct Agreed {
    int index;
    const Move* move;
  };
  std::vector<Agreed> agreed;
  for (std::uint32_t left = mask; left != 0;) {
    const int index = take_bit(left);
    const auto at = static_cast<std::size_t>(index);
    const Subsystem& which = subsystem(index);
    if (which.can_attach == nullptr) continue;
    for (const Move& move : moves) {
      SubsystemState* to = move.to->states[at].load(std::memory_order_relaxed);
      SubsystemState* from = move.from->states[at].load(std::memory_order_relaxed);
      if (to == from) continue;
      Result<void> asked = which.can_attach(*to, *from, *move.task);
      if (asked) {
        agreed.push_back({index, &move});
        continue;
      }
      for (std::size_t i = agreed.size(); i-- > 0;) {
        const Subsystem& earlier = subsystem(agreed[i].index);
        if (earlier.cancel_attach == nullptr) continue;
        const auto place = static_cast<std::size_t>(agreed[i].index);
        const Move& undone = *agreed[i].move;
        earlier.cancel_attach(*undone.to->states[place].load(std::memory_order_relaxed),
                              *undone.from->states[place].load(std::memory_order_relaxed),
                              *undone.task);
      }
      return asked;
    }
  }
  return {};
}

// What all agreed to is not done after all.
void GroupsImpl::take_back(const std::vector<Move>& moves, std::uint32_t mask) {
  mask &= ~taken_over.load(std::memory_order_relaxed);
  while (mask != 0) {
    const int index = take_last_bit(mask);
    const auto at = static_cast<std::size_t>(index);
    const Subsystem& which = subsystem(index);
    if (which.can_attach == nullptr || which.cancel_attach == nullptr) continue;
    for (std::size_t i = moves.size(); i-- > 0;) {
      SubsystemState* to = moves[i].to->states[at].load(std::memory_order_relaxed);
      SubsystemState* from = moves[i].from->states[at].load(std::memory_order_relaxed);
      if (to != from) which.cancel_attach(*to, *from, *moves[i].task);
    }
  }
}

// Nothing can fail any more. Takes over the references to the new proxies.
void GroupsImpl::commit(const std::vector<Move>& moves, std::uint32_t mask) {
  for (const Move& move : moves) {
    unlink(*move.from, *move.task);
    move.task->membership().proxy.store(move.to, std::memory_order_release);
    link(*move.to, *move.task);
  }
  mask &= ~taken_over.load(std::memory_order_relaxed);
  while (mask != 0) {
    const int index = take_bit(mask);
    const auto at = static_cast<std::size_t>(index);
    const Subsystem& which = subsystem(index);
    if (which.attach == nullptr) continue;
    for (const Move& move : moves) {
      SubsystemState* to = move.to->states[at].load(std::memory_order_relaxed);
      SubsystemState* from = move.from->states[at].load(std::memory_order_relaxed);
      if (to != from) which.attach(*to, *from, *move.task);
    }
  }
  for (const Move& move : moves) unref(move.from);
}

Result<void> GroupsImpl::move(Group& to, const std::vector<Ref<Task>>& tasks,
                              const PidNamespace* by) {
  std::vector<Move> moves;
  moves.reserve(tasks.size());
  const auto slot = static_cast<std::size_t>(to.hierarchy_->slot_);
  Proxy* last_from = nullptr;
  Proxy* last_to = nullptr;
  for (const Ref<Task>& task : tasks) {
    Proxy* from = proxy_of(*task);
    if (from == nullptr || task->membership().exited) continue;
    if (from->members[slot].load(std::memory_order_relaxed) == &to) continue;
    if (from == last_from) {
      ++last_to->refs;
    } else {
      last_from = from;
      last_to = intern(*from, to);
    }
    moves.push_back({task, from, last_to});
  }
  if (moves.empty()) return {};
  const std::uint32_t mask = to.hierarchy_->mask_.load(std::memory_order_relaxed);
  Result<void> agreed = ask(moves, mask);
  if (agreed && mirrored(to)) {
    agreed = place(to, moves);
    if (!agreed) take_back(moves, mask);
  }
  if (!agreed) {
    for (const Move& move : moves) unref(move.to);
    return agreed;
  }
  if (by != nullptr || !homes.empty()) note_homes(to, tasks, by);
  commit(moves, mask);
  return {};
}

Result<void> GroupsImpl::move(Group& to, ThreadGroup& process, const PidNamespace* by) {
  std::vector<Ref<Task>> threads;
  for (Ref<Task>& thread : process.threads()) {
    if (proxy_of(*thread) != nullptr && !thread->membership().exited) {
      threads.push_back(std::move(thread));
    }
  }
  if (threads.empty()) return Errno{ESRCH};
  if (Result<void> moved = move(to, threads, by); !moved) return moved;
  for (PendingFork* fork = pending; fork != nullptr; fork = fork->next) {
    if (fork->process == &process) fork->moved_to.emplace_back(&to);
  }
  return {};
}

Result<void> Groups::move(Group& to, std::span<const Ref<Task>> tasks) {
  GroupsImpl::Writer writer(*impl_);
  if (!to.alive()) return Errno{ENODEV};
  std::vector<Ref<Task>> all(tasks.begin(), tasks.end());
  for (const Ref<Task>& task : all) {
    if (GroupsImpl::proxy_of(*task) == nullptr || task->membership().exited) return Errno{ESRCH};
  }
  std::sort(all.begin(), all.end(),
            [](const Ref<Task>& a, const Ref<Task>& b) { return a.get() < b.get(); });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return impl_->move(to, all);
}

Result<void> Groups::move(Group& to, ThreadGroup& process) {
  GroupsImpl::Writer writer(*impl_);
  if (!to.alive()) return Errno{ENODEV};
  return impl_->move(to, process);
}

Result<void> Groups::reshare(ThreadGroup& process, const Task& other, const Subsystem& subsystem) {
  GroupsImpl::Writer writer(*impl_);
  const int index = impl_->index_of(subsystem);
  if (index < 0) return Errno{ENOENT};
  const Proxy* proxy = GroupsImpl::proxy_of(other);
  if (proxy == nullptr || other.membership().exited) return Errno{ESRCH};
  const int slot = impl_->slot_of_subsystem(index);
  return impl_->move(
      *proxy->members[static_cast<std::size_t>(slot)].load(std::memory_order_relaxed), process);
}

namespace {

bool wants_child(const Subsystem& which, SubsystemState* state, std::uint64_t clone_flags) {
  return which.unshare != nullptr && state != nullptr && which.unshare(*state, clone_flags);
}

}  // namespace

Result<Group*> GroupsImpl::make_numbered(Group& parent, std::string_view name) {
  const GroupAttributes attributes = this->attributes(parent, {});
  std::string wanted(name);
  for (int number = 2; has_file(parent, wanted) || parent.inner_->children.count(wanted) != 0;
       ++number) {
    wanted = std::string(name) + "_" + std::to_string(number);
  }
  return make(parent, wanted, attributes);
}

Result<void> Groups::unshare(Task& task, std::uint64_t clone_flags, std::string_view name) {
  GroupsImpl::Writer writer(*impl_);
  Proxy* proxy = GroupsImpl::proxy_of(task);
  if (proxy == nullptr || task.membership().exited) return Errno{ESRCH};
  std::uint32_t wanted = 0;  // slots
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    SubsystemState* state =
        proxy->states[static_cast<std::size_t>(i)].load(std::memory_order_relaxed);
    if (wants_child(impl_->subsystem(i), state, clone_flags)) {
      wanted |= bit(impl_->slot_of_subsystem(i));
    }
  }
  std::vector<Group*> made;
  std::uint32_t mask = 0;
  Result<void> result;
  Proxy* to = proxy;
  ++to->refs;
  while (wanted != 0 && result) {
    const auto slot = static_cast<std::size_t>(take_bit(wanted));
    Group& parent = *proxy->members[slot].load(std::memory_order_relaxed);
    Result<Group*> child = impl_->make_numbered(parent, name);
    if (!child) {
      result = child.error();
      break;
    }
    (*child)->inner_->self_made = true;
    made.push_back(*child);
    mask |= parent.hierarchy_->mask_.load(std::memory_order_relaxed);
    Proxy* further = impl_->intern(*to, **child);
    impl_->unref(to);
    to = further;
  }
  const std::vector<GroupsImpl::Move> moves = {{Ref<Task>(task), proxy, to}};
  if (result) result = impl_->ask(moves, mask);
  for (Group* group : made) {
    if (!result || !impl_->mirrored(*group)) continue;
    result = impl_->place(*group, moves);
    if (!result) impl_->take_back(moves, mask);
  }
  if (result && to != proxy) {
    for (Group* group : made) impl_->note_homes(*group, {Ref<Task>(task)}, task.ns().get());
    impl_->commit(moves, mask);
    return {};
  }
  impl_->unref(to);
  for (std::size_t i = made.size(); i-- > 0;) impl_->remove(*made[i]);
  // Who waits for a child group hears that none comes.
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    (void)wants_child(impl_->subsystem(i),
                      proxy->states[static_cast<std::size_t>(i)].load(std::memory_order_relaxed),
                      0);
  }
  return result;
}

}  // namespace warren
