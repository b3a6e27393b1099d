// What the supervisor does for those who ask over the control socket.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "control/container_view.h"
#include "control/group_request.h"
#include "warren/result.h"

namespace warren::control {

// Who is at the other end of a connection, as the kernel says (SO_PEERCRED, unix(7)).
struct Peer {
  uid_t uid = 0;
  pid_t pid = 0;          // host number
  uint64_t ns_inode = 0;  // the guest's namespace; 0: a process of the host
  gid_t gid = 0;
};

// A process to start in an existing namespace.
struct ExecRequest {
  uint64_t ns_inode = 0;
  std::string program;            // path given to execve; argv[0] need not be the same
  std::vector<std::string> argv;  // at least one
  std::vector<std::string> env;   // NAME=VALUE
  std::string cwd;                // absolute
  mode_t umask = 022;
  bool tty = false;               // stdio is a terminal that is to control the new session
  std::array<UniqueFd, 3> stdio;  // each may be none: then closed in the new process
};

struct ExecStarted {
  uint64_t id = 0;  // names this process in signal_exec(); never given twice
  int level0 = 0;   // host number
  int nr = 0;       // number in the namespace asked for
};

// How such a process ended.
struct ExecEnd {
  int wait_status = 0;  // as wait(2) gives it
  int exec_errno = 0;   // not 0: execve failed with this, and wait_status says nothing
};

// Signal to one task, or to all of a namespace.
struct KillRequest {
  uint64_t ns_inode = 0;
  int nr = 0;  // number in that namespace; 0: every task of the namespace and of those below it
  int signal = 0;
};

// Implemented by the supervisor, called by the Server from the server's own thread (group(): from
// threads that the Server keeps for it): an implementation hands the work to the thread that owns
// the guests and waits for it. No call may throw.
class ControlHandler {
 public:
  virtual ~ControlHandler() = default;

  // The whole container, unrestricted, seen from level 0. The server cuts it to what the peer may
  // see, and reads state, comm, cmdline, threads, pgid0 and sid0 from the host's /proc: they may
  // be left empty here.
  virtual ContainerInfo info() = 0;

  // The namespace of the guest with this host number (a thread's or a process's); nullopt: not a
  // guest of this container.
  virtual std::optional<uint64_t> namespace_of(pid_t host_pid) = 0;

  // Starts a process whose parent lies outside the namespace (getppid() gives 0 there). `on_exit`
  // is called once, from any thread, when it has ended; not called if this call fails.
  // Errors: ESRCH no such namespace or its init is gone; EAGAIN, ENOMEM from fork; those of
  // execve(2) where they are known at once, else they come as ExecEnd::exec_errno.
  virtual Result<ExecStarted> exec(const Peer& peer, ExecRequest request,
                                   std::function<void(ExecEnd)> on_exit) = 0;

  // Signals a process that exec() started. ESRCH: it has ended.
  virtual Result<void> signal_exec(uint64_t id, int signal) = 0;

  // ESRCH: no such task or namespace. EINVAL: no such signal.
  virtual Result<void> kill(const Peer& peer, const KillRequest& request) = 0;

  // One operation on task groups; several may run at once, and one may take its time, but must come
  // back when the container has ended. Errors: those of the Groups function that does the work,
  // ENOENT for a group that is not there, and ESRCH for a task that the peer does not see.
  //
  // Numbers of tasks are those of the peer's namespace (ns_inode; 0: the host's). The tree of
  // groups is everybody's to read. A guest changes only what lies below the group of its own
  // namespace's init, so that nobody lifts the limits that were set for it from outside: what it
  // asks to change elsewhere is EPERM, except that it may make groups, and move tasks that it sees,
  // in that group itself; so is a change of a group that holds tasks, there or below, which it does
  // not see. Owners and modes hold besides (EACCES), for the peer's uid and gid. The
  // server has turned away already what no guest may ask for (kMount, kUnmount), and namespaces
  // that it does not see.
  virtual Result<GroupReply> group(const Peer& peer, const GroupRequest& request) = 0;
};

}  // namespace warren::control
