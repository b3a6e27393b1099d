#include "tracer/guest_maps.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>

namespace warren {

namespace {

// PROCMAP_QUERY of linux/fs.h (Linux 6.11), which is in no header of the hosts that warren is built
// on yet.
struct ProcmapQuery {
  std::uint64_t size, flags, address;
  std::uint64_t begin, end, vma_flags, page_size, offset, inode;
  std::uint32_t major, minor, name_size, build_id_size;
  std::uint64_t name, build_id;
};
constexpr unsigned long kProcmapQuery = _IOWR('f', 17, ProcmapQuery);
constexpr std::uint64_t kReadable = 0x01;
constexpr std::uint64_t kWritable = 0x02;
constexpr std::uint64_t kExecutable = 0x04;
constexpr std::uint64_t kShared = 0x08;
constexpr std::uint64_t kCoveringOrNext = 0x10;

constexpr std::size_t kMostName = 4096;

// The first mapping at the address or above that has the flags. 0 or an errno: ENOENT if there is
// none, ENOTTY where the kernel cannot be asked.
int query(int file, std::uint64_t address, std::uint64_t flags, std::array<char, kMostName>* name,
          ProcmapQuery* found) {
  *found = {};
  found->size = sizeof *found;
  found->flags = kCoveringOrNext | flags;
  found->address = address;
  if (name) {
    found->name = reinterpret_cast<std::uint64_t>(name->data());
    found->name_size = static_cast<std::uint32_t>(name->size());
  }
  return ioctl(file, kProcmapQuery, found) == 0 ? 0 : errno;
}

std::string mode_of(std::uint64_t flags) {
  return {(flags & kReadable) != 0 ? 'r' : '-', (flags & kWritable) != 0 ? 'w' : '-',
          (flags & kExecutable) != 0 ? 'x' : '-', (flags & kShared) != 0 ? 's' : 'p'};
}

std::optional<GuestMapping> parse(const char* line) {
  unsigned long begin = 0;
  unsigned long end = 0;
  unsigned long offset = 0;
  unsigned long inode = 0;
  unsigned major = 0;
  unsigned minor = 0;
  int name = 0;
  char mode[5];
  if (std::sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &begin, &end, mode, &offset, &major, &minor,
                  &inode, &name) < 7) {
    return std::nullopt;
  }
  std::string shown(name != 0 ? line + name : "");
  if (!shown.empty() && shown.back() == '\n') shown.pop_back();
  return GuestMapping{begin, end, offset, major, minor, inode, mode, std::move(shown)};
}

// All lines, from the first one.
std::vector<GuestMapping> read_all(int fd) {
  std::vector<GuestMapping> maps;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  FILE* const file = copy >= 0 ? fdopen(copy, "r") : nullptr;
  if (!file) return maps;
  std::rewind(file);
  char line[kMostName + 128];
  while (std::fgets(line, sizeof line, file)) {
    if (auto mapping = parse(line)) maps.push_back(std::move(*mapping));
  }
  std::fclose(file);
  return maps;
}

}  // namespace

GuestMaps::GuestMaps(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/maps", pid);
  file_.reset(open(path, O_RDONLY | O_CLOEXEC));
}

std::vector<GuestMapping> GuestMaps::texts() const {
  std::vector<GuestMapping> texts;
  if (!file_.ok()) return texts;
  std::array<char, kMostName> name;
  ProcmapQuery found;
  int error = 0;
  for (std::uint64_t address = 0;; address = found.end) {
    error = query(file_.get(), address, kExecutable, &name, &found);
    if (error != 0) break;
    const std::string_view shown(name.data(), found.name_size != 0 ? found.name_size - 1 : 0);
    texts.push_back({found.begin, found.end, found.offset, found.major, found.minor, found.inode,
                     mode_of(found.vma_flags), std::string(shown)});
  }
  if (error == ENOENT || error == ESRCH) return texts;
  texts = read_all(file_.get());
  std::erase_if(texts, [](const GuestMapping& mapping) { return mapping.mode[2] != 'x'; });
  return texts;
}

bool GuestMaps::is_free(std::uint64_t begin, std::uint64_t end) const {
  if (!file_.ok()) return true;
  ProcmapQuery found;
  const int error = query(file_.get(), begin, 0, nullptr, &found);
  if (error == 0) return found.begin >= end;
  if (error == ENOENT || error == ESRCH) return true;
  const std::vector<GuestMapping> maps = read_all(file_.get());
  return std::none_of(maps.begin(), maps.end(), [&](const GuestMapping& mapping) {
    return mapping.begin < end && mapping.end > begin;
  });
}

}  // namespace warren
