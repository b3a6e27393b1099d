#include "tracer/procfs/content.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/unique_fd.h"
#include "tracer/procfs/mounts.h"
#include "tracer/procfs/rewrite.h"

namespace warren::procfs {
namespace {

constexpr std::string_view kMemfd = "/memfd:";
constexpr std::string_view kDeleted = " (deleted)";
constexpr size_t kMaxMemfdName = 249;  // memfd_create(2)

Result<std::string> read_all(int fd) {
  std::string text;
  size_t used = 0;
  for (;;) {
    text.resize(used + 8192);
    const ssize_t count = ::read(fd, text.data() + used, text.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Errno{errno};
    if (count == 0) break;
    used += static_cast<size_t>(count);
  }
  text.resize(used);
  return text;
}

Content root_content(const std::string& name) {
  if (name == "loadavg") return Content::kLoadavg;
  if (name == "cgroups") return Content::kCgroups;
  if (name == "locks") return Content::kLocks;
  if (name == "sys/kernel/ns_last_pid") return Content::kLastPid;
  if (name == "sys/kernel/pid_max") return Content::kPidMax;
  if (name == "sysvipc/shm") return Content::kSysvShm;
  if (name == "sysvipc/msg") return Content::kSysvMsg;
  return Content::kNoNumbers;
}

Content task_content(const ResolvedPath& path) {
  if (path.name == "stat") return Content::kStat;
  if (path.name == "status") return Content::kStatus;
  if (path.name == "sched") return Content::kSched;
  if (path.name == "timers") return Content::kTimers;
  if (path.name == "cgroup") return Content::kCgroup;
  if (path.name == "mounts") return Content::kMounts;
  if (path.name == "mountinfo") return Content::kMountinfo;
  if (path.name == "children" && path.in_task) return Content::kChildren;
  return Content::kNoNumbers;
}

}  // namespace

Content content_of(const ResolvedPath& path) {
  switch (path.kind) {
    case Kind::kPidFile:
      return task_content(path);
    case Kind::kFdinfoFile:
      return Content::kFdinfo;
    case Kind::kRootFile:
      return root_content(path.name);
    default:
      return Content::kNoNumbers;
  }
}

namespace {

// Whether the task is in the kernel's wait for a seccomp notification's answer.
bool awaits_answer(int host_tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/wchan", host_tid);
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  char where[64] = "";
  return file.ok() && read(file.get(), where, sizeof where - 1) > 0 &&
         std::strstr(where, "seccomp_do_user_notification") != nullptr;
}

}  // namespace

Result<std::string> read_translated(int fd, Content content, const ResolvedPath& path,
                                    const ProcView& view) {
  if (content == Content::kLastPid) return fmt::format("{}\n", view.last_pid());
  if (content == Content::kPidMax) return fmt::format("{}\n", view.pid_max());
  auto text = read_all(fd);
  if (!text) return text;
  const bool needs_numbers =
      content == Content::kStat || content == Content::kStatus || content == Content::kSched;
  TaskNumbers numbers;
  if (needs_numbers && !view.numbers(path.host_tid, &numbers)) return Errno{ESRCH};
  // Only a traced task needs to be asked about; most are not.
  if (text->find(") t ") != std::string::npos || text->find("State:\tt") != std::string::npos) {
    numbers.group_stopped = view.group_stopped(path.host_tid);
  }
  // Whoever waits for the supervisor's answer to a call is about to do something, and not asleep.
  const bool is_caller =
      path.host_tid == view.self_tid_host() || (needs_numbers && awaits_answer(path.host_tid));
  switch (content) {
    case Content::kStat:
      return rewrite_stat(*text, numbers, is_caller, view);
    case Content::kStatus:
      return rewrite_status(*text, numbers, is_caller, view);
    case Content::kSched:
      return rewrite_sched(*text, numbers);
    case Content::kChildren:
      return rewrite_children(*text, view);
    case Content::kTimers:
      return rewrite_timers(*text, view);
    case Content::kFdinfo:
      return rewrite_fdinfo(*text, view);
    case Content::kLocks:
      return rewrite_locks(*text, view);
    case Content::kCgroup:
      return view.cgroup_of(path.host_tid);
    case Content::kCgroups:
      return view.cgroups();
    case Content::kMounts:
      return rewrite_mounts(*text, view.group_mounts());
    case Content::kMountinfo:
      return rewrite_mountinfo(*text, view.group_mounts());
    case Content::kLoadavg:
      return rewrite_loadavg(*text, view.last_pid());
    case Content::kSysvShm:
      return rewrite_sysvipc(*text, 4, 5, view);  // cpid, lpid
    case Content::kSysvMsg:
      return rewrite_sysvipc(*text, 5, 6, view);  // lspid, lrpid
    default:
      return text;
  }
}

Result<UniqueFd> empty_snapshot(const std::string& name) {
  UniqueFd file(::memfd_create(name.substr(0, kMaxMemfdName).c_str(), MFD_CLOEXEC));
  // As the files of /proc themselves; nobody can open it for writing again.
  if (!file.ok() || ::fchmod(file.get(), 0444) != 0) return Errno{errno};
  return file;
}

Result<UniqueFd> fill_snapshot(UniqueFd file, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Errno{errno};
    done += static_cast<size_t>(count);
  }
  const std::string self = fmt::format("/proc/self/fd/{}", file.get());
  UniqueFd readable(::open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.ok()) return Errno{errno};
  return readable;
}

std::string shown_link_text(const std::string& link, std::string_view text, const ProcView& view) {
  if (!text.starts_with(kMemfd) || !text.ends_with(kDeleted))
    return translate_path_text(text, view);
  std::string_view name = text.substr(kMemfd.size());
  name.remove_suffix(kDeleted.size());
  struct stat st;
  if (name == kNamespaceMemfdName && ::stat(link.c_str(), &st) == 0)
    return fmt::format("pid:[{}]", st.st_ino);
  if (name.starts_with("/proc/")) return translate_path_text(name, view);
  return std::string(text);
}

}  // namespace warren::procfs
