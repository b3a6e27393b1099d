#include "tracer/cgroup_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/mount_table.h"
#include "tracer/cgroup_dir.h"

namespace warren::cgroup {

namespace {

constexpr char kUseScope[] =
    "run it by 'systemd-run --user --scope -p Delegate=yes warren run --cgroup=delegate ...'";

// The caller's cgroup as /proc says; nothing: there are no cgroups v2.
std::optional<std::string> own_cgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return std::nullopt;
}

// Whether one of the controllers is in a hierarchy of v1, where no v2 directory can have it.
bool bound_to_v1() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string id, names;
    std::getline(std::getline(fields, id, ':'), names, ':');
    for (const char* controller : kControllers) {
      if (("," + names + ",").find("," + std::string(controller) + ",") != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

// `path` below `top`; nothing: it is not there.
std::optional<std::string> below(const std::string& path, const std::string& top) {
  if (top == "/") return path == "/" ? "" : path;
  if (path == top) return "";
  if (path.starts_with(top + "/")) return path.substr(top.size());
  return std::nullopt;
}

// The directory of the cgroup `own` in the mount that shows it; empty: none does.
std::string directory_of(const std::string& own) {
  std::ifstream file("/proc/self/mountinfo");
  std::string found;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, top, point, word;
    words >> id >> parent >> device >> top >> point;
    while (words >> word && word != "-") {
    }
    if (!(words >> word) || word != "cgroup2") continue;
    // A path that leaves the cgroup namespace begins with "/..", as the top of such a mount may.
    const auto rest = below(own, unescape_mount_name(top));
    if (!rest || rest->starts_with("/..")) continue;
    const std::string candidate = unescape_mount_name(point) + *rest;
    if (access((candidate + "/cgroup.procs").c_str(), F_OK) == 0) found = candidate;
  }
  return found;
}

Place refuse(Place place, int error, std::string detail, std::string advice = kUseScope) {
  place.error = error;
  place.detail = std::move(detail);
  place.advice = std::move(advice);
  return place;
}

// Whether directories can be made here, and processes moved; 0 or an errno.
int try_delegation(int directory) {
  const std::string probe = "warren-probe-" + std::to_string(getpid());
  if (mkdirat(directory, probe.c_str(), 0755) != 0) return errno;
  unlinkat(directory, probe.c_str(), AT_REMOVEDIR);
  for (const char* file : {"cgroup.procs", "cgroup.subtree_control"}) {
    if (faccessat(directory, file, W_OK, AT_EACCESS) != 0) return errno;
  }
  return 0;
}

}  // namespace

Place find_place(std::span<const pid_t> own) {
  Place place;
  const auto cgroup = own_cgroup();
  if (cgroup) place.path = directory_of(*cgroup);
  if (place.path.empty()) {
    return refuse(std::move(place), ENOENT, "no cgroup v2 here", "mount cgroup2 on /sys/fs/cgroup");
  }
  auto directory = open_directory(AT_FDCWD, place.path);
  if (!directory) return refuse(std::move(place), directory.error_code(), "");
  place.directory = std::move(*directory);
  const int fd = place.directory.get();
  // Only the real root has no type.
  place.machine_root = faccessat(fd, "cgroup.type", F_OK, 0) != 0;
  const std::vector<std::string> there = read_words(fd, "cgroup.controllers");
  for (const char* name : kControllers) {
    if (std::find(there.begin(), there.end(), name) != there.end()) {
      place.controllers.emplace_back(name);
    }
  }
  for (const pid_t pid : processes(fd)) {
    const bool ours = pid == getpid() || std::find(own.begin(), own.end(), pid) != own.end();
    if (!ours && !place.machine_root) place.others.push_back(pid);
  }
  if (const int error = try_delegation(fd)) return refuse(std::move(place), error, "");
  if (place.controllers.empty()) {
    const std::string detail = "it has none of cpu, cpuset, memory and pids";
    if (!bound_to_v1()) return refuse(std::move(place), EOPNOTSUPP, detail);
    return refuse(std::move(place), EOPNOTSUPP, detail + ", which cgroups v1 have",
                  "boot with cgroup_no_v1=all (systemd.unified_cgroup_hierarchy=1)");
  }
  if (!place.others.empty()) {
    const std::size_t count = place.others.size();
    return refuse(std::move(place), EBUSY,
                  count == 1 ? "another process is in it"
                             : std::to_string(count) + " other processes are in it");
  }
  return place;
}

}  // namespace warren::cgroup
