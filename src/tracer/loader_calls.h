// The calls by which the dynamic loader looks for its own files, and opens libraries, in every
// program.
//
// It makes them before a program can have an agent, so each would be a notification, on a path that
// leads nowhere near /proc. What a filter sees of one is enough to know it: where it comes from in
// its page, and how far from there the path lies. Names of its own are in the loader's file. Those
// of libraries are in the first memory that it gets from the kernel, which lies below it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace warren {

struct LoaderCall {
  int nr;
  int argument;             // the path's
  std::uint32_t ip_offset;  // of the instruction pointer, in its page
  std::int32_t distance;    // from there to where a path may begin
  std::uint32_t size;       // of that place; 1: only there
};

// Those of the file, a loader of this architecture's: its access(2) of /etc/ld.so.preload, and its
// openat(2) of /etc/ld.so.cache and of libraries, one for each place that may make it. `below`: see
// below_loader(); without it, not those of libraries. Sorted by `nr`. Empty where there is no such
// file, or it is none that is understood.
std::vector<LoaderCall> find_loader_calls(const char* path, std::optional<std::uint64_t> below);

// How far below the loader's begin this host puts a program's first mapping's end: what the kernel
// itself maps there. As in this process; nothing if it has no loader.
std::optional<std::uint64_t> below_loader();

}  // namespace warren
