#include "cli/doctor.h"

#include <algorithm>

#include "cli/doctor_checks.h"

namespace warren::cli {

std::vector<Finding> examine_host(HostFeatures& features) {
  SeccompFindings seccomp = check_seccomp(features);
  return {check_kernel(),
          check_ptrace(),
          seccomp.filter,
          seccomp.notification,
          seccomp.add_fd,
          seccomp.sync_wake_up,
          seccomp.wait_killable,
          check_runtime_directory(),
          check_landlock(features),
          check_pidfd_epoll(features),
          check_pidfd_self(features),
          check_agent(features),
          check_fuse(),
          check_cgroup(),
          check_user_namespaces()};
}

bool can_run(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.required && finding.health == Health::kMissing;
  });
}

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kLimited:
      return "limited";
    case Health::kMissing:
      return "missing";
  }
  return "";
}

}  // namespace warren::cli
