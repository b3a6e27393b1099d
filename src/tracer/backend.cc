#include "tracer/backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/unique_fd.h"
#include "inject/layout.h"

namespace warren {
namespace {

constexpr std::uintptr_t kAgentBase = inject::kBase;
constexpr std::size_t kAgentSize = inject::kEnd - inject::kBase;
constexpr std::size_t kPage = inject::kPage;

constexpr std::array<std::pair<std::string_view, Backend>, 4> kNames{
    {{"auto", Backend::kAuto},
     {"ptrace", Backend::kPtrace},
     {"inject", Backend::kInject},
     {"untraced", Backend::kUntraced}}};

int map_at(std::uintptr_t address, std::size_t size, int protection, int flags, int fd) {
  void* const wanted = reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
  void* const got = mmap(wanted, size, protection, flags | MAP_FIXED_NOREPLACE, fd, 0);
  if (got == MAP_FAILED) return errno;
  if (got == wanted) return 0;
  munmap(got, size);  // a kernel that takes the address for a hint
  return EOPNOTSUPP;
}

// Root may map below vm.mmap_min_addr (CAP_SYS_RAWIO), but its guests may give that right up.
bool below_least_address() {
  UniqueFd fd(open("/proc/sys/vm/mmap_min_addr", O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!fd || read(fd.get(), text, sizeof text - 1) <= 0) return false;
  unsigned long least = 0;
  return std::sscanf(text, "%lu", &least) == 1 && least > kAgentBase;
}

// The agent's code, and a page of its data that is empty again after a fork.
void try_mapping(AgentHost& host) {
  if (below_least_address()) {
    host.map_error = EPERM;
    return;
  }
  UniqueFd file(memfd_create("warren-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ftruncate(file.get(), kPage) != 0) {
    host.map_error = errno;
    return;
  }
  host.map_error = map_at(kAgentBase, kAgentSize, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get());
  if (host.map_error == 0) munmap(reinterpret_cast<void*>(kAgentBase), kAgentSize);
  // A guest has an agent there. That the address can be had is what was to be known.
  if (host.map_error == EEXIST) host.map_error = 0;
  if (host.map_error != 0) return;

  void* const data =
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    host.map_error = errno;
    return;
  }
  if (madvise(data, kPage, MADV_WIPEONFORK) != 0) host.wipe_error = errno;
  munmap(data, kPage);
}

// The kernel looks at the flags first, so that a filter from nowhere fails with EFAULT where they
// are known, and nothing is installed. WAIT_KILLABLE_RECV is the youngest part of notification that
// warren uses; descriptors that come with an answer are older (Linux 5.14).
int try_notification() {
  const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr);
  return result < 0 && errno == EFAULT ? 0 : errno;
}

// What keeps every agent away; empty: nothing.
BackendChoice impossible(const AgentHost& host) {
  if (!host.known_machine) return {false, false, "the agent is code for x86-64", EOPNOTSUPP};
  if (host.map_error != 0) {
    return {
        false, false,
        fmt::format("guests cannot map code at {:#x}; see the sysctl vm.mmap_min_addr", kAgentBase),
        host.map_error};
  }
  if (host.wipe_error != 0) {
    return {false, false, "memory that a fork empties (MADV_WIPEONFORK) needs Linux 4.14",
            host.wipe_error};
  }
  if (host.notification_error != 0) {
    return {false, false, "user notification needs Linux 5.19", host.notification_error};
  }
  return {};
}

}  // namespace

std::optional<Backend> backend_by_name(std::string_view name) {
  for (const auto& [known, backend] : kNames) {
    if (known == name) return backend;
  }
  return std::nullopt;
}

std::string_view backend_name(Backend backend) {
  for (const auto& [name, known] : kNames) {
    if (known == backend) return name;
  }
  return "";
}

AgentHost examine_agent_host(HostFeatures& features, Backend wanted) {
  AgentHost host;
#ifdef __x86_64__
  host.known_machine = true;
#endif
  try_mapping(host);
  host.notification_error = try_notification();
  host.landlock_abi = features.landlock_abi();
  if (wanted == Backend::kUntraced || wanted == Backend::kAuto) {
    host.pidfd_epoll_error = features.pidfd_epoll_error();
  }
  return host;
}

BackendChoice choose_backend(Backend wanted, const AgentHost& host, bool ask_paths) {
  if (wanted == Backend::kPtrace) return {};
  BackendChoice choice = impossible(host);
  if (choice.error != 0) {
    if (wanted == Backend::kAuto) choice.error = 0;
    return choice;
  }
  if (wanted == Backend::kUntraced && host.pidfd_epoll_error != 0) {
    return {false, false,
            "nobody would tell of deaths: that needs pidfds in epoll as of Linux 6.9; inject does "
            "without",
            host.pidfd_epoll_error};
  }
  if (wanted == Backend::kAuto && host.landlock_abi < kLandlockScopeAbi && !ask_paths) {
    return {false, false,
            "no Landlock scope (Linux 6.12) keeps guests from what the host's /proc holds", 0};
  }
  const bool untraced =
      wanted == Backend::kUntraced || (wanted == Backend::kAuto && host.pidfd_epoll_error == 0);
  return {true, untraced, "", 0};
}

BackendChoice choose_backend(Backend wanted, HostFeatures& features, bool ask_paths) {
  if (wanted == Backend::kPtrace) return {};
  return choose_backend(wanted, examine_agent_host(features, wanted), ask_paths);
}

}  // namespace warren
