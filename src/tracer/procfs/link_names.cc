#include "tracer/procfs/link_names.h"

#include <algorithm>
#include <mutex>

#include "tracer/procfs/path.h"

namespace warren::procfs {

bool LinkNames::learn(std::string_view target, std::string_view link_path) {
  if (!may_reach_proc(target, false) && !mentioned_in(target)) return false;
  while (link_path.ends_with('/')) link_path.remove_suffix(1);
  const std::string_view name = link_path.substr(link_path.rfind('/') + 1);
  if (name.empty()) return false;
  const std::lock_guard lock(mutex_);
  if (names_.size() < kMaxNames) names_.emplace(name);
  any_.store(true, std::memory_order_release);
  return true;
}

bool LinkNames::find(std::string_view path) const {
  const std::shared_lock lock(mutex_);
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (names_.contains(path.substr(0, end))) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

}  // namespace warren::procfs
