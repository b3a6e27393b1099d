// Where a container could have the kernel's controllers: the caller's own directory of cgroups v2,
// if it was delegated to the caller.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace warren::cgroup {

// The controllers of the kernel that stand for subsystems of the same names.
inline constexpr const char* kControllers[] = {"cpu", "cpuset", "memory", "pids"};

// What `warren run --cgroup=delegate` begins with, and what `warren doctor` shows.
struct Place {
  std::string path;  // empty: no cgroups v2 are mounted, or not where the caller is
  UniqueFd directory;
  // The real root, where processes and controllers go together.
  bool machine_root = false;
  // Those of kControllers that the directory has.
  std::vector<std::string> controllers;
  // Processes in it that are not the caller's own: as long as they are there the kernel lets nobody
  // below have controllers.
  std::vector<pid_t> others;
  // 0: it can be used. Else why not: an errno, a few words more (may be empty), and what to do.
  int error = 0;
  std::string detail;
  std::string advice;
};

// `own`: processes besides the caller that would go along. Leaves nothing behind.
Place find_place(std::span<const pid_t> own);

}  // namespace warren::cgroup
