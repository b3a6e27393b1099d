// What one observer may see of a container, and its form on the wire.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "control/container_view.h"
#include "warren/result.h"

namespace warren::control {

// `whole` (seen from level 0) cut to the namespace `inode` and those below it, with every number as
// that namespace sees it. Numbers of tasks that it does not contain become 0. The supervisor's pid
// is left out. ESRCH: no such namespace.
Result<ContainerInfo> restrict_view(const ContainerInfo& whole, uint64_t inode);

// Fills state, comm, cmdline, threads, pgid0 and sid0 of each task from the host's /proc, where
// they are empty. A task that is gone meanwhile is dropped.
void fill_from_proc(ContainerInfo& whole);

// The stable form of `--json` and of the control protocol. Bytes that are not UTF-8 come out as
// U+FFFD when dumped with the error handler `replace`.
nlohmann::json to_json(const ContainerInfo& info);

// EPROTO: not such a value.
Result<ContainerInfo> container_from_json(const nlohmann::json& json);

}  // namespace warren::control
