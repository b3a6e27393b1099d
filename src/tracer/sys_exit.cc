// The death of one thread, and memory that outlives it.
#include "tracer/handlers.h"
#include "tracer/process_flags.h"
#include "tracer/robust_list.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/thread_end.h"
#include "tracer/tracer.h"

namespace warren {

// exit(2) of one thread: its process may live on and wait for robust mutexes that the thread held.
// A death by signal is always that of the whole process, and matters only to others that share
// memory with it: sys_share_memory().
void sys_exit(SyscallContext& call) {
  mend_robust_list(call.tid(), call.task().vnr());
  // Whoever traces it sees it until that was told of its end.
  if (!has_flag(call.task().group(), ProcessFlag::kGuestTraced)) mark_thread_ending(call.task());
  if (call.task().is_leader() && call.task().group().nr_threads() > 1) {
    call.runtime().tracer().leader_ends(call.task());
  }
  call.runtime().tracer().thread_ended(call.task());
  call.run();
}

// mmap(2) of shared writable memory, shmat(2): from now on the deaths of this process concern
// others. Its threads get the stop at their end (PTRACE_O_TRACEEXIT) that others are spared.
void sys_share_memory(SyscallContext& call) {
  ThreadGroup& process = call.task().group();
  if (!has_flag(process, ProcessFlag::kSharesMemory)) {
    set_flag(process, ProcessFlag::kSharesMemory);
    Tracer& tracer = call.runtime().tracer();
    tracer.do_now([&] { tracer.refresh_options(process); });
  }
  call.run();
}

}  // namespace warren
