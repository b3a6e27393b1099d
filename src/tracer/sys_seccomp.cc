// seccomp(2) and prctl(PR_SET_SECCOMP): a filter of the guest's own sees the calls by which an
// agent is mapped, and may kill for them: such a process is traced (Tracer::stays_traced()).
#include "tracer/handlers.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

void sys_own_filter(SyscallContext& call) {
  call.expect_delay();
  call.runtime().agents().has_own_filter(call.task());
  call.runtime().tracer().trace(call.task().group());
  call.run();
}

}  // namespace warren
