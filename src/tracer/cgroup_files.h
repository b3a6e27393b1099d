// Files of warren's subsystems in the kernel's words: most have the same name and text there, those
// of v1 are made from v2's.
#pragma once

#include <string>
#include <string_view>

#include "warren/result.h"

namespace warren::cgroup {

// The kernel's file that this one is, or is made of.
std::string kernel_name(std::string_view file);
// A file of cpu, cpuset, memory or pids, for a group whose cgroup is `directory`; `root`: the
// container's root group. Errors: the kernel's; EOPNOTSUPP: it can only be read, or it has nothing
// like it; ENODEV: the directory was removed.
Result<std::string> read_as(int directory, bool root, std::string_view file);
Result<void> write_as(int directory, std::string_view file, std::string_view text);

}  // namespace warren::cgroup
