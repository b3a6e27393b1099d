#include "tracer/text_images.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "inject/served_calls.h"
#include "inject/site.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace warren {

namespace {

// Addresses, not memory: what is not written does not exist.
constexpr std::uint64_t kFileSize = std::uint64_t{1} << 28;
// A larger program spends its time elsewhere than in starting children.
constexpr std::uint64_t kLargestText = std::uint64_t{4} << 20;
constexpr std::uint64_t kPage = inject::kPage;

std::uint64_t length_of(const GuestMapping& mapping) { return mapping.end - mapping.begin; }

// Texts whose files are held open, at most.
constexpr std::size_t kMostOpen = 128;

dev_t root_device() {
  struct stat st;
  return stat("/", &st) == 0 ? st.st_dev : 0;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

UniqueFd open_pagemap(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
  return UniqueFd(open(path, O_RDONLY | O_CLOEXEC));
}

// Whether the process has pages of its own in the range: breakpoints, or patches of somebody's.
bool has_own_pages(const UniqueFd& pagemap, std::uint64_t address, std::uint64_t length) {
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
  constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
  constexpr std::uint64_t kOfFile = std::uint64_t{1} << 61;
  if (!pagemap.ok()) return true;
  std::vector<std::uint64_t> pages(length / kPage);
  const std::size_t size = pages.size() * sizeof pages[0];
  const auto at = static_cast<off_t>(address / kPage * sizeof pages[0]);
  if (pread(pagemap.get(), pages.data(), size, at) != static_cast<ssize_t>(size)) return true;
  return std::any_of(pages.begin(), pages.end(), [](std::uint64_t page) {
    return (page & kSwapped) != 0 || ((page & kPresent) != 0 && (page & kOfFile) == 0);
  });
}

}  // namespace

Result<std::unique_ptr<TextImages>> TextImages::create(bool tree, bool paths) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Linux before 6.3 does not know MFD_EXEC; all its memfds are executable.
  UniqueFd file(memfd_create("warren-text", kFlags | MFD_EXEC));
  if (!file.ok()) file.reset(memfd_create("warren-text", kFlags));
  if (!file.ok() || ftruncate(file.get(), kFileSize) != 0) return Errno{errno};
  void* const memory =
      mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (memory == MAP_FAILED) return Errno{errno};
  std::unique_ptr<TextImages> images(
      new TextImages(std::move(file), static_cast<unsigned char*>(memory), tree, paths));
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (fcntl(images->fd(), F_ADD_SEALS, kSeals) != 0) return Errno{errno};
  return images;
}

TextImages::TextImages(UniqueFd file, unsigned char* memory, bool tree, bool paths)
    : file_(std::move(file)),
      memory_(memory),
      tree_(tree),
      paths_(paths),
      root_device_(root_device()) {}

TextImages::~TextImages() { munmap(memory_, kFileSize); }

bool TextImages::wanted(inject::Service service) const {
  if (service == inject::kServeNone) return false;
  if (inject::serves_untraced(service)) return tree_;
  const bool number = service == inject::kServePid || service == inject::kServeTid ||
                      service == inject::kServeParentPid;
  return number || paths_;
}

// The bytes come from the file, never from a guest: what one has made of its own memory must not
// become the code of others.
const TextImages::Text* TextImages::find(pid_t pid, const GuestMapping& mapping) {
  const Key key{makedev(mapping.major, mapping.minor), mapping.inode, mapping.offset,
                length_of(mapping)};
  struct stat st;
  const auto known = texts_.find(key);
  const bool here = known != texts_.end();
  const auto is_current = [&] { return same_time(st.st_ctim, known->second.changed); };
  if (here && known->second.file.ok() && fstat(known->second.file.get(), &st) == 0 &&
      is_current()) {
    return &known->second.text;
  }
  const std::string path = "/proc/" + std::to_string(pid) + "/root" + mapping.path;
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.ok() || fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) return nullptr;
  if (st.st_ino != mapping.inode || st.st_dev != makedev(mapping.major, mapping.minor)) {
    return nullptr;
  }
  if (here && is_current()) return &known->second.text;
  Known& entry = texts_[key];
  entry.changed = st.st_ctim;
  entry.text = {};
  read(file.get(), mapping, &entry.text);
  entry.file.reset();
  if (st.st_dev == root_device_ && texts_.size() <= kMostOpen) entry.file = std::move(file);
  return &entry.text;
}

void TextImages::read(int fd, const GuestMapping& mapping, Text* text) {
  const std::uint64_t length = length_of(mapping);
  if (used_ + length > kFileSize) return;
  unsigned char* const bytes = memory_ + used_;
  const auto offset = static_cast<off_t>(mapping.offset);
  const ssize_t got = pread(fd, bytes, length, offset);
  if (got <= 0) return;
  const auto size = static_cast<std::uint64_t>(got);
  std::uint64_t slot = used_slots_;
  for (std::uint64_t at = 0; at + inject::kSiteLength <= size && slot < kSharedSlots; ++at) {
    const unsigned char* const end = bytes + at + inject::kSiteLength;
    if (end[-2] != 0x0f || end[-1] != 0x05) continue;
    inject::SiteBytes site;
    std::memcpy(site.data(), bytes + at, site.size());
    if (!inject::is_served_site(site)) continue;
    int nr = 0;
    std::memcpy(&nr, &site[1], sizeof nr);
    inject::Service service = inject::kServePathAtCwd;
    if (site[0] == inject::kSiteBegin) {
      service = inject::service_of(nr);
    } else {
      std::array<unsigned char, inject::kAtCwdLength> longer;
      if (at + inject::kSiteLength < longer.size()) continue;
      std::memcpy(longer.data(), end - longer.size(), longer.size());
      if (!inject::is_at_cwd_site(longer)) continue;
      std::memcpy(&nr, &longer[1], sizeof nr);
    }
    if (!wanted(service)) continue;
    const std::uint64_t pointer =
        inject::kSlots + offsetof(inject::Slots, slot) + slot * sizeof(inject::Slot);
    const inject::SiteBytes jump = inject::jump_through(pointer);
    std::memcpy(bytes + at, jump.data(), jump.size());
    text->sites.push_back({at + inject::kSiteLength, nr, service, slot++});
  }
  if (text->sites.empty()) return;
  text->offset = used_;
  used_ += (length + kPage - 1) / kPage * kPage;
  used_slots_ = slot;
}

TextImages::Plan TextImages::plan(pid_t pid, const std::vector<GuestMapping>& maps) {
  Plan plan;
  UniqueFd pagemap;
  const std::lock_guard lock(mutex_);
  const inject::Header& header = inject::agent_header();
  for (const GuestMapping& mapping : maps) {
    const bool of_file = mapping.inode != 0 && mapping.path.starts_with('/');
    if (!mapping.is_private_text() || !of_file || length_of(mapping) > kLargestText) continue;
    const Text* const text = find(pid, mapping);
    if (!text || text->sites.empty()) continue;
    if (!pagemap.ok()) pagemap = open_pagemap(pid);
    if (has_own_pages(pagemap, mapping.begin, length_of(mapping))) continue;
    plan.texts.push_back({mapping.begin, length_of(mapping), text->offset});
    plan.slots.resize(used_slots_);
    for (const Site& site : text->sites) {
      plan.serves_signals = plan.serves_signals || site.service == inject::kServeSigaction;
      plan.slots[site.slot] = {.entry = header.first_stub + site.slot * header.stub_size,
                               .return_address = mapping.begin + site.offset,
                               .service = header.services[site.service],
                               .nr = static_cast<std::uint32_t>(site.nr),
                               .unused = 0};
    }
  }
  return plan;
}

bool TextImages::tell_slots(const RemoteMemory& memory, const Plan& plan) {
  const bool told = plan.slots.empty() ||
                    memory.write_bytes(inject::kSlots + offsetof(inject::Slots, slot),
                                       plan.slots.data(), plan.slots.size() * sizeof(inject::Slot));
  return told && memory.write(RemotePtr<std::uint64_t>(inject::kSlots), kSharedSlots);
}

}  // namespace warren
