// The warren command line.
#pragma once

#include "cli/command.h"

namespace warren::cli {

// Runs the command that the arguments name and returns the exit status.
int run_app(int argc, char** argv, RunContainer run_container);

// The arguments (without the program's name) with "--" put before the first that belongs to a
// guest's command line: after `before` arguments that are neither options of `app` nor their
// values. As they are if there is a "--" already, or no guest's command line.
std::vector<std::string> mark_guest_command(const CLI::App& app, std::vector<std::string> arguments,
                                            int before);

}  // namespace warren::cli
