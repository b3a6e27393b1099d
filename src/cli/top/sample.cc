#include "cli/top/sample.h"

#include <time.h>

#include <cerrno>

#include "cli/containers.h"

namespace warren::cli::top {
namespace {

int64_t clock_usec(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

// The names of the hierarchies, "ID:subsystems:NAME" on the wire.
std::map<int, std::string> hierarchy_names(control::Client& client) {
  std::map<int, std::string> names;
  control::GroupRequest request;
  request.op = control::GroupRequest::Op::kHierarchies;
  control::Refusal refusal;
  auto reply = client.group(request, &refusal);
  if (!reply) return names;
  for (const control::GroupEntry& entry : reply->entries) {
    size_t first = entry.name.find(':'), last = entry.name.rfind(':');
    if (first == std::string::npos || first == last) continue;
    std::string subsystems = entry.name.substr(first + 1, last - first - 1);
    std::string name = entry.name.substr(last + 1);
    names[static_cast<int>(entry.inode)] = subsystems.empty() ? "name=" + name : subsystems;
  }
  return names;
}

// A container whose supervisor has no groups, or none for this observer, is shown without.
void add_groups(control::Client& client, ContainerSample& sample) {
  control::GroupRequest request;
  request.op = control::GroupRequest::Op::kSnapshot;
  control::Refusal refusal;
  auto reply = client.group(request, &refusal);
  if (!reply) return;
  sample.has_groups = true;
  sample.groups = std::move(reply->groups);
  for (const control::GroupSnapshot& group : sample.groups) {
    if (group.hierarchy == 0) continue;
    sample.hierarchies = hierarchy_names(client);
    break;
  }
}

}  // namespace

std::optional<Failure> take_sample(const std::string& name, Sample& sample) {
  std::vector<control::ContainerInfo> containers;
  if (auto failure = fetch_containers("top", name, containers)) return failure;
  sample.containers.clear();
  for (control::ContainerInfo& info : containers) {
    ContainerSample& container = sample.containers.emplace_back();
    // One that ends meanwhile is shown as it was last.
    if (Connected connected = connect_container("top", info.name); connected.client) {
      add_groups(*connected.client, container);
    }
    container.info = std::move(info);
  }
  // Close to each other and to the clock, since rates come from these.
  sample.at_usec = clock_usec(CLOCK_MONOTONIC);
  sample.wall_time = clock_usec(CLOCK_REALTIME) / 1'000'000;
  for (ContainerSample& container : sample.containers) {
    for (const control::TaskInfo& task : container.info.tasks) {
      container.usage.push_back(usage_of(task.nrs.front()));
    }
    if (container.info.supervisor_pid != 0) {
      container.supervisor = usage_of(container.info.supervisor_pid);
    }
  }
  return std::nullopt;
}

}  // namespace warren::cli::top
