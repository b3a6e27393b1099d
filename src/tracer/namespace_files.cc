#include "tracer/namespace_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "tracer/procfs/view.h"

namespace warren {

namespace {
Result<std::uint64_t> inode_of(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Errno{errno};
  return static_cast<std::uint64_t>(st.st_ino);
}
}  // namespace

Result<std::uint64_t> NamespaceFiles::inode(const Ref<PidNamespace>& ns) {
  const std::lock_guard lock(mutex_);
  if (by_inode_.contains(ns->inode())) return ns->inode();
  UniqueFd fd(memfd_create(procfs::kNamespaceMemfdName, MFD_CLOEXEC));
  if (!fd) return Errno{errno};
  auto inode = inode_of(fd.get());
  if (!inode) return inode.error();
  ns->set_inode(*inode);
  by_inode_.emplace(*inode, File{std::move(fd), ns});
  return *inode;
}

Result<UniqueFd> NamespaceFiles::open(const Ref<PidNamespace>& ns) {
  auto number = inode(ns);
  if (!number) return number.error();
  const std::lock_guard lock(mutex_);
  UniqueFd copy(fcntl(by_inode_.at(*number).fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return Errno{errno};
  return copy;
}

Ref<PidNamespace> NamespaceFiles::find(int fd) const {
  auto number = inode_of(fd);
  if (!number) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto it = by_inode_.find(*number);
  if (it == by_inode_.end()) return nullptr;
  // Numbers are unique within one file system only.
  struct stat ours, theirs;
  if (fstat(it->second.fd.get(), &ours) != 0 || fstat(fd, &theirs) != 0 ||
      ours.st_dev != theirs.st_dev) {
    return nullptr;
  }
  return it->second.ns;
}

}  // namespace warren
