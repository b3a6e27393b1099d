#include "groupfs/poll_handles.h"

#include "groupfs/fuse_api.h"

namespace warren::groupfs {

void PolledFile::set(fuse_pollhandle* handle) {
  const std::lock_guard lock(mutex_);
  if (handle_ != nullptr) fuse_pollhandle_destroy(handle_);
  handle_ = handle;
}

void PolledFile::wake() {
  const std::lock_guard lock(mutex_);
  // With a handle there is the table, too.
  if (handle_ == nullptr || notifying_) return;
  notifying_ = true;
  table_.post([self = shared_from_this()] { self->notify(); });
}

void PolledFile::notify() {
  const std::lock_guard lock(mutex_);
  notifying_ = false;
  if (handle_ != nullptr) fuse_lowlevel_notify_poll(handle_);
}

void PollHandles::watch(const std::shared_ptr<PolledFile>& file, fuse_pollhandle* handle) {
  file->set(handle);
  const std::lock_guard lock(mutex_);
  by_group_[file->group_].insert(file);
}

void PollHandles::forget(const std::shared_ptr<PolledFile>& file) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = by_group_.find(file->group_);
    if (it != by_group_.end()) {
      it->second.erase(file);
      if (it->second.empty()) by_group_.erase(it);
    }
  }
  // Whoever is about to wake it finds nothing: its session may end now.
  file->set(nullptr);
}

void PollHandles::changed(std::uint64_t group, std::string_view file) {
  std::vector<std::shared_ptr<PolledFile>> woken;
  {
    const std::lock_guard lock(mutex_);
    const auto it = by_group_.find(group);
    if (it == by_group_.end()) return;
    for (const auto& polled : it->second) {
      if (file.empty() || polled->file_ == file) woken.push_back(polled);
    }
  }
  for (const auto& polled : woken) polled->wake();
}

}  // namespace warren::groupfs
