// Descriptors of processes: pidfd_send_signal(2), pidfd_getfd(2). pidfd_open(2) is sys_pid_arg0.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "inject/layout.h"
#include "tracer/guest_fd.h"
#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/sent_signal.h"
#include "tracer/signal_permission.h"
#include "tracer/syscall_context.h"

namespace warren {

namespace {

bool names_caller(int fd) {
  return fd == WARREN_PIDFD_SELF_THREAD || fd == WARREN_PIDFD_SELF_THREAD_GROUP;
}

}  // namespace

void sys_pidfd_send_signal(SyscallContext& call) {
  const int signal = call.int_arg(1);
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  if (call.int_arg(3) != 0) {
    call.answer(-EINVAL);
    return;
  }
  if (names_caller(call.int_arg(0))) {
    // The kernel knows whether there is such a descriptor; a thread sends itself what is for it.
    ThreadGroup& process = call.task().group();
    if ((signal == SIGKILL || signal == SIGSTOP) && Kernel::init_protected(&call.task(), process)) {
      call.answer(0);
      return;
    }
    trace_receiver(call.runtime(), process, call.tid(), signal);
    call.run();
    return;
  }
  if (!fd) {
    call.answer(-EBADF);
    return;
  }
  const auto host = pidfd_target(fd->get());
  if (!host) {
    call.answer(-host.error_code());
    return;
  }
  const Ref<Task> target = call.runtime().task_of(*host);
  if (!target || target->nr_in(*call.task().ns()) == 0) {
    // pidfd_send_signal(2): the target is not in the caller's namespace or one below. A pidfd of a
    // process that has been reaped still shows its number; then nobody has it any more.
    call.answer(kill(*host, 0) != 0 && errno == ESRCH ? -ESRCH : -EINVAL);
    return;
  }
  if (const int error = check_signal_permission(call.tid(), *host, signal)) {
    call.answer(-error);
    return;
  }
  if ((signal == SIGKILL || signal == SIGSTOP) &&
      Kernel::init_protected(&call.task(), target->group())) {
    call.answer(0);
    return;
  }
  if (call.arg(2) == 0) {
    const Nr sender = call.task().group().nr_in(*target->ns());
    if (signal < 0 || signal > 64) {
      call.answer(-EINVAL);
      return;
    }
    trace_receiver(call.runtime(), target->group(), 0, signal);
    call.answer(sent_signal::send(*host, 0, signal, SI_USER, sender, real_uid_of(call.tid())));
    return;
  }
  siginfo_t info;
  if (!call.memory().read_bytes(call.arg(2), &info, sizeof info)) {
    call.answer(-EFAULT);
    return;
  }
  if (info.si_signo != signal) {
    call.answer(-EINVAL);
    return;
  }
  const bool self = target->group().level0() == call.task().group().level0();
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && !self) {
    call.answer(-EPERM);
    return;
  }
  trace_init_receiver(call.runtime(), target->group(), 0, signal);
  const long r = syscall(SYS_pidfd_send_signal, fd->get(), signal, &info, 0);
  call.answer(r == 0 ? 0 : -errno);
}

// The host's kernel checks the right to it; what may not be touched is a process outside, which a
// guest could hold a pidfd of only by having been given it.
void sys_pidfd_getfd(SyscallContext& call) {
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  if (!fd) {
    call.answer(-EBADF);
    return;
  }
  const auto host = pidfd_target(fd->get());
  if (host && !call.runtime().task_of(*host)) {
    call.answer(-EPERM);
    return;
  }
  call.run();
}

}  // namespace warren
