// The single checks of `warren doctor`.
#pragma once

#include "cli/doctor.h"

namespace warren::cli {

// Why a feature is not there.
std::string why_missing(const HostFeatures& features, HostFeature feature, int error);

Finding check_kernel();
Finding check_ptrace();

// The seccomp checks share one child, which has to install a filter for good.
struct SeccompFindings {
  Finding filter, notification, sync_wake_up, wait_killable, add_fd;
};
SeccompFindings check_seccomp(const HostFeatures& features);

Finding check_landlock(HostFeatures& features);
Finding check_pidfd_epoll(HostFeatures& features);
Finding check_pidfd_self(const HostFeatures& features);
Finding check_agent(HostFeatures& features);
Finding check_fuse();
Finding check_cgroup();
Finding check_user_namespaces();
Finding check_runtime_directory();

}  // namespace warren::cli
