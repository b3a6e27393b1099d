// PollHandles: who waits by poll(2) for a file of a group to change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct fuse_pollhandle;

namespace warren::groupfs {

// One opened file that is being polled; the handle is the kernel's, by which it is woken.
class PolledFile {
 public:
  PolledFile(std::uint64_t group, std::string file) : group_(group), file_(std::move(file)) {}
  PolledFile(const PolledFile&) = delete;
  PolledFile& operator=(const PolledFile&) = delete;
  ~PolledFile() { set(nullptr); }

 private:
  friend class PollHandles;
  void set(fuse_pollhandle* handle);
  void wake();

  const std::uint64_t group_;
  const std::string file_;
  std::mutex mutex_;
  fuse_pollhandle* handle_ = nullptr;  // guarded by mutex_
};

// Owner: GroupMounts, one for all its mounts. Thread-safe; lock order: mutex_ is a leaf, and the
// lock of a PolledFile is held only for a write(2) to /dev/fuse, which does not wait.
class PollHandles {
 public:
  // `file` shall be woken by `handle`, which is its own from now on, at the next change.
  void watch(const std::shared_ptr<PolledFile>& file, fuse_pollhandle* handle);
  // The file was closed.
  void forget(const std::shared_ptr<PolledFile>& file);
  // The file of the group changed; an empty name: the group was removed, and all of it changed.
  void changed(std::uint64_t group, std::string_view file);

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::set<std::shared_ptr<PolledFile>>> by_group_;
};

}  // namespace warren::groupfs
