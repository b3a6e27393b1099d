// Namespaces within namespaces, made by guests themselves: the chain of small inits that
// `warren run --nest` and `--init` put between the caller and CMD.
#pragma once

#include <string>
#include <vector>

#include "cli/start_report.h"

namespace warren::cli {

struct LevelPlan {
  int below = 0;      // namespaces to make, each inside the last, the first inside the caller's
  bool init = false;  // CMD is the child of an init of warren's, not pid 1 itself
  bool kill_with_caller = false;  // if this process is killed, so is what it started
  std::string program;            // path for execve
  std::vector<std::string> argv;
  StartReport report;  // told when CMD runs
};

// Makes the namespaces and runs CMD in the innermost. The calling process, and each init in
// between, waits, reaps orphans, passes signals on, and exits with CMD's status (128+n for a signal
// n; 125, 126 or 127 with a message if CMD cannot be run). They are copies of few process images,
// so a level costs little more than its page tables.
[[noreturn]] void run_levels(LevelPlan plan);

// The hidden command that the supervisor starts as pid 1:
//   warren __init BELOW INIT PROGRAM ARGV...
// with the numbers in decimal. make_init_argv builds it, run_init_command obeys it.
std::vector<std::string> make_init_argv(const LevelPlan& plan);
[[noreturn]] void run_init_command(int argc, char** argv);
constexpr char kInitCommand[] = "__init";

}  // namespace warren::cli
