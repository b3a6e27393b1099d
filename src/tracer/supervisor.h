// The container: one running `warren run`.
#pragma once

#include "control/run_options.h"

namespace warren {

// Runs a container and returns when it has ended and nothing of it is left. The calling process,
// which must have one thread, stays in front: it is what a shell waits for and stops, and passes
// signals on. A child of it is the supervisor.
control::RunOutcome run_container(control::RunOptions options);

}  // namespace warren
