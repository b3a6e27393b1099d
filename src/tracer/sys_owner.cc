// Descriptors that name a task: owners of files and terminals, peers of sockets, holders of locks.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

#include "tracer/guest_fd.h"
#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#endif
#ifndef F_SETOWN_EX
#define F_SETOWN_EX 15
#define F_GETOWN_EX 16
struct f_owner_ex {
  int type;
  pid_t pid;
};
#endif

namespace warren {

namespace {

// An owner is sent any signal (F_SETSIG), with nobody to look whether an init has a handler for it.
void trace_inits(SyscallContext& call) {
  for (Ref<PidNamespace> ns = call.task().ns(); ns; ns = ns->parent()) {
    const Ref<ThreadGroup> init = ns->init();
    if (init && has_flag(*init, ProcessFlag::kLeftInit)) call.runtime().tracer().trace(*init);
  }
}

// A guest's owner (a process, or -group) as the host's; 0 stays. Unknown: a number nobody has.
int owner_to_host(SyscallContext& call, int owner) {
  if (owner == 0 || owner == INT_MIN) return owner;
  trace_inits(call);
  const Ref<Pid> pid =
      call.runtime().kernel().find_pid(*call.task().ns(), owner > 0 ? owner : -owner);
  const int host = pid ? pid->level0() : INT_MAX;
  return owner > 0 ? host : -host;
}

long owner_to_guest(FinishedCall& done, long owner) {
  const PidNamespace& ns = *done.task().ns();
  return owner >= 0 ? done.runtime().to_guest_or_reaped(ns, static_cast<pid_t>(owner))
                    : -static_cast<long>(
                          done.runtime().to_guest_or_reaped(ns, static_cast<pid_t>(-owner)));
}

// A number in memory, to be translated for the guest after the call; the address is the argument.
void number_comes_back(SyscallContext& call, int argument, bool group_is_negative) {
  call.run_then([argument, group_is_negative](FinishedCall& done) {
    if (done.result() != 0) return;
    const RemotePtr<int> at(done.arg(argument));
    const auto host = done.memory().read(at);
    if (!host) return;
    const long nr = group_is_negative ? owner_to_guest(done, *host)
                                      : done.runtime().to_guest_or_reaped(*done.task().ns(), *host);
    (void)done.memory().write(at, static_cast<int>(nr));
  });
}

// A number in memory, to be translated for the host before the call: a copy is made on the stack.
void number_goes_in(SyscallContext& call, int argument) {
  const auto nr = call.memory().read(RemotePtr<int>(call.arg(argument)));
  if (!nr) {
    call.run();  // the kernel says EFAULT, or first something else
    return;
  }
  const std::uint64_t copy = call.scratch(sizeof(int));
  if (!call.memory().write(RemotePtr<int>(copy), owner_to_host(call, *nr))) {
    call.answer(-EFAULT);
    return;
  }
  call.set_arg(argument, copy);
}

void set_owner_ex(SyscallContext& call) {
  auto owner = call.memory().read(RemotePtr<f_owner_ex>(call.arg(2)));
  if (!owner) {
    call.run();
    return;
  }
  if (owner->pid > 0) owner->pid = owner_to_host(call, owner->pid);
  const std::uint64_t copy = call.scratch(sizeof(f_owner_ex));
  if (!call.memory().write(RemotePtr<f_owner_ex>(copy), *owner)) {
    call.answer(-EFAULT);
    return;
  }
  call.set_arg(2, copy);
}

constexpr std::uint64_t kOwnerExPid = offsetof(f_owner_ex, pid);
constexpr std::uint64_t kFlockType = offsetof(struct flock, l_type);
constexpr std::uint64_t kFlockPid = offsetof(struct flock, l_pid);

void finish_getlk(FinishedCall& done) {
  if (done.result() != 0) return;
  const auto type = done.memory().read(RemotePtr<short>(done.arg(2) + kFlockType));
  if (!type || *type == F_UNLCK) return;
  const RemotePtr<int> at(done.arg(2) + kFlockPid);
  const auto host = done.memory().read(at);
  // -1: the lock belongs to an open file description, not to a process.
  if (!host || *host <= 0) return;
  (void)done.memory().write(at, done.runtime().to_guest_or_reaped(*done.task().ns(), *host));
}

// Shells ask whatever is their standard error; of what is no terminal, the kernel knows no number.
bool is_terminal(SyscallContext& call) {
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  if (!fd) return fd.error_code() != EBADF;
  struct stat st;
  if (fstat(fd->get(), &st) == 0 && !S_ISCHR(st.st_mode)) return false;
  return isatty(fd->get()) == 1 || errno != ENOTTY;
}

}  // namespace

void sys_fcntl(SyscallContext& call) {
  switch (call.int_arg(1)) {
    case F_SETOWN:
      call.set_arg(2, static_cast<std::uint64_t>(
                          static_cast<std::int64_t>(owner_to_host(call, call.int_arg(2)))));
      break;
    case F_GETOWN:
      // The raw call returns -group for a group, so small negative numbers are owners, not errors,
      // unless the descriptor is bad.
      call.run_then([](FinishedCall& done) {
        if (done.result() != -EBADF) done.set_result(owner_to_guest(done, done.result()));
      });
      break;
    case F_SETOWN_EX:
      set_owner_ex(call);
      break;
    case F_GETOWN_EX:
      call.run_then([](FinishedCall& done) {
        if (done.result() != 0) return;
        const RemotePtr<int> at(done.arg(2) + kOwnerExPid);
        const auto host = done.memory().read(at);
        if (host)
          (void)done.memory().write(at,
                                    done.runtime().to_guest_or_reaped(*done.task().ns(), *host));
      });
      break;
    default:  // F_GETLK, F_OFD_GETLK
      call.run_then(finish_getlk);
      break;
  }
}

void sys_ioctl_pid(SyscallContext& call) {
  const auto command = static_cast<std::uint32_t>(call.arg(1));
  if ((command == TIOCGPGRP || command == TIOCGSID || command == TIOCSPGRP) && call.postponed()) {
    if (!is_terminal(call)) call.run();
    return;
  }
  switch (command) {
    case TIOCGPGRP:
    case TIOCGSID:
      number_comes_back(call, 2, false);
      break;
    case FIOGETOWN:
    case SIOCGPGRP:
      number_comes_back(call, 2, true);
      break;
    default:  // TIOCSPGRP, FIOSETOWN, SIOCSPGRP
      number_goes_in(call, 2);
      break;
  }
}

// SO_PEERCRED: the supervisor asks on the guest's socket, and the kernel gives it host numbers.
void sys_getsockopt(SyscallContext& call) {
  const RemotePtr<socklen_t> length_at(call.arg(4));
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  const auto length = call.memory().read(length_at);
  if (!fd || !length || static_cast<int>(*length) < 0) {
    call.run();  // the kernel says what is wrong
    return;
  }
  ucred credentials{};
  socklen_t got = std::min<socklen_t>(*length, sizeof credentials);
  if (getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &credentials, &got) != 0) {
    call.answer(-errno);
    return;
  }
  const Ref<PidNamespace> ns = call.task().ns();
  credentials.pid = call.runtime().to_guest_or_reaped(*ns, credentials.pid);
  const bool written = call.memory().write_bytes(call.arg(3), &credentials, got).ok() &&
                       call.memory().write(length_at, got).ok();
  call.answer(written ? 0 : -EFAULT);
}

}  // namespace warren
