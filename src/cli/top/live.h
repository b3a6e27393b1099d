// The live screen: keys, clock, signals and the answers of containers in one loop.
#pragma once

#include <string>

#include "cli/top/ui.h"

namespace warren::cli::top {

// Until the user quits, or `iterations` measurements were shown (0: no limit). `name`: as for
// take_sample(). Returns the exit status; a signal that ends the program ends it as if it had not
// been caught, but for the terminal.
int run_live(const std::string& name, const Settings& settings, long iterations);

// The first measurement takes this long at most, seconds.
constexpr double kFirstInterval = 0.5;

}  // namespace warren::cli::top
