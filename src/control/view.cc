#include "control/view.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/unique_fd.h"

namespace warren::control {
namespace {

std::string read_small_file(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd) return text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() >= sizeof buffer) break;  // a command line need not be shown whole
  }
  return text;
}

// proc(5), /proc/PID/stat: "pid (comm) state ppid pgrp session ... num_threads(20)".
bool parse_stat(const std::string& stat, TaskInfo& task) {
  size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close + 2 >= stat.size()) {
    return false;
  }
  char state = 0;
  int ppid = 0, pgrp = 0, session = 0, threads = 0;
  int fields = sscanf(stat.c_str() + close + 2,
                      "%c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &state,
                      &ppid, &pgrp, &session, &threads);
  if (fields != 5) return false;
  if (task.comm.empty()) task.comm = stat.substr(open + 1, close - open - 1);
  if (task.state.empty()) task.state = std::string(1, state);
  if (task.pgid0 == 0) task.pgid0 = pgrp;
  if (task.sid0 == 0) task.sid0 = session;
  if (task.threads == 0) task.threads = threads;
  return true;
}

bool fill_task(TaskInfo& task) {
  if (task.nrs.empty()) return false;
  std::string directory = "/proc/" + std::to_string(task.nrs.front());
  if (!parse_stat(read_small_file(directory + "/stat"), task)) return false;
  if (task.cmdline.empty()) {
    task.cmdline = read_small_file(directory + "/cmdline");
    while (!task.cmdline.empty() && task.cmdline.back() == '\0') task.cmdline.pop_back();
    std::replace(task.cmdline.begin(), task.cmdline.end(), '\0', ' ');
  }
  return true;
}

}  // namespace

void fill_from_proc(ContainerInfo& whole) {
  std::erase_if(whole.tasks, [](TaskInfo& task) { return !fill_task(task); });
}

Result<ContainerInfo> restrict_view(const ContainerInfo& whole, uint64_t inode) {
  ContainerInfo view;
  view.name = whole.name;
  view.backend = whole.backend;
  view.cgroup = whole.cgroup;
  view.kernel_controllers = whole.kernel_controllers;
  view.started = whole.started;
  std::unordered_set<uint64_t> visible;
  for (const NamespaceInfo& ns : whole.namespaces) {  // parents come first
    if (ns.inode != inode && !visible.contains(ns.parent_inode)) continue;
    if (ns.inode == inode) view.view_level = ns.level;
    visible.insert(ns.inode);
    view.namespaces.push_back(ns);
  }
  if (visible.empty()) return Errno{ESRCH};
  view.namespaces.front().parent_inode = 0;

  size_t drop = static_cast<size_t>(view.view_level - whole.view_level);
  std::unordered_map<int, int> seen_as;  // number at level 0 -> number at the view's level
  for (const TaskInfo& task : whole.tasks) {
    if (visible.contains(task.ns_inode) && task.nrs.size() > drop) {
      seen_as[task.nrs.front()] = task.nrs[drop];
    }
  }
  auto translate = [&](int level0) {
    auto found = seen_as.find(level0);
    return found == seen_as.end() ? 0 : found->second;
  };
  for (const TaskInfo& task : whole.tasks) {
    if (!visible.contains(task.ns_inode) || task.nrs.size() <= drop) continue;
    TaskInfo& shown = view.tasks.emplace_back(task);
    shown.nrs.erase(shown.nrs.begin(), shown.nrs.begin() + static_cast<ptrdiff_t>(drop));
    shown.parent_level0 = translate(task.parent_level0);
    shown.pgid0 = translate(task.pgid0);
    shown.sid0 = translate(task.sid0);
  }
  for (NamespaceInfo& ns : view.namespaces) ns.init_level0 = translate(ns.init_level0);
  return view;
}

nlohmann::json to_json(const ContainerInfo& info) {
  nlohmann::json tasks = nlohmann::json::array(), namespaces = nlohmann::json::array();
  for (const TaskInfo& task : info.tasks) {
    tasks.push_back({{"nrs", task.nrs},
                     {"namespace", task.ns_inode},
                     {"level", task.level},
                     {"parent", task.parent_level0},
                     {"state", task.state},
                     {"comm", task.comm},
                     {"cmdline", task.cmdline},
                     {"threads", task.threads},
                     {"pgid", task.pgid0},
                     {"sid", task.sid0},
                     {"init", task.is_init}});
  }
  for (const NamespaceInfo& ns : info.namespaces) {
    namespaces.push_back({{"inode", ns.inode},
                          {"level", ns.level},
                          {"parent", ns.parent_inode},
                          {"init", ns.init_level0},
                          {"tasks", ns.nr_tasks},
                          {"by_guest", ns.by_guest},
                          {"name", ns.name},
                          {"last_nr", ns.last_nr},
                          {"pid_max", ns.pid_max}});
  }
  return {{"name", info.name},
          {"backend", info.backend},
          {"cgroup", info.cgroup},
          {"kernel_controllers", info.kernel_controllers},
          {"supervisor", info.supervisor_pid},
          {"started", info.started},
          {"view_level", info.view_level},
          {"tasks", tasks},
          {"namespaces", namespaces}};
}

Result<ContainerInfo> container_from_json(const nlohmann::json& json) try {
  ContainerInfo info;
  json.at("name").get_to(info.name);
  json.at("backend").get_to(info.backend);
  json.at("cgroup").get_to(info.cgroup);
  json.at("kernel_controllers").get_to(info.kernel_controllers);
  json.at("supervisor").get_to(info.supervisor_pid);
  json.at("started").get_to(info.started);
  json.at("view_level").get_to(info.view_level);
  for (const auto& item : json.at("tasks")) {
    TaskInfo& task = info.tasks.emplace_back();
    item.at("nrs").get_to(task.nrs);
    item.at("namespace").get_to(task.ns_inode);
    item.at("level").get_to(task.level);
    item.at("parent").get_to(task.parent_level0);
    item.at("state").get_to(task.state);
    item.at("comm").get_to(task.comm);
    item.at("cmdline").get_to(task.cmdline);
    item.at("threads").get_to(task.threads);
    item.at("pgid").get_to(task.pgid0);
    item.at("sid").get_to(task.sid0);
    item.at("init").get_to(task.is_init);
    if (task.nrs.empty()) return Errno{EPROTO};
  }
  for (const auto& item : json.at("namespaces")) {
    NamespaceInfo& ns = info.namespaces.emplace_back();
    item.at("inode").get_to(ns.inode);
    item.at("level").get_to(ns.level);
    item.at("parent").get_to(ns.parent_inode);
    item.at("init").get_to(ns.init_level0);
    item.at("tasks").get_to(ns.nr_tasks);
    item.at("by_guest").get_to(ns.by_guest);
    item.at("name").get_to(ns.name);
    item.at("last_nr").get_to(ns.last_nr);
    item.at("pid_max").get_to(ns.pid_max);
  }
  return info;
} catch (const nlohmann::json::exception&) {
  return Errno{EPROTO};
}

}  // namespace warren::control
