// Memory of a guest, read and written from outside.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "warren/result.h"

namespace warren {

// An address in a guest, of another type than a pointer of ours so that neither is taken for the
// other.
template <typename T = void>
class RemotePtr {
 public:
  RemotePtr() = default;
  explicit RemotePtr(std::uint64_t address) : address_(address) {}
  std::uint64_t address() const { return address_; }
  explicit operator bool() const { return address_ != 0; }

 private:
  std::uint64_t address_ = 0;
};

// The address space of one task. A value; keeps nothing open. Any thread may use it, for a task
// that is stopped or waits in a system call (else what is read may be changing).
class RemoteMemory {
 public:
  explicit RemoteMemory(pid_t tid) : tid_(tid) {}

  // Exactly `size` bytes, or EFAULT (unmapped), ESRCH (the task is gone), EPERM.
  Result<void> read_bytes(std::uint64_t address, void* to, std::size_t size) const;
  Result<void> write_bytes(std::uint64_t address, const void* from, std::size_t size) const;

  template <typename T>
  Result<T> read(RemotePtr<T> from) const {
    T value;
    if (auto r = read_bytes(from.address(), &value, sizeof value); !r) return r.error();
    return value;
  }
  template <typename T>
  Result<void> write(RemotePtr<T> to, const T& value) const {
    return write_bytes(to.address(), &value, sizeof value);
  }

  // A NUL-terminated string into a buffer of `capacity` bytes; its length. ENAMETOOLONG when it
  // does not end within the buffer, EFAULT as above.
  Result<std::size_t> read_string(std::uint64_t address, char* to, std::size_t capacity) const;

 private:
  pid_t tid_;
};

}  // namespace warren
