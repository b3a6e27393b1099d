#include "warren/pid.h"

#include <new>

#include "kernel/core.h"
#include "kernel/objects.h"

namespace warren {

namespace kernel {

PidImpl::PidImpl(Core* core, int level) : Pid(Kind::kPid, core) {
  NumberArray* array = new (built_in()) NumberArray{level};
  tuple.store(array, std::memory_order_relaxed);
}

Nr PidImpl::nr(const NamespaceImpl* ns) const { return array()->nr_in(ns, ns->depth); }

}  // namespace kernel

using kernel::impl;
using kernel::RcuGuard;

Nr Pid::nr_in(const PidNamespace& ns) const {
  RcuGuard guard;
  return impl(this)->nr(impl(&ns));
}

Nr Pid::vnr() const {
  RcuGuard guard;
  const kernel::NumberArray* array = impl(this)->array();
  return array->upids()[array->level].nr;
}

Nr Pid::level0() const {
  RcuGuard guard;
  return impl(this)->array()->upids()[0].nr;
}

int Pid::level() const {
  RcuGuard guard;
  return impl(this)->array()->level;
}

Ref<PidNamespace> Pid::ns() const {
  RcuGuard guard;
  while (true) {
    kernel::NamespaceImpl* ns = impl(this)->own_ns();
    if (ns->try_acquire()) return Ref<PidNamespace>::adopt(ns);
  }
}

std::vector<Nr> Pid::numbers() const noexcept {
  RcuGuard guard;
  const kernel::NumberArray* array = impl(this)->array();
  std::vector<Nr> all;
  all.reserve(static_cast<std::size_t>(array->level) + 1);
  for (int i = 0; i <= array->level; ++i) all.push_back(array->upids()[i].nr);
  return all;
}

Ref<Task> Pid::task() const { return kernel::load_ref<Task>(impl(this)->task); }

Ref<ThreadGroup> Pid::group() const { return kernel::load_ref<ThreadGroup>(impl(this)->group); }

bool Pid::in_use(PidType type) const {
  const kernel::PidImpl* pid = impl(this);
  MutexLock lock(pid->core()->tasklist);
  switch (type) {
    case PidType::kPid:
      return pid->task.load(std::memory_order_relaxed) != nullptr;
    case PidType::kTgid:
      return pid->group.load(std::memory_order_relaxed) != nullptr;
    case PidType::kPgid:
      return !pid->pgid_members.empty();
    case PidType::kSid:
      return !pid->sid_members.empty();
  }
  return false;
}

}  // namespace warren
