// seccomp(2) and prctl(PR_SET_SECCOMP): a filter of the guest's own sees the calls by which an
// agent is mapped, and may kill for them.
#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"

namespace warren {

void sys_own_filter(SyscallContext& call) {
  call.runtime().agents().has_own_filter(call.task());
  call.run();
}

}  // namespace warren
