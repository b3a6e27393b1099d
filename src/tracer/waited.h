// Numbers of waits: what a guest asks for, and what the host's kernel has found.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "tracer/remote_memory.h"
#include "warren/group_host.h"
#include "warren/types.h"

namespace warren {

class Runtime;
class Task;

// The host's number for the argument of wait4(2), which is below -1 or above 0: a process, or
// negative: a group. 0: there is none such. Any thread.
pid_t host_of_wait_target(Runtime& runtime, Task& task, Nr pid);

// What a struct rusage in a guest's memory says; nothing: it cannot be read.
std::optional<CpuTime> read_usage(const RemoteMemory& memory, std::uint64_t address);

// The kernel says that `task` has waited for the child `host`, who used `time` with all that it
// waited for itself, if that is known. Its number for the guest. 0: the guest must not see it. Any
// thread.
Nr note_waited(Runtime& runtime, Task& task, pid_t host, const CpuTime* time = nullptr);

}  // namespace warren
