// The files that stand for namespaces: what a guest gets when it opens /proc/PID/ns/pid.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/unique_fd.h"
#include "warren/kernel.h"

namespace warren {

// A guest's namespaces exist here alone, so no file of the host's nsfs could stand for one. An
// empty memfd does: its inode number, unique on the host, is the namespace's, fstat(2) on it tells
// the truth, it can be passed on and compared like any, and setns(2) and the NS_GET_* requests
// recognise it. Made when first asked for. Thread-safe.
class NamespaceFiles {
 public:
  // A new descriptor of the namespace's file. EMFILE, ENFILE, ENOMEM.
  Result<UniqueFd> open(const Ref<PidNamespace>& ns);
  // The namespace's inode number, made with the file.
  Result<std::uint64_t> inode(const Ref<PidNamespace>& ns);
  // The namespace that an open file stands for; null if it is no such file.
  Ref<PidNamespace> find(int fd) const;

 private:
  struct File {
    UniqueFd fd;
    Ref<PidNamespace> ns;
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, File> by_inode_;  // guarded by mutex_
};

}  // namespace warren
