// What `warren run` hands to the supervisor.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control/runtime_dir.h"

namespace warren::control {

struct RunOptions {
  ContainerSocket socket;  // the claimed name and the listening socket; serve it with a Server
  std::string program;     // path for execve, found already; see exec_program()
  std::vector<std::string> argv;  // of pid 1; it inherits environment, stdio and directory
  bool stats = false;             // print what interception cost on stderr at the end
  bool agent = false;             // the back end: agent code in the guests, or ptrace alone
  bool untraced = false;          // guests run untraced; with `agent` only
  bool agent_unscoped = false;    // the agent tests paths outside a Landlock domain as well
  bool ask_paths = false;         // it tests none: the supervisor walks every path
  bool landlock = true;           // the container is a Landlock domain, if the host can
  bool sync_wakeup = true;        // notified calls wake synchronously, if the host can
  bool signal_self = false;       // the host lets a process signal itself without a number

  // The kernel's controllers instead of warren's own, in the delegated cgroup that the caller is
  // in. Errors are 125: "run: --cgroup: PATH: strerror; what to do".
  bool delegate = false;
  std::vector<pid_t> own_processes;  // besides the caller: those that belong to this very command

  // The group that pid 1 starts in, "/a/b" of the default hierarchy, made (parents too) if it is
  // not there; empty: the root. Then the files to write, in this order, before pid 1 is let go.
  // Errors are 125, in RunOutcome::error: "run: --group: PATH: strerror", "run: --set: FILE=VALUE:
  // strerror".
  std::string group;
  std::vector<std::pair<std::string, std::string>> group_settings;

  // Called once when pid 1 has passed its execve: from then on only the container's own fate
  // decides the exit status. May be empty.
  std::function<void()> on_started;
};

// The exit status that `warren run` ends with: that of pid 1, 128+n if a signal n ended it. Where
// the container did not start: 125, 126 or 127, and `error` says why in the form
// "what: on what: strerror; what to do".
struct RunOutcome {
  int exit_status = 0;
  std::string error;
};

}  // namespace warren::control
