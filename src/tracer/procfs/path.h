// Where a guest's path leads, when it may lead into /proc. The host's procfs shows the host's
// numbers, so a path with a number in it means another object to the guest than to the host kernel;
// this walks the path as the kernel would, and gives the host's name for the guest's object.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tracer/procfs/view.h"

namespace warren::procfs {

// The mount of the host's procfs that the supervisor itself uses.
inline constexpr std::string_view kProc = "/proc";

// The cheap test that dismisses ordinary paths: no system call, some tens of nanoseconds. False:
// the path cannot lead into procfs, run the call natively. `tainted`: the process has, or
// inherited, a descriptor or working directory inside procfs; then every relative path may.
// Symbolic links with a name of their own into /proc are not seen by this test (link_names.h,
// docs/compat.md).
bool may_reach_proc(std::string_view path, bool tainted);

enum class Kind {
  kError,       // `error` says why the walk failed
  kOutside,     // not in procfs
  kRoot,        // /proc
  kSelf,        // the link /proc/self
  kThreadSelf,  // the link /proc/thread-self
  kPidDir,      // /proc/PID
  kTaskDir,     // /proc/PID/task
  kTidDir,      // /proc/PID/task/TID
  kPidFile,     // /proc/PID/NAME, /proc/PID/task/TID/NAME, with NAME as in `name` ("status",
                // "net/tcp", ...)
  kNsDir,       // .../ns
  kNsLink,      // .../ns/NAME
  kFdDir,       // .../fd
  kFdLink,      // .../fd/N
  kFdinfoFile,  // .../fdinfo/N
  kMagicLink,   // .../{cwd,exe,root}, .../map_files/*
  kRootFile,    // all else below /proc: "loadavg", "sys/kernel/pid_max", "sys", ...
  kWarren,      // /proc/self/warren, which the host does not have
};

// A directory that a relative path starts from: a descriptor of the task `host_tid`, or its working
// directory (AT_FDCWD).
struct Base {
  int host_tid;
  int dirfd = AT_FDCWD;
};

struct ResolveOptions {
  bool follow_last = true;  // false: O_NOFOLLOW, AT_SYMLINK_NOFOLLOW, readlink, lstat
  bool empty_path = false;  // AT_EMPTY_PATH, readlinkat(fd, ""): "" means the base itself
  uint64_t resolve = 0;     // RESOLVE_* of openat2(2)
};

// Where a path leads. A plain value.
struct ResolvedPath {
  Kind kind = Kind::kError;
  int error = 0;          // kError: errno of the call
  bool met_proc = false;  // the walk came through procfs, wherever it led or failed
  // The guest's own call, run unchanged by the host kernel, reaches the same object: no number in
  // the path had to be translated on the way. What it would read there may still need translation
  // (serve.h).
  bool native = true;
  int host_tgid = 0;  // kPidDir and all below: the process
  int host_tid =
      0;  // likewise: the thread; equals host_tgid where the path does not go through task/
  bool in_task = false;  // the path goes through task/
  int fd = -1;           // kFdLink, kFdinfoFile
  mode_t type = 0;   // S_IFMT bits of a file inside, where the walk happened to learn them; else 0
  std::string name;  // last part, see Kind
  // A path that leads both supervisor and guest to the object: "/proc/<host>/status", or for
  // kOutside behind a translated number "/proc/<host>/cwd/x". Valid unless kError or kWarren.
  std::string host_path;

  bool inside() const { return kind != Kind::kError && kind != Kind::kOutside; }
  // A directory whose entries are, or lead to, numbers: whoever holds it is tainted.
  bool is_proc_dir() const;
};

// Walks `path` as path_resolution(7) says, with the guest's own root and working directory: 40
// links (ELOOP), ENAMETOOLONG, ENOTDIR, ENOENT (an absent name, or a number that the view does not
// have), EACCES, EBADF. Makes system calls on the host's file system, but opens nothing for use.
// Thread-safe if the view is.
ResolvedPath resolve(const Base& base, std::string_view path, const ResolveOptions& options,
                     const ProcView& view);

// Translates a path text that the host kernel gave (getcwd(2), a link in /proc/PID/fd) for the
// observer: the numbers of "/proc/<host>[/task/<host>]" become the guest's. A number that is not
// visible becomes 0. Other texts are returned as they are. `always`: the caller knows that the
// object is in procfs, so a mount of procfs elsewhere counts too.
std::string translate_path_text(std::string_view text, const ProcView& view, bool always = false);

}  // namespace warren::procfs
