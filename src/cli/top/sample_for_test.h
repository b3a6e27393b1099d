// Containers made up for the tests of `warren top`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/top/sample.h"

namespace warren::cli::top {

inline control::TaskInfo task_of(std::vector<int> nrs, uint64_t ns, int parent, std::string command,
                                 bool init = false) {
  control::TaskInfo task;
  task.nrs = std::move(nrs);
  task.ns_inode = ns;
  task.level = static_cast<int>(task.nrs.size()) - 1;
  task.parent_level0 = parent;
  task.state = "S";
  task.comm = command.substr(0, 15);
  task.cmdline = std::move(command);
  task.threads = 1;
  task.is_init = init;
  return task;
}

inline control::GroupSnapshot group_of(std::string path, uint64_t cpu_usec, uint64_t forks,
                                       std::vector<int> processes) {
  control::GroupSnapshot group;
  group.path = std::move(path);
  group.cpu_usec = cpu_usec;
  group.forks = forks;
  group.own_tasks = group.tasks = static_cast<int>(processes.size());
  group.processes = std::move(processes);
  return group;
}

// Two namespaces, 10 and within it 20; four processes, with as many hundredths of a second each as
// `cpu` says; groups /, /a and /a/b.
inline Sample sample_at(int64_t at_usec, std::vector<uint64_t> cpu = {0, 0, 0, 0}) {
  Sample sample;
  sample.at_usec = at_usec;
  sample.wall_time = 1'000'000 + at_usec / 1'000'000;
  ContainerSample& web = sample.containers.emplace_back();
  web.info.name = "web";
  web.info.backend = "ptrace";
  web.info.started = 1'000'000;
  web.info.tasks = {
      task_of({100, 1}, 10, 0, "sh -c main", true), task_of({101, 2}, 10, 100, "worker --fast"),
      task_of({102, 3, 1}, 20, 101, "init of inner", true), task_of({103, 4, 2}, 20, 102, "Leaf")};
  web.info.namespaces = {
      {.inode = 10, .level = 1, .init_level0 = 100, .last_nr = 4, .pid_max = 32768},
      {.inode = 20,
       .level = 2,
       .parent_inode = 10,
       .init_level0 = 102,
       .last_nr = 2,
       .pid_max = 32768}};
  for (size_t i = 0; i < 4; ++i) {
    web.usage.push_back(Usage{cpu[i] * 10'000, (i + 1) * 1024 * 1024, 5000 + i});
  }
  web.has_groups = true;
  web.groups = {group_of("/", 0, 0, {100}), group_of("/a", 0, 0, {101}),
                group_of("/a/b", 0, 0, {102, 103})};
  web.groups[0].tasks = 4;
  web.groups[1].tasks = 3;
  return sample;
}

}  // namespace warren::cli::top
