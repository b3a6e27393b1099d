// Signals by name.
#pragma once

#include <string>
#include <string_view>

#include "warren/result.h"

namespace warren::cli {

// "TERM", "SIGTERM", "term", "15", "RTMIN+3" to its number; 0 is allowed (it only asks whether the
// task is there, kill(2)). EINVAL: no such signal.
Result<int> parse_signal(std::string_view text);

// "SIGTERM"; for an unknown number "signal N".
std::string signal_name(int signal);

}  // namespace warren::cli
