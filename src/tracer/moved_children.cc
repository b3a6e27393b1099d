#include "tracer/moved_children.h"

namespace warren {

namespace {
constexpr std::chrono::seconds kMoment{10};
}  // namespace

void MovedChildren::note(const ThreadGroup& child, const ThreadGroup& parent, Nr nr) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(children_, [&](const auto& entry) {
    const Entry& known = entry.second;
    if (known.parent->state() != GroupState::kAlive) return true;
    if (known.child->state() != GroupState::kDead) return false;
    if (!known.reaped) known.reaped = now;
    return now - *known.reaped > kMoment;
  });
  const auto [it, is_new] = children_.try_emplace(child.level0());
  Entry& entry = it->second;
  if (!is_new && entry.child == &child && entry.parent == &parent) return;
  entry = {Ref<const ThreadGroup>(&child), Ref<const ThreadGroup>(&parent), nr};
  any_.store(true, std::memory_order_release);
}

Nr MovedChildren::nr_for(const ThreadGroup& parent, pid_t host) const {
  if (!any_.load(std::memory_order_acquire)) return 0;
  const std::lock_guard lock(mutex_);
  const auto it = children_.find(host);
  return it != children_.end() && it->second.parent == &parent ? it->second.nr : 0;
}

pid_t MovedChildren::host_of(const ThreadGroup& parent, Nr nr) const {
  if (!any_.load(std::memory_order_acquire)) return 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [host, entry] : children_) {
    if (entry.parent == &parent && entry.nr == nr && entry.child->state() != GroupState::kDead) {
      return host;
    }
  }
  return 0;
}

}  // namespace warren
