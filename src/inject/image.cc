#include "inject/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

extern "C" const char warren_agent_image[];
extern "C" const char warren_agent_image_end[];

namespace warren::inject {

const Header& agent_header() { return *reinterpret_cast<const Header*>(warren_agent_image); }

Result<std::unique_ptr<Image>> Image::create() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Linux before 6.3 does not know MFD_EXEC; all its memfds are executable.
  UniqueFd file(memfd_create("warren-agent", kFlags | MFD_EXEC));
  if (!file.ok()) file.reset(memfd_create("warren-agent", kFlags));
  if (!file.ok()) return Errno{errno};
  const auto size = static_cast<std::size_t>(warren_agent_image_end - warren_agent_image);
  static_assert(kShared + kPage == kState);
  if (size != kShared - kBase) return Errno{ENOEXEC};
  if (ftruncate(file.get(), static_cast<off_t>(kState - kBase)) != 0) return Errno{errno};
  if (pwrite(file.get(), warren_agent_image, size, 0) != static_cast<ssize_t>(size)) {
    return Errno{errno};
  }
  void* const shared = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(),
                            static_cast<off_t>(kShared - kBase));
  if (shared == MAP_FAILED) return Errno{errno};
  std::unique_ptr<Image> image(new Image(std::move(file), static_cast<Shared*>(shared)));
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (fcntl(image->fd(), F_ADD_SEALS, kSeals) != 0) return Errno{errno};
  return image;
}

Image::~Image() { munmap(shared_, kPage); }

void Image::ask_paths() {
  std::atomic_ref<std::uint32_t>(shared_->ask_paths).store(1, std::memory_order_release);
}

bool Image::asks_paths() const {
  return std::atomic_ref<std::uint32_t>(shared_->ask_paths).load(std::memory_order_acquire) != 0;
}

}  // namespace warren::inject
