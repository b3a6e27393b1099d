// Who becomes the parent of an orphan.
#pragma once

#include "kernel/core.h"

namespace warren::kernel {

// The new parent of `child`, whose parent `father` has no live thread left; null when there is
// none, as for the tasks of a namespace whose init has died. `grandfather`: the parent of `father`,
// or who was that before it was reaped; may be null.
GroupImpl* choose_reaper(const Core& core, const GroupImpl* father, const GroupImpl* child,
                         GroupImpl* grandfather) WARREN_REQUIRES(core.tasklist);

}  // namespace warren::kernel
