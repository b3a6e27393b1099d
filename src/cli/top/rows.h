// What the screen lists: rates out of two samples, one row for each group, namespace or process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/top/sample.h"
#include "cli/tree.h"

namespace warren::cli::top {

enum class View { kGroups, kNamespaces, kTasks };

// One process, as `warren kill` names it.
struct Process {
  uint64_t ns_inode = 0;
  int nr = 0;
};

// What a key acts on.
struct Target {
  View kind = View::kTasks;
  std::string container;
  std::string title;               // "group /a", "process 17 (sleep)"; not yet printable
  uint64_t ns_inode = 0;           // a namespace, or a process's
  int nr = 0;                      // of a process, in that namespace
  int hierarchy = 0;               // of a group
  std::string path;                // of a group
  std::vector<Process> processes;  // of a group itself; processes_below() for those below too
  bool frozen = false;
};

struct Row {
  std::string key;            // stays with the thing from sample to sample, and is no other's
  size_t parent = kNoParent;  // index of the row above it in the tree
  std::string container;
  std::string name;        // path, command or inode number, whole
  std::string short_name;  // the same below its parent
  std::string numbers;     // of a process, from the outermost namespace to its own
  std::string group;       // of a process, in the default hierarchy
  std::string state;
  int64_t order = 0;  // what sorting by name or number goes by first
  int level = 0;      // of a namespace
  int init = 0;       // of a namespace: its init's number; 0: gone
  uint64_t inode = 0;
  int tasks = 0;              // threads, with those below; of a process its threads
  int own_tasks = 0;          // without those below
  int64_t tasks_limit = -1;   // -1: none
  std::optional<double> cpu;  // percent of one processor
  uint64_t cpu_usec = 0;
  uint64_t memory = 0;
  std::optional<double> forks;  // a second
  bool init_task = false;
  Target target;
};

// One container, or all, in the lines at the top of the screen.
struct Totals {
  std::vector<std::string> names;
  std::string backend;  // of the one container
  int64_t started = 0;  // of the one container
  int processes = 0, threads = 0, running = 0, stopped = 0, zombies = 0;
  int namespaces = 0, groups = 0, frozen_groups = 0;
  bool has_groups = false;
  std::optional<double> cpu;  // of the guests
  uint64_t memory = 0;
  std::optional<double> forks;
  std::optional<double> supervisor_cpu;
};

// Rates between two samples; `before` may be empty (at_usec 0): then there are none.
class Measurement {
 public:
  Measurement() = default;
  Measurement(const Sample& before, const Sample& now);

  const std::vector<Row>& rows(View view) const { return rows_[static_cast<size_t>(view)]; }
  const Totals& totals() const { return totals_; }
  double seconds() const { return seconds_; }
  int64_t wall_time() const { return wall_time_; }
  // Whether a group other than a root exists anywhere.
  bool has_named_groups() const { return has_named_groups_; }

 private:
  struct Previous;
  void add_container(const Previous& previous, const ContainerSample& now);
  void add_tasks(const Previous& previous, const ContainerSample& now);
  void add_namespaces(const Previous& previous, const ContainerSample& now, size_t first_task);
  void add_groups(const Previous& previous, const ContainerSample& now);
  std::optional<double> rate(uint64_t before, uint64_t now) const;
  std::vector<Row>& mutable_rows(View view) { return rows_[static_cast<size_t>(view)]; }

  std::vector<Row> rows_[3];
  Totals totals_;
  double seconds_ = 0;
  int64_t wall_time_ = 0;
  bool has_named_groups_ = false;
};

// Of the group `rows[top]` and all below it.
std::vector<Process> processes_below(const std::vector<Row>& rows, size_t top);

}  // namespace warren::cli::top
