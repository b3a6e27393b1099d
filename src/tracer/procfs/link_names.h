// Symbolic links into /proc that guests made themselves. A path through one of them names no "proc"
// (path.h), so their own names are remembered, and a path with such a name in it is looked at as
// well.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>

namespace warren::procfs {

// Owned by the server; thread-safe.
class LinkNames {
 public:
  // A guest makes the link `link_path` to `target` (symlink(2)). Remembered if the target may lead
  // into procfs, directly or through a link remembered before; then true.
  bool learn(std::string_view target, std::string_view link_path);
  // Whether a component of the path is the name of a remembered link. One atomic load when there
  // are none.
  bool mentioned_in(std::string_view path) const {
    return any_.load(std::memory_order_acquire) && find(path);
  }

 private:
  static constexpr std::size_t kMaxNames = 4096;  // memory that guests can take

  bool find(std::string_view path) const;

  std::atomic<bool> any_{false};
  mutable std::shared_mutex mutex_;
  std::set<std::string, std::less<>> names_;  // guarded by mutex_
};

}  // namespace warren::procfs
