// Writing to /proc/sys/kernel/{ns_last_pid,pid_max}. write(2) is not trapped, so the guest gets a
// pipe (or, for reading and writing, a socket) and what it wrote is taken out before anyone can
// notice that it had not been done: before the next number is given out or either value is read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::procfs {

// Parses what was written to a decimal sysctl (leading blanks, digits, a trailing newline). EINVAL.
Result<int> parse_sysctl(std::string_view text);

// Values written but not yet taken over. Owned by the supervisor, one for all namespaces;
// thread-safe.
class SysctlWrites {
 public:
  using Setter = std::function<void(int value)>;

  // A descriptor for the guest, close-on-exec in the supervisor. `setter` gets each value written
  // to it, from apply(), and must hold whatever it needs (the namespace) alive. `access` is
  // O_WRONLY or O_RDWR, `content` what reading gives. EMFILE, ENFILE, ENOMEM.
  Result<UniqueFd> open(int access, std::string_view content, Setter setter);

  // Takes over all that was written so far; to be called before a number is allocated, with no lock
  // held that a setter takes: setters run under this object's own lock. One atomic load when
  // nothing is open for writing.
  void apply() {
    if (open_.load(std::memory_order_acquire) != 0) drain();
  }

 private:
  struct Channel {
    UniqueFd fd;
    Setter setter;
  };
  void drain();

  std::atomic<int> open_{0};
  std::mutex mutex_;
  std::vector<Channel> channels_;  // guarded by mutex_
};

}  // namespace warren::procfs
