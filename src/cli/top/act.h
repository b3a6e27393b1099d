// What keys do to containers: signals, freezing. Blocking.
#pragma once

#include <string>

#include "cli/top/rows.h"

namespace warren::cli::top {

// Both return what to tell the user in one line, whether it worked or not; not yet printable.

// A signal for a process, for all of a namespace and those below it, or for all of a group and
// those below it.
std::string send_signal(const Target& target, int signal);

// Freezes or thaws a group with all below it.
std::string set_frozen(const Target& target, bool frozen);

}  // namespace warren::cli::top
