#include "tracer/runtime.h"

#include <unistd.h>

#include "tracer/tracer.h"

namespace warren {

Runtime::Runtime(std::unique_ptr<Kernel> kernel, std::string name)
    : kernel_(std::move(kernel)),
      name_(std::move(name)),
      agents_(*this),
      agent_forks_(*this),
      reaped_(kReapedSlots) {}

Result<void> Runtime::start_groups(GroupMirror* mirror) {
  group_host_ = std::make_unique<TracerGroupHost>(*this, mirror);
  auto groups = Groups::create(*kernel_, *group_host_);
  if (!groups) return groups.error();
  groups_ = std::move(*groups);
  // Guests are the user's; what they may change is the user's to change.
  const GroupRef root = groups_->default_root();
  return groups_->set_attributes(*root, {}, {.uid = getuid(), .gid = getgid()});
}

Result<GroupMounts*> Runtime::group_mounts() {
  const std::lock_guard lock(mounts_mutex_);
  if (!mounts_) {
    // Those that serve file systems have other descriptors than who watches for news. Not by the
    // tracer, which may be waiting for one of the file systems.
    auto news = std::make_unique<Errand>([this] { tracer_->take_in_newborn(); });
    auto made =
        GroupMounts::create(*groups_, [this, news = news.get()](pid_t host, uid_t uid, gid_t gid) {
          if (untraced_) news->run();
          return known_group_caller(host, uid, gid);
        });
    if (!made) return made.error();
    news->start();
    news_for_mounts_ = std::move(news);
    mounts_ = std::move(*made);
  }
  return mounts_.get();
}

GroupMounts* Runtime::made_group_mounts() {
  const std::lock_guard lock(mounts_mutex_);
  return mounts_.get();
}

void Runtime::stop_groups() {
  std::unique_ptr<Errand> news;
  std::unique_ptr<GroupMounts> mounts;  // goes before what it asks
  {
    const std::lock_guard lock(mounts_mutex_);
    news = std::move(news_for_mounts_);
    mounts = std::move(mounts_);
  }
  mounts.reset();
  news.reset();
  group_host_->stop();
}

GroupCaller Runtime::group_caller(pid_t host, uid_t uid, gid_t gid) const {
  // Whatever it asks for is to be of all tasks that there are now.
  tracer_->take_in_newborn();
  return known_group_caller(host, uid, gid);
}

GroupCaller Runtime::known_group_caller(pid_t host, uid_t uid, gid_t gid) const {
  GroupCaller caller{.uid = uid, .gid = gid};
  caller.task = task_of(host);
  if (caller.task) caller.ns = caller.task->ns();
  return caller;
}

Ref<Task> Runtime::task_of(pid_t host) const { return kernel_->find_task(kernel_->root(), host); }

pid_t Runtime::to_host(const PidNamespace& viewer, Nr nr) const {
  if (nr <= 0) return 0;
  const ReadSection section;
  const Pid* pid = kernel_->lookup_pid(viewer, nr, section);
  return pid && pid->in_use(PidType::kPid) ? pid->level0() : 0;
}

Nr Runtime::to_guest(const PidNamespace& viewer, pid_t host) const {
  if (host <= 0) return 0;
  const ReadSection section;
  const Pid* pid = kernel_->lookup_pid(kernel_->root(), host, section);
  return pid ? pid->nr_in(viewer) : 0;
}

void Runtime::remember_reaped(const ThreadGroup& process) {
  const pid_t host = process.level0();
  const std::lock_guard lock(reaped_mutex_);
  reaped_[static_cast<std::size_t>(host) % kReapedSlots] = {
      host, process.exit_signal(), process.pid(), std::chrono::steady_clock::now()};
}

bool Runtime::reaped_lately(pid_t host) const {
  constexpr auto kLately = std::chrono::seconds(1);
  const std::lock_guard lock(reaped_mutex_);
  const Reaped& slot = reaped_[static_cast<std::size_t>(host) % kReapedSlots];
  return slot.host == host && std::chrono::steady_clock::now() - slot.when < kLately;
}

bool Runtime::tells_of_child(const siginfo_t& info) const {
  if (info.si_code < CLD_EXITED || info.si_code > CLD_CONTINUED) return false;
  if (info.si_signo == SIGCHLD) return true;
  if (info.si_pid <= 0) return false;
  if (const Ref<ThreadGroup> child = kernel_->find_group(kernel_->root(), info.si_pid)) {
    return child->exit_signal() == info.si_signo;
  }
  const std::lock_guard lock(reaped_mutex_);
  const Reaped& slot = reaped_[static_cast<std::size_t>(info.si_pid) % kReapedSlots];
  return slot.host == info.si_pid && slot.exit_signal == info.si_signo;
}

Nr Runtime::to_guest_or_reaped(const PidNamespace& viewer, pid_t host) const {
  bool known = false;
  return to_guest_or_reaped(viewer, host, &known);
}

Nr Runtime::to_guest_or_reaped(const PidNamespace& viewer, pid_t host, bool* known) const {
  *known = true;
  if (Nr nr = to_guest(viewer, host)) return nr;
  if (host > 0) {
    const std::lock_guard lock(reaped_mutex_);
    const Reaped& slot = reaped_[static_cast<std::size_t>(host) % kReapedSlots];
    if (slot.host == host) return slot.pid->nr_in(viewer);
  }
  const ReadSection section;
  *known = kernel_->lookup_pid(kernel_->root(), host, section) != nullptr;
  return 0;
}

}  // namespace warren
