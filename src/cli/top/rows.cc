#include "cli/top/rows.h"

#include <algorithm>
#include <unordered_map>

namespace warren::cli::top {
namespace {

constexpr int kReservedNumbers = 300;  // numbering begins again above them (proc(5), pid_max)
constexpr double kMicrosecond = 1e-6;

std::string join(const std::vector<int>& nrs) {
  std::string text;
  for (int nr : nrs) text += (text.empty() ? "" : ",") + std::to_string(nr);
  return text;
}

std::string command_of(const control::TaskInfo& task) {
  return task.cmdline.empty() ? "[" + task.comm + "]" : task.cmdline;
}

// How many numbers were given between the last of before and that of now.
uint64_t numbers_given(const control::NamespaceInfo& before, const control::NamespaceInfo& now) {
  if (now.last_nr >= before.last_nr) return static_cast<uint64_t>(now.last_nr - before.last_nr);
  int again = now.pid_max - kReservedNumbers;
  return static_cast<uint64_t>(std::max(0, now.last_nr - before.last_nr + again));
}

std::optional<double> sum(std::optional<double> a, std::optional<double> b) {
  if (!a) return b;
  return b ? *a + *b : a;
}

std::string last_component(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string parent_path(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

// The earlier sample of one container, found by name and start, since names are given again.
struct Measurement::Previous {
  const ContainerSample* container = nullptr;
  std::unordered_map<int, const Usage*> usage;  // by the first number
  std::unordered_map<uint64_t, const control::NamespaceInfo*> namespaces;
  std::unordered_map<std::string, const control::GroupSnapshot*> groups;  // "0:/a"

  static std::string group_key(const control::GroupSnapshot& group) {
    return std::to_string(group.hierarchy) + ":" + group.path;
  }

  Previous(const Sample& before, const ContainerSample& now) {
    for (const ContainerSample& each : before.containers) {
      if (each.info.name == now.info.name && each.info.started == now.info.started) {
        container = &each;
      }
    }
    if (container == nullptr) return;
    for (size_t i = 0; i < container->info.tasks.size(); ++i) {
      if (container->usage[i]) {
        usage[container->info.tasks[i].nrs.front()] = &*container->usage[i];
      }
    }
    for (const auto& ns : container->info.namespaces) namespaces[ns.inode] = &ns;
    for (const auto& group : container->groups) groups[group_key(group)] = &group;
  }
};

Measurement::Measurement(const Sample& before, const Sample& now) : wall_time_(now.wall_time) {
  if (before.at_usec != 0 && now.at_usec > before.at_usec) {
    seconds_ = static_cast<double>(now.at_usec - before.at_usec) * kMicrosecond;
  }
  for (const ContainerSample& container : now.containers) {
    add_container(Previous(before, container), container);
  }
  if (now.containers.size() == 1) {
    totals_.backend = now.containers.front().info.backend;
    totals_.started = now.containers.front().info.started;
  }
}

std::optional<double> Measurement::rate(uint64_t before, uint64_t now) const {
  if (seconds_ <= 0) return std::nullopt;
  // A counter that went back is another thing's, of the same name.
  return static_cast<double>(now >= before ? now - before : now) / seconds_;
}

void Measurement::add_container(const Previous& previous, const ContainerSample& now) {
  totals_.names.push_back(now.info.name);
  if (previous.container != nullptr && previous.container->supervisor && now.supervisor) {
    auto used = rate(previous.container->supervisor->cpu_usec, now.supervisor->cpu_usec);
    if (used) totals_.supervisor_cpu = sum(totals_.supervisor_cpu, *used * kMicrosecond * 100);
  }
  size_t first_task = mutable_rows(View::kTasks).size();
  add_tasks(previous, now);
  add_namespaces(previous, now, first_task);
  add_groups(previous, now);
}

void Measurement::add_tasks(const Previous& previous, const ContainerSample& now) {
  std::vector<Row>& rows = mutable_rows(View::kTasks);
  std::unordered_map<int, std::string> group_of;
  for (const auto& group : now.groups) {
    if (group.hierarchy != 0) continue;
    for (int nr : group.processes) group_of[nr] = group.path;
  }
  size_t first = rows.size();
  std::unordered_map<int, size_t> index;
  for (size_t i = 0; i < now.info.tasks.size(); ++i) {
    const control::TaskInfo& task = now.info.tasks[i];
    index[task.nrs.front()] = rows.size();
    Row& row = rows.emplace_back();
    row.container = now.info.name;
    row.name = row.short_name = command_of(task);
    row.numbers = join(task.nrs);
    row.state = task.state;
    row.order = task.nrs.front();
    row.level = task.level;
    row.inode = task.ns_inode;
    row.tasks = row.own_tasks = std::max(task.threads, 1);
    row.init_task = task.is_init;
    if (auto group = group_of.find(task.nrs.front()); group != group_of.end()) {
      row.group = group->second;
    }
    uint64_t started = 0;
    if (const auto& usage = now.usage[i]) {
      row.cpu_usec = usage->cpu_usec;
      row.memory = usage->memory;
      started = usage->started;
      auto before = previous.usage.find(task.nrs.front());
      bool known = before != previous.usage.end() && before->second->started == started;
      // A process that was not there has used all that it has in between.
      auto used = previous.container == nullptr
                      ? std::nullopt
                      : rate(known ? before->second->cpu_usec : 0, row.cpu_usec);
      if (used) row.cpu = *used * kMicrosecond * 100;
    }
    row.key = "t" + row.container + "/" + row.numbers + "/" + std::to_string(started);
    row.target = {View::kTasks, row.container, "process " + row.numbers + " (" + task.comm + ")",
                  task.ns_inode, task.nrs.back()};
    ++totals_.processes;
    totals_.threads += row.tasks;
    totals_.running += task.state == "R" ? 1 : 0;
    totals_.stopped += task.state == "T" || task.state == "t" ? 1 : 0;
    totals_.zombies += task.state == "Z" ? 1 : 0;
    totals_.cpu = sum(totals_.cpu, row.cpu);
    totals_.memory += row.memory;
  }
  for (size_t i = 0; i < now.info.tasks.size(); ++i) {
    auto parent = index.find(now.info.tasks[i].parent_level0);
    if (parent != index.end()) rows[first + i].parent = parent->second;
  }
}

void Measurement::add_namespaces(const Previous& previous, const ContainerSample& now,
                                 size_t first_task) {
  std::vector<Row>& rows = mutable_rows(View::kNamespaces);
  const std::vector<Row>& tasks = rows_[static_cast<size_t>(View::kTasks)];
  size_t first = rows.size();
  std::unordered_map<uint64_t, size_t> index;
  for (const control::NamespaceInfo& ns : now.info.namespaces) {
    auto parent = index.find(ns.parent_inode);
    index[ns.inode] = rows.size();
    Row& row = rows.emplace_back();
    if (parent != index.end()) row.parent = parent->second;
    row.container = now.info.name;
    row.key = "n" + row.container + "/" + std::to_string(ns.inode);
    row.order = static_cast<int64_t>(ns.inode);
    row.inode = ns.inode;
    row.level = ns.level;
    row.init = ns.init_level0;
    row.name = row.short_name = "-";
    auto before = previous.namespaces.find(ns.inode);
    if (seconds_ > 0 && previous.container != nullptr) {
      // One that was not there has given all its numbers in between.
      row.forks = before == previous.namespaces.end() ? rate(0, static_cast<uint64_t>(ns.last_nr))
                                                      : rate(0, numbers_given(*before->second, ns));
    }
    row.target = {View::kNamespaces, row.container, "namespace " + std::to_string(ns.inode),
                  ns.inode};
    if (row.parent == kNoParent) totals_.forks = sum(totals_.forks, row.forks);
    ++totals_.namespaces;
  }
  for (size_t i = first_task; i < tasks.size(); ++i) {
    const Row& task = tasks[i];
    auto at = index.find(task.inode);
    if (at == index.end()) continue;
    if (task.init_task) rows[at->second].name = rows[at->second].short_name = task.name;
    rows[at->second].own_tasks += task.tasks;
    rows[at->second].tasks += task.tasks;
    rows[at->second].cpu = sum(rows[at->second].cpu, task.cpu);
    rows[at->second].cpu_usec += task.cpu_usec;
    rows[at->second].memory += task.memory;
  }
  // Parents come first, so that each has all of what is below it when its own turn comes.
  for (size_t i = rows.size(); i-- > first;) {
    if (rows[i].parent == kNoParent) continue;
    Row& parent = rows[rows[i].parent];
    parent.tasks += rows[i].tasks;
    parent.cpu = sum(parent.cpu, rows[i].cpu);
    parent.cpu_usec += rows[i].cpu_usec;
    parent.memory += rows[i].memory;
  }
}

void Measurement::add_groups(const Previous& previous, const ContainerSample& now) {
  if (!now.has_groups) return;
  totals_.has_groups = true;
  std::vector<Row>& rows = mutable_rows(View::kGroups);
  std::unordered_map<int, Process> process_of;  // by the number in the caller's namespace
  for (const auto& task : now.info.tasks) {
    process_of[task.nrs.front()] = {task.ns_inode, task.nrs.back()};
  }
  std::unordered_map<std::string, size_t> index;
  for (const control::GroupSnapshot& group : now.groups) {
    std::string key = Previous::group_key(group);
    std::string hierarchy;
    if (group.hierarchy != 0) {
      auto name = now.hierarchies.find(group.hierarchy);
      hierarchy = name == now.hierarchies.end() ? std::to_string(group.hierarchy) : name->second;
      hierarchy += ":";
    }
    index[key] = rows.size();
    Row& row = rows.emplace_back();
    if (group.path != "/") {
      auto parent = index.find(std::to_string(group.hierarchy) + ":" + parent_path(group.path));
      if (parent != index.end()) row.parent = parent->second;
      has_named_groups_ = true;
    }
    row.container = now.info.name;
    row.key = "g" + row.container + "/" + key;
    row.name = hierarchy + group.path;
    row.short_name = row.parent == kNoParent ? row.name : last_component(group.path);
    row.order = group.hierarchy;
    row.state = group.frozen ? "frozen" : "";
    row.tasks = group.tasks;
    row.own_tasks = group.own_tasks;
    row.tasks_limit = group.pids_max;
    row.cpu_usec = group.cpu_usec;
    row.memory = group.memory;
    if (previous.container != nullptr) {
      auto before = previous.groups.find(key);
      bool known = before != previous.groups.end();
      auto used = rate(known ? before->second->cpu_usec : 0, group.cpu_usec);
      if (used) row.cpu = *used * kMicrosecond * 100;
      row.forks = rate(known ? before->second->forks : 0, group.forks);
    }
    row.target = {
        View::kGroups, row.container, "group " + row.name, 0, 0, group.hierarchy, group.path, {},
        group.frozen};
    for (int nr : group.processes) {
      auto process = process_of.find(nr);
      if (process != process_of.end()) row.target.processes.push_back(process->second);
    }
    ++totals_.groups;
    totals_.frozen_groups += group.frozen ? 1 : 0;
  }
}

std::vector<Process> processes_below(const std::vector<Row>& rows, size_t top) {
  std::vector<Process> processes;
  std::vector<bool> inside(rows.size());
  for (size_t i = top; i < rows.size(); ++i) {  // parents come first
    inside[i] = i == top || (rows[i].parent != kNoParent && inside[rows[i].parent]);
    if (!inside[i]) continue;
    const auto& own = rows[i].target.processes;
    processes.insert(processes.end(), own.begin(), own.end());
  }
  return processes;
}

}  // namespace warren::cli::top
