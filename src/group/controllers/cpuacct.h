// The processor time of a group, for other controllers.
#pragma once

#include "warren/group_host.h"
#include "warren/subsystem.h"

namespace warren {

const Subsystem& cpuacct_subsystem();

// Of the group and all below it, the ended tasks included. `cpuacct_state`: one of this subsystem.
// Not under the lock of Groups.
CpuTime cpu_time_of(SubsystemState& cpuacct_state);

}  // namespace warren
