// Tasks come, fork and end.
#include <cerrno>
#include <csignal>
#include <utility>

#include "group/core.h"

namespace warren {

ForkMembership::ForkMembership(ForkMembership&& other) noexcept
    : groups_(std::exchange(other.groups_, nullptr)),
      pending_(std::exchange(other.pending_, nullptr)) {}

ForkMembership& ForkMembership::operator=(ForkMembership&& other) noexcept {
  if (this != &other) {
    cancel();
    groups_ = std::exchange(other.groups_, nullptr);
    pending_ = std::exchange(other.pending_, nullptr);
  }
  return *this;
}

ForkMembership::~ForkMembership() { cancel(); }

void ForkMembership::cancel() {
  PendingFork* pending = std::exchange(pending_, nullptr);
  if (pending == nullptr) return;
  GroupsImpl::Writer writer(*groups_);
  groups_->cancel(pending);
}

// What can_fork() of every subsystem says; after a failure nothing is charged.
Result<void> GroupsImpl::charge(Proxy& proxy, Task& parent) {
  std::uint32_t asked = 0;
  for (std::uint32_t left = with_can_fork; left != 0;) {
    const int index = take_bit(left);
    SubsystemState& state =
        *proxy.states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed);
    if (Result<void> charged = subsystem(index).can_fork(state, parent); !charged) {
      uncharge(proxy, asked);
      return charged;
    }
    asked |= bit(index);
  }
  return {};
}

void GroupsImpl::uncharge(Proxy& proxy, std::uint32_t mask) {
  while (mask != 0) {
    const int index = take_last_bit(mask);
    if (subsystem(index).cancel_fork == nullptr) continue;
    subsystem(index).cancel_fork(
        *proxy.states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed));
  }
}

// Gives a task that nobody has seen yet its proxy, whose reference is the task's from now on.
void GroupsImpl::enter(Proxy& proxy, Task& task) {
  task.acquire();
  task.membership().exited = false;
  link(proxy, task);
  task.membership().proxy.store(&proxy, std::memory_order_release);
  for (std::uint32_t left = with_fork; left != 0;) {
    const int index = take_bit(left);
    subsystem(index).fork(
        *proxy.states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed), task);
  }
}

Result<void> Groups::adopt(Task& task, Group* group) {
  GroupsImpl::Writer writer(*impl_);
  if (GroupsImpl::proxy_of(task) != nullptr) return Errno{EBUSY};
  if (group != nullptr && !group->alive()) return Errno{ENODEV};
  Proxy* proxy = impl_->intern_root(group);
  if (Result<void> charged = impl_->charge(*proxy, task); !charged) {
    impl_->unref(proxy);
    return charged;
  }
  if (impl_->mirror != nullptr) {
    Group& mirrored = *proxy->members[GroupsImpl::kDefault].load(std::memory_order_relaxed);
    if (Result<void> placed = impl_->mirror->place(task.group(), mirrored); !placed) {
      impl_->uncharge(*proxy, impl_->with_can_fork);
      impl_->unref(proxy);
      return placed;
    }
  }
  impl_->enter(*proxy, task);
  return {};
}

Result<ForkMembership> Groups::begin_fork(Task& parent) {
  ForkMembership membership;
  GroupsImpl::Writer writer(*impl_);
  Proxy* proxy = GroupsImpl::proxy_of(parent);
  if (proxy == nullptr) return membership;
  if (parent.membership().exited) return Errno{ESRCH};
  if (Result<void> charged = impl_->charge(*proxy, parent); !charged) return charged.error();
  membership.groups_ = impl_.get();
  membership.pending_ = impl_->begin(*proxy, parent);
  return membership;
}

PendingFork* GroupsImpl::begin(Proxy& proxy, Task& parent) {
  PendingFork* fork = spare;
  if (fork != nullptr) {
    spare = fork->next;
  } else {
    fork = new PendingFork;
  }
  ++proxy.refs;
  ++proxy.pending;
  fork->proxy = &proxy;
  fork->process = &parent.group();
  fork->prev = nullptr;
  fork->next = pending;
  if (pending != nullptr) pending->prev = fork;
  pending = fork;
  return fork;
}

// The reference to the proxy becomes the caller's.
void GroupsImpl::forget(PendingFork* fork) {
  (fork->prev != nullptr ? fork->prev->next : pending) = fork->next;
  if (fork->next != nullptr) fork->next->prev = fork->prev;
  --fork->proxy->pending;
  fork->killed = false;
  fork->moved_to.clear();
  fork->next = spare;
  spare = fork;
}

void GroupsImpl::cancel(PendingFork* fork) {
  Proxy* proxy = fork->proxy;
  uncharge(*proxy, with_can_fork);
  forget(fork);
  for (const auto& member : proxy->members) {
    if (Group* group = member.load(std::memory_order_relaxed)) check_self_made(*group);
  }
  unref(proxy);
  end_hierarchies();
}

void Groups::publish_fork(ForkMembership membership, Task& child) {
  PendingFork* fork = std::exchange(membership.pending_, nullptr);
  if (fork == nullptr) return;
  GroupsImpl::Writer writer(*impl_);
  Proxy* proxy = fork->proxy;
  const bool killed = fork->killed;
  std::vector<GroupRef> moved_to;
  // The kernel has put the child where its parent was at the moment of the fork itself.
  const bool elsewhere = impl_->mirror != nullptr && !fork->moved_to.empty();
  // A thread follows its process, a child stays where its parent was.
  if (fork->process == &child.group()) moved_to.swap(fork->moved_to);
  impl_->forget(fork);
  ++proxy->forks;
  impl_->enter(*proxy, child);
  if (elsewhere && moved_to.empty()) {
    (void)impl_->mirror->place(
        child.group(), *proxy->members[GroupsImpl::kDefault].load(std::memory_order_relaxed));
  }
  for (const GroupRef& group : moved_to) {
    // A group that has gone, or that does not take it, leaves the thread where it is.
    if (group->alive()) (void)impl_->move(*group, std::vector<Ref<Task>>{Ref<Task>(child)});
  }
  if (killed) impl_->host.kill(child.group(), SIGKILL);
  impl_->end_hierarchies();
}

// The task is in no list of living ones any more.
void GroupsImpl::end(Proxy& proxy, Task& task) {
  for (std::uint32_t left = with_exit; left != 0;) {
    const int index = take_bit(left);
    subsystem(index).exit(
        *proxy.states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed), task);
  }
  unlink(proxy, task);
  link_zombie(proxy, task);
  task.membership().exited = true;
  if (!homes.empty()) forget_homes(task);
}

void Groups::exit(Task& task) {
  GroupsImpl::Writer writer(*impl_);
  Proxy* proxy = GroupsImpl::proxy_of(task);
  if (proxy != nullptr && !task.membership().exited) impl_->end(*proxy, task);
}

void Groups::release(Task& task) {
  GroupsImpl::Writer writer(*impl_);
  Proxy* proxy = GroupsImpl::proxy_of(task);
  if (proxy == nullptr) return;
  if (!task.membership().exited) impl_->end(*proxy, task);
  for (std::uint32_t left = impl_->with_release; left != 0;) {
    const int index = take_bit(left);
    impl_->subsystem(index).release(
        *proxy->states[static_cast<std::size_t>(index)].load(std::memory_order_relaxed), task);
  }
  impl_->unlink_zombie(*proxy, task);
  task.membership().proxy.store(nullptr, std::memory_order_release);
  impl_->unref(proxy);
  task.release();
}

}  // namespace warren
