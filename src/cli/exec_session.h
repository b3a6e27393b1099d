// The client's part of `warren exec` while the process runs.
#pragma once

#include <string>

#include "control/client.h"

namespace warren::cli {

// Starts `command` (its stdio is filled in here), passes signals on and, for a terminal, everything
// typed and shown; returns the exit status when the process has ended. `target` is for messages.
int run_exec_session(control::Client& client, control::ExecCommand command,
                     const std::string& target);

}  // namespace warren::cli
