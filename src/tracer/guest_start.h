// How a program from outside becomes a guest.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren {

struct GuestProgram {
  std::string program;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  // Only for a program that joins a running container; the first one inherits all of this.
  bool own_session = false;
  bool controlling_terminal = false;  // standard input is to be it
  std::string cwd;
  int umask = -1;
  std::array<int, 3> stdio = {-1, -1, -1};
  bool replace_stdio = false;
};

// A child of the supervisor on its way to become a guest. It waits at each step until it is told to
// go on: it must be attached and known to the engine before it installs the filter, and its
// listener served before it execs. Made with fork() from a process that may have threads, so the
// child's side keeps to async-signal-safe calls.
class GuestStart {
 public:
  // Forks. `filter` must outlive the call. `init`: orphans of its namespace are to be handed to it.
  // `landlock`: it is to be in a Landlock domain of its own.
  static Result<GuestStart> begin(const GuestProgram& program,
                                  const std::vector<sock_filter>& filter, bool init, bool landlock);

  pid_t pid() const { return pid_; }
  // The process was attached: it installs its filter. The listener, or the errno of what failed.
  Result<UniqueFd> install_filter();
  // After install_filter(): whether it is in the container's Landlock domain.
  bool scoped() const { return scoped_; }
  // The listener is served: it execs.
  void exec();
  // After exec(): 0 when execve succeeded, its errno when not. Waits for one of the two; `wait`
  // false: 0 as well when it is not known yet.
  int exec_error(bool wait);

 private:
  GuestStart(pid_t pid, UniqueFd channel) : pid_(pid), channel_(std::move(channel)) {}

  pid_t pid_;
  UniqueFd channel_;
  bool scoped_ = false;
};

}  // namespace warren
