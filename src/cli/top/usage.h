// What one process uses, as proc(5) tells it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace warren::cli::top {

struct Usage {
  uint64_t cpu_usec = 0;  // user and system time of all its threads, the ended ones too
  uint64_t memory = 0;    // resident set, bytes
  uint64_t started = 0;   // clock ticks after boot; tells two holders of one number apart
};

// From the text of /proc/PID/stat. nullopt: that is no such text. `ticks` to the second
// (sysconf(3), _SC_CLK_TCK) and bytes to the page are the machine's.
std::optional<Usage> parse_usage(std::string_view stat, uint64_t ticks, uint64_t page_size);

// Of the process with this number in the caller's own /proc; nullopt: it is gone.
std::optional<Usage> usage_of(int pid);

}  // namespace warren::cli::top
