// Files that change by themselves, and the clock of the subsystems.
#include <algorithm>
#include <cerrno>
#include <chrono>

#include "group/core.h"

namespace warren {

// An empty name: all of them, since the group is gone.
void GroupsImpl::file_changed(Group& group, std::string_view file) {
  {
    std::lock_guard guard(changes);
    auto& generations = group.inner_->generations;
    const auto found = generations.find(file);
    if (found != generations.end()) {
      ++found->second;
    } else {
      generations.emplace(std::string(file), 1);
    }
    if (change_listener) change_listener(group, file);
  }
  changed.notify_all();
}

void Groups::file_changed(Group& group, std::string_view file) { impl_->file_changed(group, file); }

std::uint64_t GroupsImpl::generation(const Group& group, std::string_view file) {
  const auto found = group.inner_->generations.find(file);
  return found == group.inner_->generations.end() ? 0 : found->second;
}

std::uint64_t Groups::file_generation(const Group& group, std::string_view file) const {
  std::lock_guard guard(impl_->changes);
  return GroupsImpl::generation(group, file);
}

Result<std::uint64_t> Groups::wait_for_change(Group& group, std::string_view file,
                                              std::uint64_t seen, int timeout_ms) {
  std::unique_lock guard(impl_->changes);
  impl_->changed.wait_for(guard, std::chrono::milliseconds(timeout_ms), [&] {
    return !group.alive() || GroupsImpl::generation(group, file) != seen;
  });
  if (!group.alive()) return Errno{ENODEV};
  return GroupsImpl::generation(group, file);
}

void Groups::set_change_listener(std::function<void(Group&, std::string_view file)> listener) {
  std::lock_guard guard(impl_->changes);
  impl_->change_listener = std::move(listener);
}

void Groups::want_tick(const Subsystem& subsystem, int milliseconds) {
  const int index = impl_->index_of(subsystem);
  if (index < 0) return;
  std::lock_guard guard(impl_->wishes);
  impl_->wish[static_cast<std::size_t>(index)] = std::max(milliseconds, 0);
  int shortest = 0;
  for (const int wish : impl_->wish) {
    if (wish > 0 && (shortest == 0 || wish < shortest)) shortest = wish;
  }
  if (shortest == impl_->tick_ms) return;
  impl_->tick_ms = shortest;
  impl_->host.set_tick(shortest);
}

void Groups::tick() {
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    bool wanted = false;
    {
      std::lock_guard guard(impl_->wishes);
      wanted = impl_->wish[static_cast<std::size_t>(i)] > 0;
    }
    if (wanted && impl_->subsystem(i).tick != nullptr) impl_->subsystem(i).tick(*this);
  }
}

}  // namespace warren
