// How soon the supervisor's threads get a processor when somebody waits for them.
#pragma once

namespace warren {

// The calling thread asks for short slices of processor time, and so gets its turn before programs
// that calculate, which it keeps from the processor for microseconds: a guest whose call it has to
// answer stands still. Without privilege, and without more time than others have (sched_setattr(2),
// sched_runtime of SCHED_OTHER, Linux 6.12). Nothing where the host does not know it. Not
// inherited.
void ask_for_short_slices();

}  // namespace warren
