// A live process changes to another pid namespace: the engine gives it its numbers there, and what
// the process itself remembers of its old ones is rewritten while it stands still.
#pragma once

#include <future>
#include <memory>
#include <unordered_set>
#include <vector>

#include "warren/kernel.h"

namespace warren {

class Runtime;

// One move that is under way. Tracer thread only, but for `done`'s future.
struct ProcessMove {
  Ref<ThreadGroup> process;
  Ref<PidNamespace> target;
  bool children = false;
  std::promise<Result<Nr>> done;
  // Tasks that stand still for it, or are about to (Tracer::freeze()).
  std::vector<Ref<Task>> frozen;
  std::unordered_set<const Task*> known;
};

// Moves `process`, with all its threads, to `target`, and with `children` also its descendants that
// are in the namespace that it leaves (whose parents are so as well). All of them or none. Numbers
// stay the same where they are free there, in the namespaces that contain both they stay anyway.
// The process does not notice; but while it moves, it stands still. The number of the process in
// `target`.
//
// A process that thus loses sight of its parent finds it to be 0. A parent is told of the end of a
// child under the number that it knows (moved_children.h), and may wait for it by that.
//
// Any thread but the tracer's: waits for that, seconds at the most. Errors: EINVAL: the target is
// the host's. ESRCH: no such process any more. EBUSY: it is the init of a namespace, or could not
// be stopped in time. EAGAIN: no number is free. ENOMEM: memory, or the target has no init.
// EDEADLK: on the tracer's thread.
Result<Nr> move_to_namespace(Runtime& runtime, ThreadGroup& process, PidNamespace& target,
                             bool children);

}  // namespace warren
