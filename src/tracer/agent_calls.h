// What agents say to the supervisor in guests that are not traced (inject/layout.h, PrivateCall).
#pragma once

#include "inject/image.h"
#include "tracer/agent_forks.h"

namespace warren {

class SyscallContext;

// Says in the context what the agent is to get. True: it will be answered by somebody else. Any
// thread. Nothing that an agent says is believed but of the caller itself: whoever jumps into the
// agent gets no more than by calling it.
bool serve_agent_call(inject::PrivateCall which, SyscallContext& call,
                      const AgentForks::Caller& caller);

}  // namespace warren
