// Numbers of a Pid at all its levels: reserved, published, freed.
#include <cerrno>

#include "kernel/core.h"

namespace warren::kernel {
namespace {

// One level of reserve_numbers(). `wanted` is null when any number will do.
int reserve_one(NamespaceImpl* ns, const Nr* wanted, PidNodePool& nodes, Nr* nr) {
  if (ns->disabled.load(std::memory_order_relaxed)) return ENOMEM;
  if (ns->child_reaper.load(std::memory_order_relaxed) == nullptr) {
    // clone3(2): before there is an init, only number 1 can be asked for.
    if (wanted != nullptr && *wanted != 1) return EINVAL;
    *nr = 1;
    const int error = ns->numbers.take(1, nodes);
    if (error == 0) ns->numbers.set_last(1, nodes);
    return error == EEXIST ? ENOMEM : error;  // the first task is reserved, but not there yet
  }
  if (wanted != nullptr) {
    *nr = *wanted;
    return ns->numbers.take(*wanted, nodes);
  }
  const Nr given = ns->numbers.allocate(nodes);
  if (given < 0) return ENOMEM;
  *nr = given;
  return given == 0 ? EAGAIN : 0;
}

}  // namespace

int Core::reserve_numbers(NamespaceImpl* ns, std::span<const Nr> set_tid, PidImpl* pid) {
  Upid* upids = pid->built_in()->upids();
  const int level = ns->depth;
  NamespaceImpl* at = ns;
  ns->acquire();
  for (int i = level; i >= 0; --i, at = at->up) upids[i] = Upid{at, 0};

  if (set_tid.size() > static_cast<std::size_t>(level) + 1) return EINVAL;
  if (pinned && set_tid.size() == static_cast<std::size_t>(level) + 1) return EPERM;
  const int lowest = pinned ? 1 : 0;
  int error = pinned && root->disabled.load(std::memory_order_relaxed) ? ENOMEM : 0;
  int i = level;
  for (; i >= lowest && error == 0; --i) {
    const auto index = static_cast<std::size_t>(level - i);
    const Nr* wanted = index < set_tid.size() ? &set_tid[index] : nullptr;
    error = reserve_one(upids[i].ns, wanted, nodes, &upids[i].nr);
    if (error != 0) {
      upids[i].nr = 0;
    } else {
      ++upids[i].ns->reservations;
    }
  }
  if (error != 0) cancel_numbers(pid);
  return error;
}

void Core::cancel_numbers(PidImpl* pid, bool seen) {
  NumberArray* array = pid->built_in();
  for (int i = 0; i <= array->level; ++i) {
    Upid& upid = array->upids()[i];
    if (upid.nr == 0) continue;
    // If nobody has seen the number, and none was given since, the next child may have it (Linux
    // refuses most forks before it takes one).
    if (!seen && upid.ns->numbers.last() == upid.nr) upid.ns->numbers.set_last(upid.nr - 1, nodes);
    upid.ns->numbers.release(upid.nr, nodes);
    --upid.ns->reservations;
    upid.nr = 0;
  }
}

void Core::publish_numbers(PidImpl* pid) {
  pid->published = true;
  NumberArray* array = pid->built_in();
  for (int i = 0; i <= array->level; ++i) {
    const Upid& upid = array->upids()[i];
    upid.ns->numbers.publish(upid.nr, pid);
    if (i > 0 || !pinned) --upid.ns->reservations;
  }
}

void Core::free_if_unused(PidImpl* pid) {
  if (pid->unused()) free_numbers(pid);
}

void Core::free_numbers(PidImpl* pid) {
  const NumberArray* array = pid->array();
  for (int i = 0; i <= array->level; ++i) {
    const Upid& upid = array->upids()[i];
    // At a pinned level 0 somebody else may have the number by now.
    if (upid.ns->numbers.owner(upid.nr) == pid) upid.ns->numbers.release(upid.nr, nodes);
  }
  pid->published = false;
  pid->freed_while_dying = pid->refs_.load(std::memory_order_relaxed) == 0;
}

int Core::claim_level0(Nr nr) {
  if (PidImpl* old = root->numbers.lookup(nr)) {
    GroupImpl* group = old->group.load(std::memory_order_relaxed);
    if (group != nullptr && group->life.load(std::memory_order_relaxed) == GroupState::kZombie) {
      reap(group);
    }
  }
  if (PidImpl* old = root->numbers.lookup(nr)) {
    // Still the name of a process group or session here, though the host has given it away.
    root->numbers.release(nr, nodes);
    old->freed_while_dying = old->refs_.load(std::memory_order_relaxed) == 0;
  }
  return root->numbers.take_any(nr, nodes);
}

}  // namespace warren::kernel
