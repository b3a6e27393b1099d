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

namespace {

// Whether it is one of the places that all slots have, of which `first` is slot 0's.
bool is_place_of_slot(std::uint64_t ip, std::uint64_t first, std::uint64_t distance) {
  return ip >= first && ip - first < kNrSlots * distance && (ip - first) % distance == 0;
}

void store(std::uint32_t* word, bool on) {
  std::atomic_ref<std::uint32_t>(*word).store(on ? 1 : 0, std::memory_order_release);
}

}  // namespace

const Header& agent_header() { return *reinterpret_cast<const Header*>(warren_agent_image); }

PrivateCall private_call_at(std::uint64_t ip) {
  const Header& header = agent_header();
  if (ip < kBase || ip >= kShared) return PrivateCall::kNone;
  if (ip == header.begin_ip) return PrivateCall::kBegin;
  if (ip == header.begin_fork_ip) return PrivateCall::kBeginFork;
  if (ip == header.begin_vfork_ip) return PrivateCall::kBeginVfork;
  if (ip == header.failed_ip) return PrivateCall::kFailed;
  if (ip == header.forked_ip) return PrivateCall::kForked;
  if (ip == header.wait_target_ip) return PrivateCall::kWaitTarget;
  if (ip == header.waited_ip) return PrivateCall::kWaited;
  if (ip == header.signal_taken_ip) return PrivateCall::kSignalTaken;
  if (ip == header.init_acts_ip) return PrivateCall::kInitActs;
  if (ip == header.leave_init_ip) return PrivateCall::kLeaveInit;
  if (ip == header.booted_ip) return PrivateCall::kBooted;
  if (is_place_of_slot(ip, header.register_ip, header.clone_stub_size)) {
    return PrivateCall::kRegister;
  }
  if (is_place_of_slot(ip, header.vforked_ip, header.clone_stub_size)) {
    return PrivateCall::kVforked;
  }
  return PrivateCall::kNone;
}

bool is_fork_asking_place(std::uint64_t ip) {
  const Header& header = agent_header();
  return is_place_of_slot(ip, header.fork_asking_ip, header.stub_size);
}

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

void Image::ask_paths() { store(&shared_->ask_paths, true); }
void Image::serve_forks(bool on) { store(&shared_->serve_forks, on); }
void Image::tell_waits() { store(&shared_->tell_waits, true); }
void Image::signal_self(bool on) { store(&shared_->signal_self, on); }
void Image::probe_paths(bool on) { store(&shared_->probe_paths, on); }

bool Image::signals_self() const {
  return std::atomic_ref<std::uint32_t>(shared_->signal_self).load(std::memory_order_acquire) != 0;
}

bool Image::asks_paths() const {
  return std::atomic_ref<std::uint32_t>(shared_->ask_paths).load(std::memory_order_acquire) != 0;
}

}  // namespace warren::inject
