// The tables of mounts, as a guest is to find them: with its own hierarchies of task groups under
// the types that programs look for, and without the host's, whose files name other groups than the
// guest is in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/procfs/view.h"

namespace warren::procfs {

// /proc/PID/mounts, lines as in fstab(5).
std::string rewrite_mounts(std::string_view text, const std::vector<ShownMount>& groups);
// /proc/PID/mountinfo, lines as in proc(5).
std::string rewrite_mountinfo(std::string_view text, const std::vector<ShownMount>& groups);

}  // namespace warren::procfs
