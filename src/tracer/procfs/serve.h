// Answers the system calls of guests that name something under /proc. Each operation resolves the
// path and says what to do with the call: let the host kernel run it as it is, fail it, or answer
// it.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "tracer/procfs/dirents.h"
#include "tracer/procfs/link_names.h"
#include "tracer/procfs/path.h"
#include "tracer/procfs/snapshots.h"
#include "tracer/procfs/sysctl.h"
#include "tracer/procfs/view.h"

namespace warren::procfs {

enum class Action {
  kContinue,  // run the guest's call unchanged
  kError,     // fail it with `error`
  kAnswer,    // the answer's own fields hold the result
};

struct Answer {
  Action action = Action::kContinue;
  int error = 0;
  // The call may give the guest a directory inside procfs (as descriptor or working directory),
  // also when it is kContinue: from now on the process counts as tainted.
  bool taints = false;
};

struct OpenAnswer : Answer {
  UniqueFd fd;  // kAnswer: to be injected; close-on-exec is to be set as the guest's flags say
};

struct StatAnswer : Answer {
  struct stat st = {};  // kAnswer
};

struct StatxAnswer : Answer {
  struct statx stx = {};  // kAnswer
};

// readlink: the link's text, not yet cut to the guest's buffer. host path: the path to run the call
// with.
struct TextAnswer : Answer {
  std::string text;  // kAnswer
};

struct DirentsAnswer : Answer {
  std::vector<char> bytes;  // kAnswer: what goes into the guest's buffer; its size is the result
};

// Serves all guests of one supervisor. Thread-safe: any number of supervisor threads may call. No
// call waits for a guest.
class Server {
 public:
  // What one guest may set: called when a guest writes to a sysctl of the view's namespace; must
  // keep the namespace alive by itself. Values are checked already to be numbers, not for range.
  struct SysctlSetters {
    std::function<void(int)> last_pid;
    std::function<void(int)> pid_max;
  };

  // The cheap test of path.h, which also knows the links of learn_link(). False: run the call as it
  // is.
  bool may_reach_proc(std::string_view path, bool tainted) const {
    return suspects_all_ || procfs::may_reach_proc(path, tainted) || link_names_.mentioned_in(path);
  }
  // From now on every path is walked, so that links into procfs are seen whoever made them, by
  // whatever name. Before there are guests.
  void suspect_all() { suspects_all_ = true; }
  // symlink(2), symlinkat(2): to be told before the call runs. True if the link leads into procfs.
  bool learn_link(std::string_view target, std::string_view link_path) {
    return link_names_.learn(target, link_path);
  }

  // open(2), openat(2), openat2(2) (`resolve`: its RESOLVE_ flags), creat(2). `setters` may be
  // empty: then opening a sysctl for writing fails with EPERM.
  OpenAnswer open(const Base& base, std::string_view path, int flags, mode_t mode, uint64_t resolve,
                  const ProcView& view, const SysctlSetters* setters = nullptr);
  // stat(2), lstat(2), newfstatat(2): `at_flags` are AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH,
  // AT_NO_AUTOMOUNT.
  StatAnswer stat(const Base& base, std::string_view path, int at_flags, const ProcView& view);
  StatxAnswer statx(const Base& base, std::string_view path, int at_flags, unsigned mask,
                    const ProcView& view);
  // access(2), faccessat(2), faccessat2(2). kAnswer means success.
  Answer access(const Base& base, std::string_view path, int mode, int at_flags,
                const ProcView& view);
  // readlink(2), readlinkat(2).
  TextAnswer readlink(const Base& base, std::string_view path, const ProcView& view);
  // For every other call that takes a path (chdir, execve, statfs, chmod, getxattr,
  // inotify_add_watch, …): kContinue, kError, or the host's path that the call is to be run with
  // (kAnswer).
  TextAnswer host_path(const Base& base, std::string_view path, const ResolveOptions& options,
                       const ProcView& view);
  // getcwd(2): `text` is what the host kernel gave. kContinue: it is right as it is.
  TextAnswer getcwd(std::string_view text, const ProcView& view);
  // getdents(2), getdents64(2) on `dirfd`, a duplicate of the guest's descriptor (same open file
  // description, whose position is moved). `size`: of the guest's buffer, bytes. kContinue: an
  // ordinary directory.
  DirentsAnswer getdents(int dirfd, size_t size, DirentLayout layout, const ProcView& view);

  // Values written to sysctls; the allocator's caller calls apply() before it gives out a number.
  SysctlWrites& sysctl_writes() { return sysctl_writes_; }

 private:
  OpenAnswer open_sysctl(const ResolvedPath& path, int flags, const ProcView& view,
                         const SysctlSetters* setters);

  OpenAnswer open_own(const ResolvedPath& path, int flags, const ProcView& view);
  OpenAnswer open_translated(const ResolvedPath& path, int flags, const ProcView& view);
  OpenAnswer open_snapshot(const std::string& host_path, const std::string& text,
                           const ProcView& view);

  bool suspects_all_ = false;
  SysctlWrites sysctl_writes_;
  Snapshots snapshots_;
  LinkNames link_names_;
};

}  // namespace warren::procfs
