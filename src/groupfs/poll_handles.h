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

#include "groupfs/file_table.h"

struct fuse_pollhandle;

namespace warren::groupfs {

// One opened file that is being polled; the handle is the kernel's, by which it is woken. `table`
// has the device, and has to stay as long as there is a handle.
class PolledFile : public std::enable_shared_from_this<PolledFile> {
 public:
  PolledFile(std::uint64_t group, std::string file, FileTable& table)
      : group_(group), file_(std::move(file)), table_(table) {}
  PolledFile(const PolledFile&) = delete;
  PolledFile& operator=(const PolledFile&) = delete;
  ~PolledFile() { set(nullptr); }

 private:
  friend class PollHandles;
  void set(fuse_pollhandle* handle);
  // From whatever thread; the kernel is told by notify(), from one that has the device.
  void wake();
  void notify();

  const std::uint64_t group_;
  const std::string file_;
  FileTable& table_;
  std::mutex mutex_;
  // Guarded by mutex_:
  fuse_pollhandle* handle_ = nullptr;
  bool notifying_ = false;  // notify() is to come
};

// Owner: GroupMounts, one for all its mounts. Thread-safe; lock order: mutex_ is a leaf, and under
// the lock of a PolledFile its table is told, or write(2) to /dev/fuse, which does not wait.
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
