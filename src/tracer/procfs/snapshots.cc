#include "tracer/procfs/snapshots.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "tracer/procfs/content.h"

namespace warren::procfs {

Result<Snapshots::Identity> Snapshots::identity(int host_tgid, const std::string& host_path) {
  const std::lock_guard lock(mutex_);
  auto at = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.host_tgid == host_tgid && kept.host_path == host_path;
  });
  if (at == kept_.end()) {
    auto file = empty_snapshot(host_path);
    if (!file) return file.error();
    kept_.push_front({host_tgid, host_path, std::move(*file)});
    if (kept_.size() > kMaxKept) kept_.pop_back();
    at = kept_.begin();
  }
  struct stat st;
  if (::fstat(at->file.get(), &st) != 0) return Errno{errno};
  return Identity{st.st_dev, st.st_ino};
}

Result<UniqueFd> Snapshots::open(int host_tgid, const std::string& host_path,
                                 const std::string& text) {
  UniqueFd file;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
      return kept.host_tgid == host_tgid && kept.host_path == host_path;
    });
    if (at != kept_.end()) {
      file = std::move(at->file);
      kept_.erase(at);
    }
  }
  if (!file.ok()) {
    auto fresh = empty_snapshot(host_path);
    if (!fresh) return fresh.error();
    file = std::move(*fresh);
  }
  return fill_snapshot(std::move(file), text);
}

}  // namespace warren::procfs
