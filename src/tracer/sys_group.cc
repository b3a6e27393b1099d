// Calls that task groups have a say in: processors, host names, device nodes, mounts of
// hierarchies.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tracer/cpu_mask.h"
#include "tracer/device_check.h"
#include "tracer/engine_view.h"
#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "warren/device_access.h"
#include "warren/uts_names.h"

namespace warren {

namespace {

// As many bytes of a mask as a kernel for 8192 processors looks at.
constexpr std::size_t kMostMaskBytes = 1024;

// Puts the part of the mask that the target's group allows in its place.
void confine_affinity(SyscallContext& call, const Task& target) {
  unsigned char bytes[kMostMaskBytes] = {};
  const std::size_t size = std::min<std::uint64_t>(call.arg(1), sizeof bytes);
  // A bad address is for the kernel to find.
  if (size == 0 || !call.memory().read_bytes(call.arg(2), bytes, size)) return;
  const CpuSet wanted = cpu_mask::from_bytes({bytes, size});
  const CpuSet given = call.runtime().group_host().confine(target, wanted);
  if (given == wanted) return;
  const auto mask = cpu_mask::to_bytes(given, size);
  const std::uint64_t copy = call.scratch(mask.size());
  if (!call.memory().write_bytes(copy, mask.data(), mask.size())) return call.answer(-EFAULT);
  call.set_arg(1, mask.size());
  call.set_arg(2, copy);
}

}  // namespace

// sched_setaffinity(2): of what is asked for, the kernel gets the part that is in the group's
// processors, as it does itself with a cpuset's; none of them is EINVAL.
void sys_setaffinity(SyscallContext& call) {
  const int nr = call.int_arg(0);
  if (nr < 0) return call.run();
  Ref<Task> target(call.task());
  if (nr > 0) {
    target = call.runtime().kernel().find_task(*call.task().ns(), nr);
    // One that the caller does not see becomes one that no task has, so that the kernel gives its
    // own errors in its own order.
    call.set_arg(0, static_cast<std::uint64_t>(target ? target->level0() : INT_MAX));
  }
  // One load where nobody is confined.
  if (target && call.runtime().group_host().any_confined()) confine_affinity(call, *target);
}

namespace {

void put_name(char (&field)[65], const std::optional<std::string>& name) {
  if (name) std::snprintf(field, sizeof field, "%s", name->c_str());
}

bool is_32_bit_personality(pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/personality", tid);
  FILE* const file = std::fopen(path, "re");
  if (!file) return false;
  unsigned persona = 0;
  const bool read = std::fscanf(file, "%x", &persona) == 1;
  std::fclose(file);
  return read && (persona & PER_MASK) == PER_LINUX32;
}

// Whether the names that the task sees are its group's, and not the host's.
bool in_own_uts_group(SyscallContext& call) {
  const ReadSection section;
  const SubsystemState* state =
      call.runtime().groups().state(call.task(), uts_subsystem(), section);
  return state != nullptr && state->parent() != nullptr;
}

using SetName = Result<void> (*)(const Groups&, const Task&, std::string_view);

// sethostname(2): in a group of one's own, whose names they are, that needs no privilege.
void set_name(SyscallContext& call, SetName set) {
  if (!in_own_uts_group(call)) return call.run();
  const std::uint64_t size = call.arg(1);
  if (size > kUtsNameMax) return call.answer(-EINVAL);
  char name[kUtsNameMax];
  if (!call.memory().read_bytes(call.arg(0), name, size)) return call.answer(-EFAULT);
  const auto r = set(call.runtime().groups(), call.task(), {name, size});
  call.answer(r ? 0 : -r.error_code());
}

}  // namespace

void sys_uname(SyscallContext& call) {
  if (!uts_names_in_use()) return call.run();
  const UtsNames names = uts_names(call.runtime().groups(), call.task());
  if (!names.nodename && !names.domainname) return call.run();
  utsname shown{};
  if (uname(&shown) != 0) return call.run();
  put_name(shown.nodename, names.nodename);
  put_name(shown.domainname, names.domainname);
  // personality(2): the caller's, not the supervisor's.
  if (is_32_bit_personality(call.tid())) std::snprintf(shown.machine, sizeof shown.machine, "i686");
  call.answer(call.memory().write_bytes(call.arg(0), &shown, sizeof shown) ? 0 : -EFAULT);
}

void sys_sethostname(SyscallContext& call) { set_name(call, set_uts_nodename); }

void sys_setdomainname(SyscallContext& call) { set_name(call, set_uts_domainname); }

namespace {

// The guest's directory, absolute in its own root. Empty: it cannot be told.
std::string absolute_path(pid_t tid, const std::string& path) {
  if (path.starts_with('/')) return path;
  const auto read_link = [&](const char* name) {
    const std::string link = "/proc/" + std::to_string(tid) + "/" + name;
    char text[PATH_MAX];
    const ssize_t length = readlink(link.c_str(), text, sizeof text);
    return std::string(text, length > 0 ? static_cast<std::size_t>(length) : 0);
  };
  std::string directory = read_link("cwd");
  const std::string root = read_link("root");
  if (directory.empty() || root.empty()) return {};
  if (root != "/") {
    if (!directory.starts_with(root)) return {};
    directory.erase(0, root.size());
  }
  return directory + "/" + path;
}

// A string argument; a null pointer is an empty one.
bool read_text(SyscallContext& call, int argument, std::string* text) {
  char buffer[PATH_MAX];
  text->clear();
  if (call.arg(argument) == 0) return true;
  const auto length = call.memory().read_string(call.arg(argument), buffer, sizeof buffer);
  if (!length) return false;
  text->assign(buffer, *length);
  return true;
}

// The options as GroupMounts takes them.
std::string group_options(const std::string& type, const std::string& data) {
  // cgroups(7): cgroup v1 without options means all controllers; those of cgroup v2 (nsdelegate)
  // say nothing about them.
  if (type == "cgroup" && data.empty()) return "all";
  return type == "cgroup2" ? "" : data;
}

}  // namespace

// mount(2) of a hierarchy of groups: the supervisor is the file system. All else is the host's to
// give or refuse.
void sys_mount(SyscallContext& call) {
  constexpr std::uint64_t kNoNewMount =
      MS_BIND | MS_MOVE | MS_REMOUNT | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
  std::string type;
  if ((call.arg(3) & kNoNewMount) != 0 || !read_text(call, 2, &type)) return call.run();
  if (type != "rcfs" && type != "cgroup" && type != "cgroup2") return call.run();
  call.expect_delay();
  std::string source;
  std::string path;
  std::string data;
  if (!read_text(call, 0, &source) || !read_text(call, 1, &path) || !read_text(call, 4, &data)) {
    return call.answer(-EFAULT);
  }
  const std::string dir = absolute_path(call.tid(), path);
  if (path.empty() || dir.empty()) return call.answer(-ENOENT);
  auto mounts = call.runtime().group_mounts();
  if (!mounts) return call.answer(-mounts.error_code());
  MountPlace place{.process = call.tid(), .source = source.empty() ? "none" : source, .type = type};
  const auto r = (*mounts)->mount(dir, group_options(type, data), place);
  call.answer(r ? 0 : -r.error_code());
}

void sys_umount(SyscallContext& call) {
  GroupMounts* const mounts = call.runtime().made_group_mounts();
  std::string path;
  if (mounts == nullptr || !read_text(call, 0, &path)) return call.run();
  call.expect_delay();
  const std::string dir = absolute_path(call.tid(), path);
  const auto r = mounts->unmount(dir, {.process = call.tid()});
  // EINVAL: none of ours.
  if (!r && r.error_code() == EINVAL) return call.run();
  call.answer(r ? 0 : -r.error_code());
}

namespace {

bool allowed(SyscallContext& call, mode_t type, dev_t device, unsigned access) {
  const ReadSection section;
  const SubsystemState* state =
      call.runtime().groups().state(call.task(), devices_subsystem(), section);
  return state == nullptr ||
         device_allowed(*state, S_ISBLK(type), major(device), minor(device), access);
}

bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

unsigned access_of(int flags) {
  unsigned access = 0;
  const int mode = flags & O_ACCMODE;
  if (mode == O_RDONLY || mode == O_RDWR || mode == O_ACCMODE) access |= kDeviceRead;
  if (mode != O_RDONLY || (flags & O_TRUNC) != 0) access |= kDeviceWrite;
  return access;
}

}  // namespace

bool may_open_device(SyscallContext& call, int dirfd, std::uint64_t address, int flags,
                     std::uint64_t resolve) {
  // Without rules anywhere: one load.
  if (!call.runtime().group_host().watches_devices() || !devices_restricted()) return true;
  if ((flags & O_PATH) != 0) return true;  // open(2): nothing is opened
  call.expect_delay();
  char path[PATH_MAX];
  const auto length = call.memory().read_string(address, path, sizeof path);
  if (!length) return true;
  const EngineView view(call.runtime(), call.task());
  const procfs::ResolveOptions options{.follow_last = (flags & O_NOFOLLOW) == 0,
                                       .resolve = resolve};
  const procfs::ResolvedPath where =
      procfs::resolve({call.tid(), dirfd}, {path, *length}, options, view);
  if (where.kind == procfs::Kind::kError || where.host_path.empty()) return true;
  // What was walked outside procfs has no links left in it, so it may be looked up in the guest's
  // root; what begins in procfs leads there by itself.
  const bool by_root =
      where.kind == procfs::Kind::kOutside && !where.host_path.starts_with("/proc/");
  const std::string host =
      (by_root ? "/proc/" + std::to_string(call.tid()) + "/root" : std::string()) + where.host_path;
  struct stat st;
  if (::stat(host.c_str(), &st) != 0 || !is_device(st.st_mode)) return true;
  return allowed(call, st.st_mode, st.st_rdev, access_of(flags));
}

bool may_make_device(SyscallContext& call, mode_t mode, dev_t device) {
  if (!is_device(mode) || !call.runtime().group_host().watches_devices()) return true;
  return allowed(call, mode, device, kDeviceMake);
}

}  // namespace warren
