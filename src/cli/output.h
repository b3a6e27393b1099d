// Writing results: what stdout is, and saying so when it does not take them.
#pragma once

#include <cstddef>
#include <string_view>

#include "warren/result.h"

namespace warren::cli {

struct Terminal {
  bool colour = false;
  size_t width = 0;  // columns; 0: as wide as it needs to be
};

// What stdout is: colour and width on a terminal (no colour with NO_COLOR set, or TERM=dumb),
// neither elsewhere, so that output into pipes and files never changes.
Terminal stdout_terminal();

// Writes all of `text` to stdout. Errors: those of write(2).
Result<void> write_stdout(std::string_view text);

// Writes `text` to stdout; reports a failure. Returns the exit status: 0 or 125.
int print(std::string_view text);

// Gives descriptors 0 to 2 that the caller closed a place-holder that fails as a closed one does
// (EBADF), so that no file of ours lands on them. Placeholders are close-on-exec: the programs that
// warren starts find them closed.
void hold_standard_fds();

// Whether `fd`, one of 0 to 2, was open when hold_standard_fds() was called.
bool standard_fd_open(int fd);

}  // namespace warren::cli
