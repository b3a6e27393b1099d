#pragma once

#include <cstdint>
#include <vector>

#include "warren/types.h"

namespace warren {

// What a guest asked for, whichever of fork, vfork, clone and clone3 it called.
struct ForkRequest {
  std::uint64_t flags = 0;  // CLONE_*, without the exit signal
  int exit_signal = 0;
  std::uint64_t stack = 0;  // the child's stack pointer; 0: the parent's
  std::uint64_t parent_tid = 0;
  std::uint64_t child_tid = 0;
  std::uint64_t tls = 0;
  std::uint64_t pidfd = 0;
  std::vector<Nr> set_tid;  // innermost first
};

}  // namespace warren
