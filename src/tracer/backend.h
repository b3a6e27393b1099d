// Which of the ways of serving guests a container takes. `ptrace`: every guest is traced, and
// each of its calls that warren serves goes to the supervisor. `inject`: guests also get an agent,
// code of ours in their own memory, that serves the hot calls there. `untraced`: guests have that
// agent, and are traced only for the moments that need a stop.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tracer/host_features.h"

namespace warren {

enum class Backend { kAuto, kPtrace, kInject, kUntraced };

// "auto", "ptrace", "inject" or "untraced", as on the command line; nullopt: none of them.
std::optional<Backend> backend_by_name(std::string_view name);
std::string_view backend_name(Backend backend);

// What the host has of the things that decide. An error is an errno, 0 where the host can.
struct AgentHost {
  bool known_machine = false;  // the agent's code is for this one
  int map_error = 0;           // code of a memfd, and data, at the agent's fixed addresses
  int wipe_error = 0;          // madvise(2), MADV_WIPEONFORK: Linux 4.14
  int notification_error = 0;  // seccomp_unotify(2) as all of warren needs it: Linux 5.19
  int landlock_abi = 0;        // landlock(7); 0: none
  int pidfd_epoll_error = 0;   // for `untraced`: HostFeatures::pidfd_epoll_error()
};

// Finds out by doing it, in this process; leaves nothing mapped. Takes microseconds, but for what
// `untraced` needs, which is looked at only where it may be taken. Not while another thread maps
// memory at addresses that it gives itself.
AgentHost examine_agent_host(HostFeatures& features, Backend wanted);

struct BackendChoice {
  bool agent = false;
  bool untraced = false;
  // One line: why there is no agent although `auto` or `inject` was wanted. Else empty.
  std::string why;
  int error = 0;  // an errno: what was wanted cannot be had, and `why` says what is missing
};

// `auto` takes the fastest that the host can: `untraced`, else `inject`; and the agent only where
// the container's Landlock domain closes what a guest may find in the host's /proc by winning a
// race about a path, since the agent looks at paths in the guest's own process
// (docs/threat_model.md), or where it does not look at them: `ask_paths`, the supervisor walks
// each. Who asks for `inject` by name gets it without either.
BackendChoice choose_backend(Backend wanted, const AgentHost& host, bool ask_paths = false);
BackendChoice choose_backend(Backend wanted, HostFeatures& features, bool ask_paths);

}  // namespace warren
