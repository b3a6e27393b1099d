#include "tracer/remote_memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace warren {

namespace {
constexpr std::size_t kPage = 4096;
// Most paths are shorter; the first read asks for no more than this.
constexpr std::size_t kFirstRead = 128;
}  // namespace

Result<void> RemoteMemory::read_bytes(std::uint64_t address, void* to, std::size_t size) const {
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t n = process_vm_readv(tid_, &local, 1, &remote, 1, 0);
  if (n < 0) return Errno{errno};
  if (static_cast<std::size_t>(n) != size) return Errno{EFAULT};
  return {};
}

Result<void> RemoteMemory::write_bytes(std::uint64_t address, const void* from,
                                       std::size_t size) const {
  iovec local{const_cast<void*>(from), size};
  iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t n = process_vm_writev(tid_, &local, 1, &remote, 1, 0);
  if (n < 0) return Errno{errno};
  if (static_cast<std::size_t>(n) != size) return Errno{EFAULT};
  return {};
}

Result<std::size_t> RemoteMemory::read_string(std::uint64_t address, char* to,
                                              std::size_t capacity) const {
  std::size_t have = 0;
  while (have < capacity) {
    // A read must not cross into a page that may not be mapped when the string ends before it; two
    // ranges in one call let the kernel stop at the boundary by itself.
    const std::size_t want = std::min(capacity - have, have == 0 ? kFirstRead : kPage);
    const std::size_t to_boundary = kPage - (address + have) % kPage;
    const std::size_t first = std::min(want, to_boundary);
    iovec local{to + have, want};
    iovec remote[2] = {{reinterpret_cast<void*>(address + have), first},
                       {reinterpret_cast<void*>(address + have + first), want - first}};
    const ssize_t n = process_vm_readv(tid_, &local, 1, remote, want > first ? 2 : 1, 0);
    if (n < 0) return Errno{errno};
    if (n == 0) return Errno{EFAULT};
    if (const void* end = memchr(to + have, 0, static_cast<std::size_t>(n))) {
      return static_cast<std::size_t>(static_cast<const char*>(end) - to);
    }
    have += static_cast<std::size_t>(n);
    if (static_cast<std::size_t>(n) < want) return Errno{EFAULT};
  }
  return Errno{ENAMETOOLONG};
}

}  // namespace warren
