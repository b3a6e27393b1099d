// The calls by which the dynamic loader looks for its own files in every program.
//
// It makes them before a program can have an agent, so each would be a notification, on a path that
// leads nowhere near /proc. What a filter sees of one is enough to know it: where it comes from in
// its page, and how far from there the path lies, both being in the loader's file.
#pragma once

#include <cstdint>
#include <vector>

namespace warren {

struct LoaderCall {
  int nr;
  int argument;             // the path's
  std::uint32_t ip_offset;  // of the instruction pointer, in its page
  std::int32_t distance;    // from there to the path
};

// Those of the file, a loader of this architecture's: its access(2) of /etc/ld.so.preload, and its
// openat(2) of /etc/ld.so.cache, one for each place that may make it. Sorted by `nr`. Empty where
// there is no such file, or it is none that is understood.
std::vector<LoaderCall> find_loader_calls(const char* path);

}  // namespace warren
