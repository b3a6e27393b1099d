// Output for files, pipes and machines.
#pragma once

#include <string>

#include "cli/output.h"
#include "cli/top/ui.h"

namespace warren::cli::top {

// Headings and the whole list of the view, fitted to a terminal if there is one.
std::string batch_text(const Ui& ui, const Terminal& terminal);

// {"interval", "time", "containers": [...]}, indented, with a newline at the end.
std::string json_text(const Sample& sample, const Measurement& measurement);

}  // namespace warren::cli::top
