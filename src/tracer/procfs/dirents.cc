#include "tracer/procfs/dirents.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace warren::procfs {
namespace {

// fs/proc: FIRST_PROCESS_ENTRY is 256, self and thread-self come first.
constexpr int64_t kFirstProcess = 256 + 2;
constexpr int64_t kFirstThread = 2;  // behind "." and ".."

// Both layouts begin with d_ino, d_off and d_reclen.
constexpr size_t kRecordLength = 16;
constexpr size_t kType64 = 18;
constexpr size_t kName64 = 19;
constexpr size_t kName = 18;

struct Entry {
  uint64_t ino;
  int64_t next;  // the position behind it
  unsigned char type;
  std::string_view name;
};

// Fills the guest's buffer.
class Emitter {
 public:
  Emitter(size_t size, DirentLayout layout) : size_(size), layout_(layout) {}

  // False: there is no room left for it.
  bool add(const Entry& entry) {
    const bool wide = layout_ == DirentLayout::kDirent64;
    const size_t name = wide ? kName64 : kName;
    // linux_dirent keeps the type in its last byte.
    const size_t raw = name + entry.name.size() + (wide ? 1 : 2);
    const size_t length = (raw + 7) & ~size_t{7};
    if (bytes_.size() + length > size_) return false;
    const size_t at = bytes_.size();
    bytes_.resize(at + length, 0);
    char* record = bytes_.data() + at;
    const auto reclen = static_cast<uint16_t>(length);
    std::memcpy(record, &entry.ino, sizeof entry.ino);
    std::memcpy(record + 8, &entry.next, sizeof entry.next);
    std::memcpy(record + kRecordLength, &reclen, sizeof reclen);
    std::memcpy(record + name, entry.name.data(), entry.name.size());
    record[wide ? kType64 : length - 1] = static_cast<char>(entry.type);
    position_ = entry.next;
    return true;
  }

  // Moves the descriptor behind the last entry.
  Result<std::vector<char>> finish(int dirfd, bool full) {
    if (bytes_.empty() && full) return Errno{EINVAL};
    if (position_ && ::lseek(dirfd, *position_, SEEK_SET) < 0) return Errno{errno};
    return std::move(bytes_);
  }

 private:
  const size_t size_;
  const DirentLayout layout_;
  std::vector<char> bytes_;
  std::optional<int64_t> position_;
};

std::optional<ino_t> inode_of(int dirfd, int host) {
  struct stat st;
  const std::string name = std::to_string(host);
  if (::fstatat(dirfd, name.c_str(), &st, 0) != 0) return std::nullopt;
  return st.st_ino;
}

// The names that the host has before the first process. Sets `full` when the buffer did not hold
// them all.
Result<void> list_static(int dirfd, int64_t position, Emitter& out, bool* full) {
  alignas(8) char buffer[16384];
  while (position < kFirstProcess) {
    const long count = ::syscall(SYS_getdents64, dirfd, buffer, sizeof buffer);
    if (count < 0) return Errno{errno};
    if (count == 0) return {};
    for (long at = 0; at < count;) {
      const char* record = buffer + at;
      Entry entry{};
      uint16_t reclen = 0;
      std::memcpy(&entry.ino, record, sizeof entry.ino);
      std::memcpy(&entry.next, record + 8, sizeof entry.next);
      std::memcpy(&reclen, record + kRecordLength, sizeof reclen);
      entry.type = static_cast<unsigned char>(record[kType64]);
      entry.name = record + kName64;
      if (position >= kFirstProcess) return {};
      // The host's next entry may be a process at any number; ours begin right here.
      if (entry.name == "thread-self") entry.next = kFirstProcess;
      if (!out.add(entry)) {
        *full = true;
        return {};
      }
      position = entry.next;
      at += reclen;
    }
  }
  return {};
}

}  // namespace

Result<std::vector<char>> list_processes(int dirfd, size_t size, DirentLayout layout,
                                         const ProcView& view) {
  const int64_t start = ::lseek(dirfd, 0, SEEK_CUR);
  if (start < 0) return Errno{errno};
  Emitter out(size, layout);
  bool full = false;
  if (start < kFirstProcess) {
    const auto listed = list_static(dirfd, start, out, &full);
    if (!listed) return listed.error();
  }
  const int64_t first = std::max<int64_t>(start - kFirstProcess, 1);
  int vnr = full || first > INT32_MAX ? 0 : view.next_process(static_cast<int>(first));
  for (; vnr > 0; vnr = view.next_process(vnr + 1)) {
    const auto ino = inode_of(dirfd, view.to_host(vnr));
    const std::string name = std::to_string(vnr);
    if (ino && !out.add({*ino, kFirstProcess + vnr + 1, DT_DIR, name})) {
      full = true;
      break;
    }
    if (vnr == INT32_MAX) break;
  }
  return out.finish(dirfd, full);
}

Result<std::vector<char>> list_threads(int dirfd, int host_tgid, size_t size, DirentLayout layout,
                                       const ProcView& view) {
  const int64_t start = ::lseek(dirfd, 0, SEEK_CUR);
  if (start < 0) return Errno{errno};
  const std::vector<int> threads = view.threads(host_tgid);
  if (threads.empty()) return Errno{ENOENT};
  Emitter out(size, layout);
  bool full = false;
  const char* const dots[] = {".", ".."};
  for (int64_t position = start; position < kFirstThread && !full; ++position) {
    struct stat st;
    const char* name = dots[position];
    if (::fstatat(dirfd, name, &st, 0) != 0) return Errno{ENOENT};
    full = !out.add({st.st_ino, position + 1, DT_DIR, name});
  }
  for (const int vnr : threads) {
    if (full) break;
    if (kFirstThread + vnr < start) continue;
    const auto ino = inode_of(dirfd, view.to_host(vnr));
    const std::string name = std::to_string(vnr);
    if (ino) full = !out.add({*ino, kFirstThread + vnr + 1, DT_DIR, name});
  }
  return out.finish(dirfd, full);
}

}  // namespace warren::procfs
