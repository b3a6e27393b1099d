// What the containers look like at one moment: what their supervisors say, and what the processes
// use. Two of these make a screen.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "cli/top/usage.h"
#include "control/container_view.h"
#include "control/group_request.h"

namespace warren::cli::top {

struct ContainerSample {
  control::ContainerInfo info;
  std::vector<std::optional<Usage>> usage;  // of info.tasks, in their order; none: gone meanwhile
  std::optional<Usage> supervisor;          // none inside a container
  bool has_groups = false;                  // false: its supervisor knows none
  std::vector<control::GroupSnapshot> groups;
  std::map<int, std::string> hierarchies;  // "cpuset,pids" or "name=x" of those besides number 0
};

struct Sample {
  int64_t at_usec = 0;    // CLOCK_MONOTONIC
  int64_t wall_time = 0;  // seconds since the epoch
  std::vector<ContainerSample> containers;
};

// Asks the container `name`, or, for an empty name, all of the user's (inside a container that one
// alone). Blocks as long as a supervisor takes to answer.
std::optional<Failure> take_sample(const std::string& name, Sample& sample);

}  // namespace warren::cli::top
