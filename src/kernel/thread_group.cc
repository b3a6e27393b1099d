#include "kernel/core.h"
#include "kernel/objects.h"
#include "warren/task.h"

namespace warren {

namespace kernel {

GroupImpl::GroupImpl(Core* core, PidImpl* pid) : ThreadGroup(Kind::kGroup, core), identity(pid) {
  pid->acquire();
}

}  // namespace kernel

using kernel::impl;
using kernel::load_ref;
using kernel::RcuGuard;

Ref<Task> ThreadGroup::leader() const { return load_ref<Task>(impl(this)->head); }

Ref<Pid> ThreadGroup::pid() const { return Ref<Pid>(impl(this)->identity); }

Nr ThreadGroup::nr_in(const PidNamespace& ns) const { return impl(this)->identity->nr_in(ns); }

Nr ThreadGroup::vnr() const { return impl(this)->identity->vnr(); }

Nr ThreadGroup::level0() const { return impl(this)->identity->level0(); }

Ref<PidNamespace> ThreadGroup::ns() const { return impl(this)->identity->ns(); }

Ref<ThreadGroup> ThreadGroup::parent() const { return load_ref<ThreadGroup>(impl(this)->father); }

Nr ThreadGroup::parent_nr_in(const PidNamespace& ns) const {
  RcuGuard guard;
  const kernel::GroupImpl* father = impl(this)->father.load(std::memory_order_acquire);
  return father == nullptr ? 0 : father->identity->nr(impl(&ns));
}

Ref<Pid> ThreadGroup::pgid() const { return load_ref<Pid>(impl(this)->pgrp); }

Ref<Pid> ThreadGroup::sid() const { return load_ref<Pid>(impl(this)->session); }

Nr ThreadGroup::pgid_nr_in(const PidNamespace& ns) const {
  RcuGuard guard;
  return impl(this)->pgrp.load(std::memory_order_acquire)->nr(impl(&ns));
}

Nr ThreadGroup::sid_nr_in(const PidNamespace& ns) const {
  RcuGuard guard;
  return impl(this)->session.load(std::memory_order_acquire)->nr(impl(&ns));
}

bool ThreadGroup::is_init() const {
  return impl(this)->founded.load(std::memory_order_acquire) != 0;
}

bool ThreadGroup::is_session_leader() const {
  return impl(this)->leads_session.load(std::memory_order_acquire);
}

bool ThreadGroup::is_child_subreaper() const {
  return impl(this)->subreaper.load(std::memory_order_acquire);
}

bool ThreadGroup::did_exec() const { return impl(this)->execed.load(std::memory_order_acquire); }

GroupState ThreadGroup::state() const { return impl(this)->life.load(std::memory_order_acquire); }

int ThreadGroup::exit_status() const { return impl(this)->status.load(std::memory_order_acquire); }

int ThreadGroup::exit_signal() const {
  return impl(this)->end_signal.load(std::memory_order_acquire);
}

std::vector<Ref<ThreadGroup>> ThreadGroup::children(std::size_t limit) const noexcept {
  MutexLock lock(impl(this)->core()->tasklist);
  std::vector<Ref<ThreadGroup>> all;
  for (kernel::GroupImpl& child : impl(this)->child_list) {
    if (all.size() == limit) break;
    all.emplace_back(&child);
  }
  return all;
}

std::vector<Ref<Task>> ThreadGroup::threads() const noexcept {
  MutexLock lock(impl(this)->core()->tasklist);
  std::vector<Ref<Task>> all;
  for (kernel::TaskImpl& task : impl(this)->thread_list) all.emplace_back(&task);
  return all;
}

int ThreadGroup::nr_threads() const {
  return impl(this)->live_threads.load(std::memory_order_acquire);
}

void* ThreadGroup::data() const { return impl(this)->embedder.load(std::memory_order_acquire); }

void ThreadGroup::set_data(void* data) {
  impl(this)->embedder.store(data, std::memory_order_release);
}

}  // namespace warren
