#include "warren/pid_namespace.h"

#include <cerrno>

#include "kernel/core.h"
#include "kernel/objects.h"

namespace warren {

namespace kernel {

NamespaceImpl::NamespaceImpl(Core* core, NamespaceImpl* parent, std::uint64_t inode, Nr pid_max)
    : PidNamespace(Kind::kNamespace, core),
      depth(parent == nullptr ? 0 : parent->depth + 1),
      up(parent),
      inode_nr(inode),
      numbers(pid_max) {
  if (parent != nullptr) parent->acquire();
}

const NamespaceImpl* NamespaceImpl::ancestor_at(int level) const {
  if (level > depth) return nullptr;
  const NamespaceImpl* ns = this;
  while (ns->depth > level) ns = ns->up;
  return ns;
}

}  // namespace kernel

using kernel::impl;

int PidNamespace::level() const { return impl(this)->depth; }

Ref<PidNamespace> PidNamespace::parent() const { return Ref<PidNamespace>(impl(this)->up); }

bool PidNamespace::is_within(const PidNamespace& other) const {
  return impl(this)->within(impl(&other));
}

std::uint64_t PidNamespace::inode() const {
  return impl(this)->inode_nr.load(std::memory_order_relaxed);
}

void PidNamespace::set_inode(std::uint64_t inode) {
  impl(this)->inode_nr.store(inode, std::memory_order_relaxed);
}

Ref<ThreadGroup> PidNamespace::init() const {
  return kernel::load_ref<ThreadGroup>(impl(this)->child_reaper);
}

bool PidNamespace::has_init() const { return impl(this)->had_init.load(std::memory_order_acquire); }

bool PidNamespace::alive() const { return !impl(this)->disabled.load(std::memory_order_acquire); }

Nr PidNamespace::last_pid() const { return impl(this)->numbers.last(); }

Result<void> PidNamespace::set_last_pid(Nr nr) {
  kernel::NamespaceImpl* ns = impl(this);
  MutexLock lock(ns->core()->tasklist);
  if (nr < 0 || nr >= ns->numbers.pid_max()) return Errno{EINVAL};
  ns->numbers.set_last(nr, ns->core()->nodes);
  return {};
}

Nr PidNamespace::pid_max() const { return impl(this)->numbers.pid_max(); }

Result<void> PidNamespace::set_pid_max(Nr limit) {
  kernel::NamespaceImpl* ns = impl(this);
  MutexLock lock(ns->core()->tasklist);
  if (limit <= kReservedPids || limit > kPidMaxCeiling) return Errno{EINVAL};
  ns->numbers.set_pid_max(limit);
  return {};
}

int PidNamespace::nr_tasks() const { return impl(this)->own_tasks.load(std::memory_order_relaxed); }

int PidNamespace::nr_visible_tasks() const {
  return impl(this)->visible_tasks.load(std::memory_order_relaxed);
}

int PidNamespace::nr_pids() const { return impl(this)->numbers.used(); }

}  // namespace warren
