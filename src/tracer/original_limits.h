// What the supervisor changes for itself and gives back to guests.
#pragma once

namespace warren {

// Notes the caller's resource limits and signal mask, then raises the number of open files as far
// as it goes: the supervisor keeps a file for each namespace that is looked at. Once, at the start.
void keep_original_limits();
// Async-signal-safe.
void restore_original_limits();
void set_original_signal_mask();

}  // namespace warren
