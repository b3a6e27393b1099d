#include "warren/task.h"

#include "kernel/core.h"
#include "kernel/objects.h"

namespace warren {

namespace kernel {

TaskImpl::TaskImpl(Core* core, GroupImpl* group, PidImpl* pid, NamespaceImpl* for_children)
    : Task(Kind::kTask, core), thread_group(group), identity(pid), ns_for_children(for_children) {
  group->acquire();
  pid->acquire();
  for_children->acquire();
}

}  // namespace kernel

using kernel::impl;
using kernel::load_ref;
using kernel::RcuGuard;

ThreadGroup& Task::group() const { return *impl(this)->thread_group; }

Ref<Pid> Task::pid() const { return load_ref<Pid>(impl(this)->identity); }

Nr Task::nr_in(const PidNamespace& ns) const {
  RcuGuard guard;
  return impl(this)->nr(impl(&ns));
}

Nr Task::vnr() const {
  RcuGuard guard;
  return impl(this)->identity.load(std::memory_order_acquire)->vnr();
}

Nr Task::level0() const {
  RcuGuard guard;
  return impl(this)->identity.load(std::memory_order_acquire)->level0();
}

std::vector<Nr> Task::numbers() const noexcept {
  RcuGuard guard;
  return impl(this)->identity.load(std::memory_order_acquire)->numbers();
}

Ref<PidNamespace> Task::ns() const {
  RcuGuard guard;
  return impl(this)->identity.load(std::memory_order_acquire)->ns();
}

Ref<PidNamespace> Task::pid_ns_for_children() const {
  return load_ref<PidNamespace>(impl(this)->ns_for_children);
}

bool Task::is_leader() const {
  return impl(this)->thread_group->head.load(std::memory_order_acquire) == impl(this);
}

bool Task::alive() const { return impl(this)->running.load(std::memory_order_acquire); }

int Task::exit_signal() const { return impl(this)->thread_group->exit_signal(); }

void* Task::data() const { return impl(this)->embedder.load(std::memory_order_acquire); }

void Task::set_data(void* data) { impl(this)->embedder.store(data, std::memory_order_release); }

Membership& Task::membership() const { return impl(const_cast<Task*>(this))->groups; }

}  // namespace warren
