// A place inside procfs: the components below its root, with the host's numbers. Split from the
// walk (path.h) because descriptors, links and listings need it without one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/procfs/path.h"
#include "tracer/procfs/view.h"
#include "warren/result.h"

namespace warren::procfs {

// A value; not thread-safe.
class Position {
 public:
  // Where the object of a descriptor (O_PATH will do) is. ENOENT: it is not in procfs.
  static Result<Position> of_descriptor(int fd);
  // Digits without a leading zero, as procfs takes them.
  static bool is_number(std::string_view name);
  // 0 if it is too large for an int.
  static int parse_number(std::string_view name);

  bool empty() const { return parts_.empty(); }  // the root
  size_t size() const { return parts_.size(); }
  // The process or thread that the place belongs to ended after it was reached: nothing is found
  // here.
  bool gone() const { return gone_; }
  void push(std::string name) { parts_.push_back(std::move(name)); }
  void pop();
  // Numbers here name processes (/proc) or threads (/proc/PID/task).
  bool takes_numbers() const;
  // The number that the first component is; 0 if none.
  int host_tgid() const { return parts_.empty() ? 0 : parse_number(parts_.front()); }
  // Of the supervisor's own mount.
  std::string host_path() const;
  // All of ResolvedPath but host_path, native and error. The files of a process that is gone are
  // still named.
  ResolvedPath classify(const ProcView& view) const;

 private:
  std::vector<std::string> parts_;
  bool gone_ = false;
};

// The process (host number) whose /proc/PID the descriptor holds open: pidfd_send_signal(2) takes
// such a directory for a pidfd. EBADF: it is another thing, a thread's directory too. ESRCH: the
// process is gone.
Result<int> process_of_directory(int fd);

}  // namespace warren::procfs
