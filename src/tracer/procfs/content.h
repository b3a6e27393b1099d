// Which files of /proc carry numbers, or are about task groups, and what an observer is to read in
// them.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "tracer/procfs/path.h"
#include "tracer/procfs/view.h"
#include "warren/result.h"

namespace warren::procfs {

enum class Content {
  kNoNumbers,  // the host's file is right as it is
  kStat,
  kStatus,
  kSched,
  kChildren,
  kTimers,
  kFdinfo,
  kLocks,
  kLoadavg,
  kSysvShm,
  kSysvMsg,
  kCgroup,
  kCgroups,
  kMounts,
  kMountinfo,
  kLastPid,
  kPidMax,
};

Content content_of(const ResolvedPath& path);

// The values that a namespace has for itself, writable (sysctl.h).
inline bool is_sysctl(Content content) {
  return content == Content::kLastPid || content == Content::kPidMax;
}

// All that the descriptor `fd` of the host's file gives, translated for the observer. ESRCH: the
// task is gone, as read(2) of such a file says; other errors are those of read(2).
Result<std::string> read_translated(int fd, Content content, const ResolvedPath& path,
                                    const ProcView& view);

// A file (memfd_create(2)) to hold a translated text, still empty. `name` is the host's path of the
// file that it stands for: a link in /proc/PID/fd then tells it (shown_link_text). EMFILE, ENFILE,
// ENOMEM.
Result<UniqueFd> empty_snapshot(const std::string& name);

// Fills an empty snapshot, and gives a read-only descriptor of it. ENOMEM, EMFILE, ENFILE.
Result<UniqueFd> fill_snapshot(UniqueFd file, const std::string& text);

// The text of a link of the host as the observer is to see it: numbers translated, snapshots under
// the names of the files they stand for, namespaces as "pid:[INO]". `link` is the link itself.
std::string shown_link_text(const std::string& link, std::string_view text, const ProcView& view);

}  // namespace warren::procfs
