#include "tracer/procfs/serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "tracer/procfs/content.h"
#include "tracer/procfs/credentials.h"
#include "tracer/procfs/position.h"

namespace warren::procfs {
namespace {

template <typename T>
T fail(int error) {
  T answer;
  answer.action = Action::kError;
  answer.error = error;
  return answer;
}

// What is wrong with a path that has nothing to do with procfs, the kernel says best.
template <typename A>
A failed_walk(const ResolvedPath& place) {
  return place.met_proc ? fail<A>(place.error) : A{};
}

// The link is one to a PID namespace, of which the host knows nothing.
bool is_pid_namespace(const ResolvedPath& path) {
  return path.kind == Kind::kNsLink && (path.name == "pid" || path.name == "pid_for_children");
}

Result<std::string> read_link(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), text, sizeof text);
  if (size < 0) return Errno{errno};
  return std::string(text, static_cast<size_t>(size));
}

// The host's own link says whether the caller may look at it, and whether the task still has a
// namespace.
Result<UniqueFd> open_pid_namespace(const ResolvedPath& path, const ProcView& view) {
  const auto allowed = read_link(path.host_path);
  if (!allowed) return allowed.error();
  return view.namespace_fd(path.host_tid, path.name == "pid_for_children");
}

mode_t umask_of(int host_tid) {
  const UniqueFd fd(::open(fmt::format("/proc/{}/status", host_tid).c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  const ssize_t count = fd.ok() ? ::read(fd.get(), text, sizeof text - 1) : -1;
  if (count <= 0) return 077;
  const std::string_view status(text, static_cast<size_t>(count));
  constexpr std::string_view kKey = "Umask:\t";
  const size_t at = status.find(kKey);
  if (at == std::string_view::npos) return 077;
  return static_cast<mode_t>(
      std::strtoul(std::string(status.substr(at + kKey.size(), 8)).c_str(), nullptr, 8));
}

// Opens in the guest's stead. Files are created with the guest's umask, terminals do not become the
// supervisor's own, and a FIFO without a peer does not hold the supervisor up.
Result<UniqueFd> open_for(int host_tid, const std::string& path, int flags, mode_t mode) {
  const int always = O_CLOEXEC | O_NOCTTY | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK);
  const int plain = (flags & ~(O_CREAT | O_EXCL)) | always;
  const bool temporary = (flags & O_TMPFILE) == O_TMPFILE;
  UniqueFd fd;
  bool created = temporary;
  for (;;) {
    if ((flags & O_EXCL) == 0 || (flags & O_CREAT) == 0) {
      fd.reset(::open(path.c_str(), temporary ? flags | always : plain, 0600));
      if (fd.ok() || errno != ENOENT || (flags & O_CREAT) == 0) break;
    }
    fd.reset(::open(path.c_str(), plain | O_CREAT | O_EXCL, 0600));
    created = fd.ok();
    // Another may have created it between the two; a dangling link stays absent for the first and
    // is there for the second.
    if (fd.ok() || errno != EEXIST || (flags & O_EXCL) != 0) break;
    struct stat st;
    if (::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) {
      fd.reset(::open(path.c_str(), plain | O_CREAT, 0600));
      break;
    }
  }
  if (!fd.ok()) return Errno{errno};
  if (created && ::fchmod(fd.get(), mode & 07777 & ~umask_of(host_tid)) != 0) return Errno{errno};
  if ((flags & (O_NONBLOCK | O_PATH)) == 0) {
    const int status = ::fcntl(fd.get(), F_GETFL);
    if (status >= 0) ::fcntl(fd.get(), F_SETFL, status & ~O_NONBLOCK);
  }
  return fd;
}

bool is_directory(const ResolvedPath& path) {
  if (path.type != 0) return S_ISDIR(path.type);
  // Of the files of a process only these are directories.
  if (path.kind == Kind::kPidFile && path.name.find('/') == std::string::npos)
    return path.name == "attr" || path.name == "fdinfo" || path.name == "map_files" ||
           path.name == "net";
  struct stat st;
  return ::stat(path.host_path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// Whether a descriptor or working directory gained through the path is one that relative paths can
// misuse.
bool taints(const ResolvedPath& path, int flags) {
  if (!path.inside()) return false;
  if (path.is_proc_dir() || (flags & O_PATH) != 0) return true;
  if ((flags & O_ACCMODE) != O_RDONLY) return false;
  switch (path.kind) {
    case Kind::kPidFile:
    case Kind::kRootFile:
      return is_directory(path);
    default:
      return false;
  }
}

OpenAnswer opened(Result<UniqueFd> fd) {
  if (!fd) return fail<OpenAnswer>(fd.error_code());
  OpenAnswer answer;
  answer.action = Action::kAnswer;
  answer.fd = std::move(*fd);
  return answer;
}

ResolveOptions options_for_stat(int at_flags) {
  ResolveOptions options;
  options.follow_last = (at_flags & AT_SYMLINK_NOFOLLOW) == 0;
  options.empty_path = (at_flags & AT_EMPTY_PATH) != 0;
  return options;
}

// /proc/self/warren and the namespaces: files that only warren has.
bool is_own(const ResolvedPath& path, bool follow) {
  return path.kind == Kind::kWarren || (follow && is_pid_namespace(path));
}

}  // namespace

OpenAnswer Server::open_snapshot(const std::string& host_path, const std::string& text,
                                 const ProcView& view) {
  return opened(snapshots_.open(view.self_tgid_host(), host_path, text));
}

OpenAnswer Server::open_own(const ResolvedPath& path, int flags, const ProcView& view) {
  if ((flags & O_DIRECTORY) != 0) return fail<OpenAnswer>(ENOTDIR);
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return fail<OpenAnswer>(EEXIST);
  if ((flags & O_ACCMODE) != O_RDONLY) return fail<OpenAnswer>(EACCES);
  if (path.kind == Kind::kNsLink) return opened(open_pid_namespace(path, view));
  const std::string text = view.warren_json();
  if (text.empty()) return fail<OpenAnswer>(ENOENT);
  return open_snapshot(path.host_path, text, view);
}

OpenAnswer Server::open_translated(const ResolvedPath& path, int flags, const ProcView& view) {
  // The host's file answers for existence and permission.
  const UniqueFd file(::open(path.host_path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
  if (!file.ok()) return fail<OpenAnswer>(errno);
  const auto text = read_translated(file.get(), content_of(path), path, view);
  if (!text) return fail<OpenAnswer>(text.error_code());
  return open_snapshot(path.host_path, *text, view);
}

OpenAnswer Server::open_sysctl(const ResolvedPath& path, int flags, const ProcView& view,
                               const SysctlSetters* setters) {
  const Content content = content_of(path);
  const int access = flags & O_ACCMODE;
  if ((flags & O_DIRECTORY) != 0) return fail<OpenAnswer>(ENOTDIR);
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return fail<OpenAnswer>(EEXIST);
  sysctl_writes_.apply();
  const auto text = read_translated(-1, content, path, view);
  if (!text) return fail<OpenAnswer>(text.error_code());
  if (access == O_RDONLY) return open_snapshot(path.host_path, *text, view);
  // The kernel says so at write(2), which nobody watches here.
  if (setters == nullptr || !view.may_set_sysctl()) return fail<OpenAnswer>(EPERM);
  const auto& setter = content == Content::kLastPid ? setters->last_pid : setters->pid_max;
  return opened(sysctl_writes_.open(access, *text, setter));
}

OpenAnswer Server::open(const Base& base, std::string_view path, int flags, mode_t mode,
                        uint64_t resolve_flags, const ProcView& view,
                        const SysctlSetters* setters) {
  ResolveOptions options;
  options.follow_last =
      (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  options.resolve = resolve_flags;
  const ResolvedPath place = resolve(base, path, options, view);
  if (place.kind == Kind::kError) return failed_walk<OpenAnswer>(place);
  const ActAs guest(base.host_tid);
  if (guest.error() != 0) return fail<OpenAnswer>(guest.error());
  OpenAnswer answer;
  const Content content = content_of(place);
  if (!place.native) flags &= ~O_PATH;
  const bool reads = (flags & O_ACCMODE) != O_WRONLY && (flags & O_PATH) == 0;
  if (is_own(place, options.follow_last)) {
    answer = open_own(place, flags & ~O_PATH, view);
  } else if (is_sysctl(content) && (flags & O_PATH) == 0) {
    answer = open_sysctl(place, flags, view, setters);
  } else if (content != Content::kNoNumbers && reads) {
    answer = open_translated(place, flags, view);
  } else if (!place.native) {
    answer = opened(open_for(base.host_tid, place.host_path, flags, mode));
  }
  if (answer.action == Action::kContinue || (answer.action == Action::kAnswer && !place.native))
    answer.taints = taints(place, flags);
  return answer;
}

StatxAnswer Server::statx(const Base& base, std::string_view path, int at_flags, unsigned mask,
                          const ProcView& view) {
  if (path.empty()) return {};
  const ResolveOptions options = options_for_stat(at_flags);
  const ResolvedPath place = resolve(base, path, options, view);
  if (place.kind == Kind::kError) return failed_walk<StatxAnswer>(place);
  const bool own = is_own(place, options.follow_last);
  const bool translated = content_of(place) != Content::kNoNumbers;
  if (place.native && !own && !translated) return {};
  const ActAs guest(base.host_tid);
  if (guest.error() != 0) return fail<StatxAnswer>(guest.error());
  StatxAnswer answer;
  answer.action = Action::kAnswer;
  const int flags = at_flags & ~AT_EMPTY_PATH;
  if (own && place.kind == Kind::kNsLink) {
    const auto fd = open_pid_namespace(place, view);
    if (!fd) return fail<StatxAnswer>(fd.error_code());
    if (::statx(fd->get(), "", flags | AT_EMPTY_PATH, mask, &answer.stx) != 0)
      return fail<StatxAnswer>(errno);
    return answer;
  }
  if (own && view.warren_json().empty()) return fail<StatxAnswer>(ENOENT);
  // /proc/self/warren looks like its neighbours.
  const std::string target = own ? fmt::format("/proc/{}/status", place.host_tid) : place.host_path;
  if (::statx(AT_FDCWD, target.c_str(), flags, mask, &answer.stx) != 0)
    return fail<StatxAnswer>(errno);
  if (own || translated) {
    const auto file = snapshots_.identity(view.self_tgid_host(), place.host_path);
    if (!file) return fail<StatxAnswer>(file.error_code());
    answer.stx.stx_ino = file->ino;
    answer.stx.stx_dev_major = ::gnu_dev_major(file->dev);
    answer.stx.stx_dev_minor = ::gnu_dev_minor(file->dev);
  }
  return answer;
}

StatAnswer Server::stat(const Base& base, std::string_view path, int at_flags,
                        const ProcView& view) {
  const StatxAnswer full = statx(base, path, at_flags, STATX_BASIC_STATS, view);
  StatAnswer answer;
  static_cast<Answer&>(answer) = full;
  if (full.action != Action::kAnswer) return answer;
  const struct statx& stx = full.stx;
  struct stat& st = answer.st;
  const auto time = [](const statx_timestamp& from) {
    return timespec{static_cast<time_t>(from.tv_sec), static_cast<long>(from.tv_nsec)};
  };
  st.st_dev = ::gnu_dev_makedev(stx.stx_dev_major, stx.stx_dev_minor);
  st.st_ino = stx.stx_ino;
  st.st_mode = stx.stx_mode;
  st.st_nlink = stx.stx_nlink;
  st.st_uid = stx.stx_uid;
  st.st_gid = stx.stx_gid;
  st.st_rdev = ::gnu_dev_makedev(stx.stx_rdev_major, stx.stx_rdev_minor);
  st.st_size = static_cast<off_t>(stx.stx_size);
  st.st_blksize = static_cast<blksize_t>(stx.stx_blksize);
  st.st_blocks = static_cast<blkcnt_t>(stx.stx_blocks);
  st.st_atim = time(stx.stx_atime);
  st.st_mtim = time(stx.stx_mtime);
  st.st_ctim = time(stx.stx_ctime);
  return answer;
}

Answer Server::access(const Base& base, std::string_view path, int mode, int at_flags,
                      const ProcView& view) {
  if (path.empty()) return {};
  const ResolvedPath place = resolve(base, path, options_for_stat(at_flags), view);
  if (place.kind == Kind::kError) return failed_walk<Answer>(place);
  Answer answer;
  answer.action = Action::kAnswer;
  if (place.kind == Kind::kWarren) {
    if (view.warren_json().empty()) return fail<Answer>(ENOENT);
    return (mode & (W_OK | X_OK)) != 0 ? fail<Answer>(EACCES) : answer;
  }
  if (place.native) return {};
  const ActAs guest(base.host_tid);
  if (guest.error() != 0) return fail<Answer>(guest.error());
  if (::syscall(SYS_faccessat2, AT_FDCWD, place.host_path.c_str(), mode,
                (at_flags & AT_SYMLINK_NOFOLLOW) | AT_EACCESS) != 0)
    return fail<Answer>(errno);
  return answer;
}

TextAnswer Server::readlink(const Base& base, std::string_view path, const ProcView& view) {
  ResolveOptions options;
  options.follow_last = false;
  options.empty_path = true;
  const ResolvedPath place = resolve(base, path, options, view);
  if (place.kind == Kind::kError) return failed_walk<TextAnswer>(place);
  const ActAs guest(base.host_tid);
  if (guest.error() != 0) return fail<TextAnswer>(guest.error());
  TextAnswer answer;
  answer.action = Action::kAnswer;
  const int self = view.to_guest(view.self_tgid_host());
  switch (place.kind) {
    case Kind::kSelf:
    case Kind::kThreadSelf:
      if (self == 0) return fail<TextAnswer>(ENOENT);
      answer.text = place.kind == Kind::kSelf
                        ? std::to_string(self)
                        : fmt::format("{}/task/{}", self, view.to_guest(view.self_tid_host()));
      return answer;
    case Kind::kWarren:
      return fail<TextAnswer>(view.warren_json().empty() ? ENOENT : EINVAL);
    case Kind::kNsLink:
      if (is_pid_namespace(place)) {
        const auto fd = open_pid_namespace(place, view);
        if (!fd) return fail<TextAnswer>(fd.error_code());
        struct stat st;
        if (::fstat(fd->get(), &st) != 0) return fail<TextAnswer>(errno);
        answer.text = fmt::format("pid:[{}]", st.st_ino);
        return answer;
      }
      break;
    case Kind::kFdLink:
    case Kind::kMagicLink: {
      const auto text = read_link(place.host_path);
      if (!text) return fail<TextAnswer>(text.error_code());
      answer.text = shown_link_text(place.host_path, *text, view);
      return answer;
    }
    default:
      break;
  }
  if (place.native) return {};
  const auto text = read_link(place.host_path);
  if (!text) return fail<TextAnswer>(text.error_code());
  answer.text = *text;
  return answer;
}

TextAnswer Server::host_path(const Base& base, std::string_view path, const ResolveOptions& options,
                             const ProcView& view) {
  const ResolvedPath place = resolve(base, path, options, view);
  if (place.kind == Kind::kError) return failed_walk<TextAnswer>(place);
  if (place.kind == Kind::kWarren)
    return fail<TextAnswer>(view.warren_json().empty() ? ENOENT : EACCES);
  TextAnswer answer;
  answer.taints = taints(place, O_RDONLY);
  if (place.native) return answer;
  answer.action = Action::kAnswer;
  answer.text = place.host_path;
  return answer;
}

TextAnswer Server::getcwd(std::string_view text, const ProcView& view) {
  TextAnswer answer;
  if (!text.starts_with("/proc/")) return answer;
  answer.text = translate_path_text(text, view);
  if (answer.text != text) answer.action = Action::kAnswer;
  return answer;
}

DirentsAnswer Server::getdents(int dirfd, size_t size, DirentLayout layout, const ProcView& view) {
  const auto position = Position::of_descriptor(dirfd);
  if (!position) return {};
  const ResolvedPath place = position->classify(view);
  Result<std::vector<char>> bytes = Errno{ENOENT};
  if (place.kind == Kind::kRoot)
    bytes = list_processes(dirfd, size, layout, view);
  else if (place.kind != Kind::kTaskDir)
    return {};
  else if (!position->gone())
    bytes = list_threads(dirfd, place.host_tgid, size, layout, view);
  if (!bytes) return fail<DirentsAnswer>(bytes.error_code());
  DirentsAnswer answer;
  answer.action = Action::kAnswer;
  answer.bytes = std::move(*bytes);
  return answer;
}

}  // namespace warren::procfs
