// Lists of processors (or memory nodes) as the kernel writes and reads them: "0-3,7".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "warren/group_host.h"
#include "warren/result.h"

namespace warren::group {

// At most `size` bits: the result has that many. As bitmap_parselist() of Linux: regions "a",
// "a-b", "a-b:used/group", "all", with "N" for the last one, separated by commas or blanks. EINVAL:
// not a list. ERANGE: a number that is too great. EOVERFLOW: one beyond 32 bits.
Result<CpuSet> parse_cpu_list(std::string_view text, std::size_t size);
// Without a newline; "" for an empty set.
std::string format_cpu_list(const CpuSet& set);

}  // namespace warren::group
