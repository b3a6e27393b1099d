// Snapshots of files whose text is translated, one for each open(2). A program that looks at a file
// with stat(2) before it opens it (cp(1) does, and compares) must find the same file: so a file
// that was looked at is kept for the process that did, until it opens it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <string>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::procfs {

// Owned by the server; thread-safe.
class Snapshots {
 public:
  struct Identity {
    dev_t dev;
    ino_t ino;
  };

  // Which file open() will give to this process next, for the file at `host_path`. EMFILE, ENFILE,
  // ENOMEM.
  Result<Identity> identity(int host_tgid, const std::string& host_path);
  // A read-only descriptor of a file that holds `text`. EMFILE, ENFILE, ENOMEM.
  Result<UniqueFd> open(int host_tgid, const std::string& host_path, const std::string& text);

 private:
  static constexpr std::size_t kMaxKept = 32;  // descriptors of the supervisor

  struct Kept {
    int host_tgid;
    std::string host_path;
    UniqueFd file;
  };

  std::mutex mutex_;
  std::list<Kept> kept_;  // guarded by mutex_; the latest first
};

}  // namespace warren::procfs
