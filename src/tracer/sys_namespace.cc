// PID namespaces from inside: unshare(2), setns(2), ioctl_ns(2).
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "tracer/fork.h"
#include "tracer/guest_fd.h"
#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"

#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(NSIO, 0x6, int)
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int)
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#define NS_GET_TGID_IN_PIDNS _IOR(NSIO, 0x9, int)
#endif

namespace warren {

namespace {

// Those that are warren's to give.
constexpr std::uint64_t kOwnNamespaces = CLONE_NEWPID | CLONE_NEWUTS;

// 0, or -errno.
long unshare_own(Runtime& runtime, Task& task, std::uint64_t flags) {
  if (flags & CLONE_NEWPID) {
    if (auto r = runtime.kernel().unshare_pid(task); !r) return -r.error_code();
  }
  const auto r = begin_own_groups(runtime.groups(), task, flags);
  // A pid namespace does without a group of its own; the names are the group's.
  return r || !(flags & CLONE_NEWUTS) ? 0 : -r.error_code();
}

}  // namespace

void sys_unshare(SyscallContext& call) {
  const std::uint64_t flags = call.arg(0);
  const std::uint64_t others = flags & ~kOwnNamespaces;
  if (others == 0) {
    call.answer(unshare_own(call.runtime(), call.task(), flags));
    return;
  }
  // What else is asked for is the host's to give or refuse; the namespaces come only with it.
  call.set_arg(0, others);
  call.run_then([flags](FinishedCall& done) {
    if (done.result() != 0) return;
    done.set_result(unshare_own(done.runtime(), done.task(), flags));
  });
}

void sys_setns(SyscallContext& call) {
  const int type = call.int_arg(1);
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  if (!fd) {
    call.answer(-EBADF);
    return;
  }
  if (const Ref<PidNamespace> ns = call.runtime().namespace_files().find(fd->get())) {
    if (type != 0 && type != CLONE_NEWPID) {
      call.answer(-EINVAL);
      return;
    }
    const auto r = call.runtime().kernel().setns_pid(call.task(), *ns);
    call.answer(r ? 0 : -r.error_code());
    return;
  }
  const auto host = pidfd_target(fd->get());
  if (!host || (type & CLONE_NEWPID) == 0) {
    call.run();
    return;
  }
  // A pidfd: the namespaces of that process (setns(2)).
  const Ref<Task> target = call.runtime().task_of(*host);
  const int others = type & ~CLONE_NEWPID;
  if (!target) {
    call.answer(-ESRCH);
    return;
  }
  const Ref<PidNamespace> ns = target->ns();
  if (others == 0) {
    const auto r = call.runtime().kernel().setns_pid(call.task(), *ns);
    call.answer(r ? 0 : -r.error_code());
    return;
  }
  call.set_arg(1, static_cast<std::uint64_t>(others));
  call.run_then([ns](FinishedCall& done) {
    if (done.result() != 0) return;
    const auto r = done.runtime().kernel().setns_pid(done.task(), *ns);
    if (!r) done.set_result(-r.error_code());
  });
}

namespace {

// NS_GET_PID_FROM_PIDNS and its kin: the number is the argument itself.
long translate_between(SyscallContext& call, const PidNamespace& there, std::uint32_t request) {
  const PidNamespace& here = *call.task().ns();
  const auto nr = static_cast<Nr>(call.arg(2));
  const bool from = request == NS_GET_PID_FROM_PIDNS || request == NS_GET_TGID_FROM_PIDNS;
  const Ref<Task> task = call.runtime().kernel().find_task(from ? there : here, nr);
  if (!task) return -ESRCH;
  const PidNamespace& to = from ? here : there;
  const bool process = request == NS_GET_TGID_FROM_PIDNS || request == NS_GET_TGID_IN_PIDNS;
  const Nr result = process ? task->group().nr_in(to) : task->nr_in(to);
  return result != 0 ? result : -ESRCH;
}

}  // namespace

void sys_ioctl_namespace(SyscallContext& call) {
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  const Ref<PidNamespace> ns = fd ? call.runtime().namespace_files().find(fd->get()) : nullptr;
  if (!ns) {
    call.run();  // a namespace of the host, or no namespace
    return;
  }
  const auto request = static_cast<std::uint32_t>(call.arg(1));
  switch (request) {
    case NS_GET_PARENT: {
      // ioctl_ns(2), EPERM: the parent is outside the caller's namespace.
      if (!ns->is_within(*call.task().ns()) || ns == &*call.task().ns()) {
        call.answer(-EPERM);
        return;
      }
      auto parent = call.runtime().namespace_files().open(ns->parent());
      if (!parent) {
        call.answer(-parent.error_code());
        return;
      }
      call.inject(std::move(*parent), O_CLOEXEC);
      return;
    }
    case NS_GET_NSTYPE:
      call.answer(CLONE_NEWPID);
      return;
    case NS_GET_USERNS:
      // The owner is the host's user namespace, which the caller is not above of.
      call.answer(-EPERM);
      return;
    case NS_GET_PID_FROM_PIDNS:
    case NS_GET_TGID_FROM_PIDNS:
    case NS_GET_PID_IN_PIDNS:
    case NS_GET_TGID_IN_PIDNS:
      call.answer(translate_between(call, *ns, request));
      return;
    default:
      call.answer(-ENOTTY);
      return;
  }
}

}  // namespace warren
