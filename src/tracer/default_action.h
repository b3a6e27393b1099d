// What becomes of a signal that a task has no handler for.
#pragma once

#include <sys/types.h>

namespace warren {

// Whether the task would act on the signal by its default, which is to end, to dump core or to
// stop: neither handled nor ignored, nor ignored by default. Any thread.
bool acts_by_default(pid_t tid, int signal);

}  // namespace warren
