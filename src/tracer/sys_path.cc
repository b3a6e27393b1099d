// Calls with a path that may lead into /proc. The path is copied once; what is ordinary runs as it
// is, and what leads into /proc is answered from the guest's own view of it.
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "tracer/device_check.h"
#include "tracer/engine_view.h"
#include "tracer/guest_fd.h"
#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/procfs/serve.h"
#include "tracer/robust_list.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// A path argument that may lead into /proc, copied out of the guest.
class PathArgument {
 public:
  // False: nothing to be done, the call runs as it is. The kernel finds bad addresses and names
  // that are too long by itself.
  bool suspicious(SyscallContext& call, std::uint64_t address) {
    const auto length = call.memory().read_string(address, text_, sizeof text_);
    if (!length) return false;
    path_ = {text_, *length};
    if (!call.runtime().procfs().may_reach_proc(
            path_, has_flag(call.task().group(), ProcessFlag::kProcTainted))) {
      return false;
    }
    call.expect_delay();
    return true;
  }
  std::string_view path() const { return path_; }

 private:
  char text_[PATH_MAX];
  std::string_view path_;
};

procfs::Base base_of(const SyscallContext& call, int dirfd) { return {call.tid(), dirfd}; }

// Carries out what the view says, but for an answer of its own. True if that was all.
bool settled(SyscallContext& call, const procfs::Answer& answer) {
  if (answer.taints) call.runtime().agents().taint(call.task());
  switch (answer.action) {
    case procfs::Action::kContinue:
      call.run();
      return true;
    case procfs::Action::kError:
      call.answer(-answer.error);
      return true;
    case procfs::Action::kAnswer:
      return false;
  }
  return true;
}

void open_path(SyscallContext& call, int dirfd, std::uint64_t address, int flags, mode_t mode,
               std::uint64_t resolve) {
  if (!may_open_device(call, dirfd, address, flags, resolve)) return call.answer(-EPERM);
  PathArgument argument;
  if (!argument.suspicious(call, address)) return call.run();
  const EngineView view(call.runtime(), call.task());
  const Ref<PidNamespace> ns = view.ns();
  const procfs::Server::SysctlSetters setters{
      [ns](int nr) { (void)ns->set_last_pid(nr); },
      [ns](int limit) { (void)ns->set_pid_max(limit); },
  };
  auto answer = call.runtime().procfs().open(base_of(call, dirfd), argument.path(), flags, mode,
                                             resolve, view, &setters);
  if (settled(call, answer)) return;
  call.inject(std::move(answer.fd), flags & O_CLOEXEC);
}

}  // namespace

void sys_open(SyscallContext& call) {
  open_path(call, AT_FDCWD, call.arg(0), call.int_arg(1), static_cast<mode_t>(call.arg(2)), 0);
}

void sys_creat(SyscallContext& call) {
  open_path(call, AT_FDCWD, call.arg(0), O_CREAT | O_WRONLY | O_TRUNC,
            static_cast<mode_t>(call.arg(1)), 0);
}

void sys_openat(SyscallContext& call) {
  open_path(call, call.int_arg(0), call.arg(1), call.int_arg(2), static_cast<mode_t>(call.arg(3)),
            0);
}

void sys_openat2(SyscallContext& call) {
  const auto how = call.memory().read(RemotePtr<open_how>(call.arg(2)));
  if (!how || call.arg(3) < sizeof(open_how)) return call.run();
  open_path(call, call.int_arg(0), call.arg(1), static_cast<int>(how->flags),
            static_cast<mode_t>(how->mode), how->resolve);
}

namespace {

void stat_path(SyscallContext& call, int dirfd, std::uint64_t address, std::uint64_t buffer,
               int at_flags) {
  PathArgument argument;
  if (!argument.suspicious(call, address)) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().stat(base_of(call, dirfd), argument.path(), at_flags, view);
  if (settled(call, answer)) return;
  call.answer(call.memory().write(RemotePtr<struct stat>(buffer), answer.st) ? 0 : -EFAULT);
}

void access_path(SyscallContext& call, int dirfd, std::uint64_t address, int mode, int at_flags) {
  PathArgument argument;
  if (!argument.suspicious(call, address)) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().access(base_of(call, dirfd), argument.path(), mode, at_flags, view);
  if (!settled(call, answer)) call.answer(0);
}

void readlink_path(SyscallContext& call, int dirfd, std::uint64_t address, std::uint64_t buffer,
                   int size) {
  PathArgument argument;
  if (!argument.suspicious(call, address)) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer = call.runtime().procfs().readlink(base_of(call, dirfd), argument.path(), view);
  if (settled(call, answer)) return;
  if (size <= 0) return call.answer(-EINVAL);
  const std::size_t length = std::min(answer.text.size(), static_cast<std::size_t>(size));
  const auto written = call.memory().write_bytes(buffer, answer.text.data(), length);
  call.answer(written ? static_cast<long>(length) : -EFAULT);
}

}  // namespace

void sys_stat(SyscallContext& call) { stat_path(call, AT_FDCWD, call.arg(0), call.arg(1), 0); }

void sys_lstat(SyscallContext& call) {
  stat_path(call, AT_FDCWD, call.arg(0), call.arg(1), AT_SYMLINK_NOFOLLOW);
}

void sys_newfstatat(SyscallContext& call) {
  stat_path(call, call.int_arg(0), call.arg(1), call.arg(2), call.int_arg(3));
}

void sys_statx(SyscallContext& call) {
  PathArgument argument;
  if (!argument.suspicious(call, call.arg(1))) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().statx(base_of(call, call.int_arg(0)), argument.path(),
                                    call.int_arg(2), static_cast<unsigned>(call.arg(3)), view);
  if (settled(call, answer)) return;
  call.answer(call.memory().write(RemotePtr<struct statx>(call.arg(4)), answer.stx) ? 0 : -EFAULT);
}

void sys_access(SyscallContext& call) {
  access_path(call, AT_FDCWD, call.arg(0), call.int_arg(1), 0);
}

void sys_faccessat(SyscallContext& call) {
  access_path(call, call.int_arg(0), call.arg(1), call.int_arg(2), 0);
}

void sys_faccessat2(SyscallContext& call) {
  access_path(call, call.int_arg(0), call.arg(1), call.int_arg(2), call.int_arg(3));
}

void sys_readlink(SyscallContext& call) {
  readlink_path(call, AT_FDCWD, call.arg(0), call.arg(1), call.int_arg(2));
}

void sys_readlinkat(SyscallContext& call) {
  readlink_path(call, call.int_arg(0), call.arg(1), call.arg(2), call.int_arg(3));
}

namespace {

void list_directory(SyscallContext& call, procfs::DirentLayout layout) {
  // Who never had a directory of /proc cannot list one.
  if (!has_flag(call.task().group(), ProcessFlag::kProcTainted)) return call.run();
  call.expect_delay();
  const auto fd = guest_fd(call.tid(), call.int_arg(0));
  if (!fd) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto size = static_cast<unsigned>(call.arg(2));
  const auto answer = call.runtime().procfs().getdents(fd->get(), size, layout, view);
  if (settled(call, answer)) return;
  const auto written =
      call.memory().write_bytes(call.arg(1), answer.bytes.data(), answer.bytes.size());
  call.answer(written ? static_cast<long>(answer.bytes.size()) : -EFAULT);
}

}  // namespace

void sys_getdents(SyscallContext& call) { list_directory(call, procfs::DirentLayout::kDirent); }

void sys_getdents64(SyscallContext& call) { list_directory(call, procfs::DirentLayout::kDirent64); }

void sys_getcwd(SyscallContext& call) {
  if (!has_flag(call.task().group(), ProcessFlag::kProcTainted)) return call.run();
  call.expect_delay();
  const std::string link = "/proc/" + std::to_string(call.tid()) + "/cwd";
  char host[PATH_MAX];
  const ssize_t length = ::readlink(link.c_str(), host, sizeof host);
  if (length <= 0) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().getcwd({host, static_cast<std::size_t>(length)}, view);
  if (settled(call, answer)) return;
  // getcwd(2) of the kernel returns the length with the NUL.
  const std::size_t size = answer.text.size() + 1;
  if (size > call.arg(1)) return call.answer(-ERANGE);
  const auto written = call.memory().write_bytes(call.arg(0), answer.text.c_str(), size);
  call.answer(written ? static_cast<long>(size) : -EFAULT);
}

// The working directory really changes, to the host's directory of that name: the path is replaced
// by one on the stack.
void sys_chdir(SyscallContext& call) {
  PathArgument argument;
  if (!argument.suspicious(call, call.arg(0))) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().host_path(base_of(call, AT_FDCWD), argument.path(), {}, view);
  if (settled(call, answer)) return;
  if (call.postponed()) return;
  const std::size_t size = answer.text.size() + 1;
  const std::uint64_t copy = call.scratch(size);
  if (!call.memory().write_bytes(copy, answer.text.c_str(), size)) return call.answer(-EFAULT);
  call.set_arg(0, copy);
}

void sys_statfs(SyscallContext& call) {
  PathArgument argument;
  if (!argument.suspicious(call, call.arg(0))) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().host_path(base_of(call, AT_FDCWD), argument.path(), {}, view);
  if (settled(call, answer)) return;
  struct statfs fs;
  if (::statfs(answer.text.c_str(), &fs) != 0) return call.answer(-errno);
  call.answer(call.memory().write(RemotePtr<struct statfs>(call.arg(1)), fs) ? 0 : -EFAULT);
}

namespace {

// Calls that change what a path names, or watch it. Nothing below /proc can be made, removed or
// renamed, so of a path that leads there only the errors are left to tell; which object the host
// has under another's number is not for the guest.
void change_path(SyscallContext& call, int dirfd, std::uint64_t address) {
  PathArgument argument;
  if (!argument.suspicious(call, address)) return call.run();
  const EngineView view(call.runtime(), call.task());
  const procfs::ResolveOptions options{.follow_last = false};
  const auto answer =
      call.runtime().procfs().host_path(base_of(call, dirfd), argument.path(), options, view);
  if (settled(call, answer)) return;
  const int nr = call.nr();
  const bool makes = nr == SYS_mkdir || nr == SYS_mkdirat || nr == SYS_mknod || nr == SYS_mknodat;
  call.answer(makes ? -EEXIST : -EACCES);
}

}  // namespace

void sys_change_path(SyscallContext& call) {
  if (call.nr() == SYS_mknod &&
      !may_make_device(call, static_cast<mode_t>(call.arg(1)), call.arg(2))) {
    return call.answer(-EPERM);
  }
  change_path(call, AT_FDCWD, call.arg(0));
}

void sys_change_path_at(SyscallContext& call) {
  if (call.nr() == SYS_mknodat &&
      !may_make_device(call, static_cast<mode_t>(call.arg(2)), call.arg(3))) {
    return call.answer(-EPERM);
  }
  change_path(call, call.int_arg(0), call.arg(1));
}

void sys_watch_path(SyscallContext& call) { change_path(call, AT_FDCWD, call.arg(1)); }

namespace {

// A guest's own link into /proc: from now on its name is as suspicious as what it stands for.
void make_link(SyscallContext& call, std::uint64_t target, std::uint64_t link) {
  char target_text[PATH_MAX], link_text[PATH_MAX];
  if (call.memory().read_string(target, target_text, sizeof target_text) &&
      call.memory().read_string(link, link_text, sizeof link_text)) {
    if (call.runtime().procfs().learn_link(target_text, link_text)) {
      call.runtime().agents().ask_paths();
    }
  }
  call.run();
}

}  // namespace

void sys_symlink(SyscallContext& call) { make_link(call, call.arg(0), call.arg(1)); }

void sys_symlinkat(SyscallContext& call) { make_link(call, call.arg(0), call.arg(2)); }

namespace {

// An exec ends the caller's hold on robust mutexes like a death does. It must not be one that
// fails, so it is looked at before whether it is likely to.
void give_up_robust_mutexes(SyscallContext& call, int dirfd, std::uint64_t address) {
  if (!has_flag(call.task().group(), ProcessFlag::kSharesMemory)) return;
  if (!holds_robust_mutex(call.tid())) return;
  char path[PATH_MAX];
  if (!call.memory().read_string(address, path, sizeof path)) return;
  std::string base = "/proc/" + std::to_string(call.tid());
  base += dirfd == AT_FDCWD ? "/cwd" : "/fd/" + std::to_string(dirfd);
  const std::string host = path[0] == '/' ? std::string(path) : base + "/" + path;
  if (::access(host.c_str(), X_OK) == 0) mend_robust_list(call.tid(), call.task().vnr());
}

// A program named by a path in /proc: through "self" the kernel finds the right one by itself; by
// another's number it would find the host's process of that number.
void exec_path(SyscallContext& call, int dirfd, std::uint64_t address) {
  PathArgument argument;
  const bool suspicious = argument.suspicious(call, address);
  call.runtime().agents().exec(call.task(), argument.path());
  call.runtime().tracer().exec_begins(call.task());
  give_up_robust_mutexes(call, dirfd, address);
  if (!suspicious) return call.run();
  const EngineView view(call.runtime(), call.task());
  const auto answer =
      call.runtime().procfs().host_path(base_of(call, dirfd), argument.path(), {}, view);
  if (settled(call, answer)) return;
  if (::access(answer.text.c_str(), F_OK) != 0) return call.answer(-errno);
  call.answer(-EACCES);  // docs/compat.md
}

}  // namespace

void sys_execve(SyscallContext& call) { exec_path(call, AT_FDCWD, call.arg(0)); }

void sys_execveat(SyscallContext& call) {
  constexpr int kEmptyPath = 0x1000;  // AT_EMPTY_PATH
  if (call.int_arg(4) & kEmptyPath) {
    call.runtime().agents().exec(call.task(), {});
    call.runtime().tracer().exec_begins(call.task());
    return call.run();
  }
  exec_path(call, call.int_arg(0), call.arg(1));
}

}  // namespace warren
