#include "cli/doctor_checks.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "cli/containers.h"
#include "cli/inside.h"
#include "control/exec_program.h"
#include "control/runtime_dir.h"
#include "tracer/backend.h"
#include "tracer/cgroup_place.h"
#include "tracer/host_features.h"

namespace warren::cli {
namespace {

constexpr int kLeastMajor = 5, kLeastMinor = 19;  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

constexpr char kPtraceScope[] = "/proc/sys/kernel/yama/ptrace_scope";

std::string first_line(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  ssize_t size = fd ? read(fd.get(), buffer, sizeof buffer) : 0;
  std::string text(buffer, static_cast<size_t>(size > 0 ? size : 0));
  return text.substr(0, text.find('\n'));
}

// Runs `work` in a child; its return value (an errno below 256), or ECHILD.
template <typename Work>
int in_child(Work work) {
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) _exit(work());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

// Seizes a child of ours, as warren does, and stops it. 0 or errno.
int try_ptrace() {
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    for (;;) pause();
  }
  int error = 0;
  long options =
      PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD;
  if (ptrace(PTRACE_SEIZE, child, nullptr, options) < 0) {
    error = errno;
  } else if (ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr) < 0) {
    error = errno;
  } else {
    int status = 0;
    pid_t stopped = waitpid(child, &status, __WALL);
    if (stopped != child || !WIFSTOPPED(status)) error = EPROTO;
  }
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  return error;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// What is in force where this process itself is a guest.
Finding check_cgroup_inside() {
  Finding finding{"cgroup delegation", Health::kOk, false, "", "", ""};
  std::vector<control::ContainerInfo> own;
  if (auto failure = fetch_containers("doctor", "", own); failure || own.empty()) {
    finding.health = Health::kMissing;
    finding.detail = "this container does not say whose controllers it has";
    return finding;
  }
  const std::vector<std::string>& kernel = own.front().kernel_controllers;
  finding.detail = kernel.empty() ? "this container's controllers are warren's own"
                                  : "in this container the kernel has " + joined(kernel);
  return finding;
}

}  // namespace

std::string why_missing(const HostFeatures& features, HostFeature feature, int error) {
  return features.is_off(feature) ? "switched off by WARREN_WITHOUT" : strerror(error);
}

Finding check_kernel() {
  utsname name;
  uname(&name);
  int major = 0, minor = 0;
  sscanf(name.release, "%d.%d", &major, &minor);
  std::string detail = std::string(name.sysname) + " " + name.release + " " + name.machine;
  bool new_enough = major > kLeastMajor || (major == kLeastMajor && minor >= kLeastMinor);
  bool known = strcmp(name.machine, "x86_64") == 0;
  Finding finding{"kernel", Health::kOk, true, detail, "", ""};
  if (!new_enough || !known) {
    finding.health = Health::kMissing;
    finding.cost =
        known ? "it is too old to hand system calls over safely" : "not an x86-64 machine";
    finding.advice = "use Linux 5.19 or later on x86-64";
  }
  return finding;
}

Finding check_ptrace() {
  std::string scope = first_line(kPtraceScope);
  std::string detail = scope.empty() ? "no Yama" : "Yama's ptrace_scope is " + scope;
  int error = try_ptrace();
  if (error == 0) return {"ptrace", Health::kOk, true, "children can be traced; " + detail, "", ""};
  Finding finding{"ptrace",
                  Health::kMissing,
                  true,
                  std::string(strerror(error)) + "; " + detail,
                  "warren cannot follow its guests",
                  ""};
  if (!scope.empty() && scope > "1") {
    finding.advice = "have root write 1 to /proc/sys/kernel/yama/ptrace_scope";
  } else {
    finding.advice = "a container runtime may forbid ptrace(2): allow SYS_PTRACE in its profile";
  }
  return finding;
}

Finding check_landlock(HostFeatures& features) {
  int error = 0;
  const int abi = features.landlock_abi(&error);
  const std::string detail =
      abi > 0 ? "ABI " + std::to_string(abi) : why_missing(features, HostFeature::kLandlock, error);
  if (abi >= kLandlockScopeAbi) return {"landlock", Health::kOk, false, detail, "", ""};
  // Yama's scope closes what takes the right to attach, and not what takes that to read.
  const std::string scope = first_line(kPtraceScope);
  const bool yama = !scope.empty() && scope != "0";
  // An older one lacks the scope that warren's domain is made of, so that nothing is closed.
  return {"landlock",
          abi > 0 ? Health::kLimited : Health::kMissing,
          false,
          detail,
          std::string("a hostile guest that finds the host's /proc reaches the environment, ") +
              (yama ? "maps and files of your processes (Yama keeps their memory)"
                    : "memory and files of your processes"),
          "use Linux 6.12 or later, booted with lsm=landlock,..."};
}

Finding check_pidfd_epoll(HostFeatures& features) {
  const int error = features.pidfd_epoll_error();
  if (error == 0) {
    return {"pidfds in epoll",
            Health::kOk,
            false,
            "ends of processes are told, and their reaping",
            "",
            ""};
  }
  return {"pidfds in epoll",
          Health::kLimited,
          false,
          why_missing(features, HostFeature::kPidfdEpoll, error),
          "no 'run --backend=untraced', auto takes inject: a fork stops its guest, and costs more "
          "beside many guests",
          "use Linux 6.9 or later"};
}

Finding check_pidfd_self(const HostFeatures& features) {
  const int error = features.pidfd_self_error();
  if (error == 0) {
    return {"own pidfd", Health::kOk, false, "a process can signal itself without a number",
            "",          ""};
  }
  return {
      "own pidfd",
      Health::kLimited,
      false,
      why_missing(features, HostFeature::kPidfdSelf, error),
      "a signal that a guest sends itself (raise, abort) costs some 50 us: the supervisor sends it",
      "use Linux 6.18 or later"};
}

Finding check_agent(HostFeatures& features) {
  if (inside_container()) {
    return {"agent", Health::kOk, false, "this container's back end serves what is below it",
            "",      ""};
  }
  const AgentHost host = examine_agent_host(features, Backend::kAuto);
  const BackendChoice choice = choose_backend(Backend::kAuto, host);
  if (choice.agent) {
    const char* const taken = choice.untraced ? "untraced" : "inject";
    return {"agent", Health::kOk, false, std::string("'run --backend=auto' takes ") + taken,
            "",      ""};
  }
  const bool possible = choose_backend(Backend::kInject, host).agent;
  return {"agent",
          possible ? Health::kLimited : Health::kMissing,
          false,
          "'run --backend=auto' takes ptrace: " + choice.why,
          "calls that an agent in the guest would serve wake the supervisor",
          possible ? "give --ask-paths for an agent that leaves paths to the supervisor, "
                     "--backend=inject for guests that you trust, or use Linux 6.12 or later with "
                     "lsm=landlock,..."
                   : ""};
}

Finding check_fuse() {
  UniqueFd fd(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  int error = fd ? 0 : errno;
  bool helper = control::find_program("fusermount3").ok();
  if (error == 0 && helper) return {"fuse", Health::kOk, false, "/dev/fuse, fusermount3", "", ""};
  const char* cost = "no file system of warren's can be mounted; running containers needs none";
  if (error != 0) {
    return {"fuse", Health::kMissing,
            false,  std::string("/dev/fuse: ") + strerror(error),
            cost,   "load the module fuse and give users access to /dev/fuse"};
  }
  return {"fuse", Health::kLimited,           false, "/dev/fuse, but no fusermount3",
          cost,   "install the package fuse3"};
}

Finding check_cgroup() {
  if (inside_container()) return check_cgroup_inside();
  const cgroup::Place place = cgroup::find_place({});
  Finding finding{"cgroup delegation", Health::kOk, false, place.path, "", ""};
  if (place.error == 0) {
    finding.detail += ": 'run --cgroup=delegate' gives the kernel " + joined(place.controllers) +
                      "; without it warren's own are in force";
    return finding;
  }
  if (!place.path.empty()) finding.detail += std::string(": ") + strerror(place.error);
  if (!place.path.empty() && !place.detail.empty()) finding.detail += ", ";
  finding.detail += place.detail;
  // Another place may do.
  finding.health = place.path.empty() ? Health::kMissing : Health::kLimited;
  finding.cost = "limits are warren's own: it looks and freezes or kills, the kernel would refuse";
  finding.advice = place.advice;
  return finding;
}

Finding check_user_namespaces() {
  int error = in_child([] { return unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 ? errno : 0; });
  if (error == 0) {
    return {"user namespaces", Health::kOk, false, "allowed; warren does not use them", "", ""};
  }
  return {"user namespaces",
          Health::kMissing,
          false,
          strerror(error),
          "the kernel's own PID namespaces are not for you; warren does not need them",
          ""};
}

Finding check_runtime_directory() {
  std::string tried;
  auto dir = control::RuntimeDir::open_first(/*create=*/true, &tried);
  if (dir) return {"runtime directory", Health::kOk, true, dir->path(), "", ""};
  return {"runtime directory",
          Health::kMissing,
          true,
          tried + ": " + strerror(dir.error_code()),
          "containers have no place for their sockets",
          "remove it if it is not yours, or set XDG_RUNTIME_DIR to a directory of your own"};
}

}  // namespace warren::cli
