#include "tracer/loader_calls.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/unique_fd.h"
#include "inject/layout.h"
#include "inject/site.h"

namespace warren {

namespace {

// No loader is larger.
constexpr off_t kLargest = off_t{4} << 20;
// What glibc's loader asks the kernel for at first (elf/dl-minimal-malloc.c).
constexpr std::uint32_t kFirstMemory = 2 * inject::kPage;

using Bytes = std::vector<unsigned char>;

Bytes read_whole(const char* path) {
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  struct stat st;
  if (!file.ok() || fstat(file.get(), &st) != 0 || st.st_size > kLargest) return {};
  Bytes bytes(static_cast<std::size_t>(st.st_size));
  const ssize_t got = pread(file.get(), bytes.data(), bytes.size(), 0);
  if (got != static_cast<ssize_t>(bytes.size())) return {};
  return bytes;
}

// The parts of the file that are mapped; none if it is damaged.
std::vector<Elf64_Phdr> mapped_parts(const Bytes& file) {
  Elf64_Ehdr header;
  if (file.size() < sizeof header) return {};
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  std::vector<Elf64_Phdr> parts;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const std::uint64_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (at > file.size() || file.size() - at < sizeof(Elf64_Phdr)) return {};
    Elf64_Phdr part;
    std::memcpy(&part, file.data() + at, sizeof part);
    if (part.p_type != PT_LOAD) continue;
    if (part.p_offset > file.size() || part.p_filesz > file.size() - part.p_offset) return {};
    parts.push_back(part);
  }
  return parts;
}

std::string_view content(const Bytes& file, const Elf64_Phdr& part) {
  return {reinterpret_cast<const char*>(file.data()) + part.p_offset, part.p_filesz};
}

// Where the string is that cannot be written.
std::optional<std::uint64_t> address_of(const Bytes& file, const std::vector<Elf64_Phdr>& parts,
                                        std::string_view with_end) {
  for (const Elf64_Phdr& part : parts) {
    if ((part.p_flags & PF_W) != 0) continue;
    const std::size_t at = content(file, part).find(with_end);
    if (at != std::string_view::npos) return part.p_vaddr + at;
  }
  return {};
}

// Behind each instruction that makes the call.
std::vector<std::uint64_t> places_of(const Bytes& file, const std::vector<Elf64_Phdr>& parts,
                                     int nr) {
  std::vector<std::uint64_t> places;
  for (const Elf64_Phdr& part : parts) {
    if ((part.p_flags & PF_X) == 0) continue;
    const std::string_view text = content(file, part);
    constexpr std::string_view kSyscall = "\x0f\x05";
    for (std::size_t at = 0; (at = text.find(kSyscall, at)) != std::string_view::npos; ++at) {
      const std::size_t end = at + kSyscall.size();
      if (end < inject::kAtCwdLength) continue;
      inject::SiteBytes site;
      std::memcpy(site.data(), &text[end - site.size()], site.size());
      std::array<unsigned char, inject::kAtCwdLength> longer;
      std::memcpy(longer.data(), &text[end - longer.size()], longer.size());
      const bool at_cwd = nr == SYS_openat && inject::is_at_cwd_site(longer);
      if (at_cwd || inject::is_site(site, nr)) places.push_back(part.p_vaddr + end);
    }
  }
  return places;
}

}  // namespace

std::vector<LoaderCall> find_loader_calls(const char* path, std::optional<std::uint64_t> below) {
  using namespace std::string_view_literals;
  struct Sought {
    int nr;
    int argument;
    std::string_view path;
  };
  constexpr std::array kSought = {Sought{SYS_access, 0, "/etc/ld.so.preload\0"sv},
                                  Sought{SYS_openat, 1, "/etc/ld.so.cache\0"sv}};
  const Bytes file = read_whole(path);
  const std::vector<Elf64_Phdr> parts = mapped_parts(file);
  std::vector<LoaderCall> calls;
  for (const Sought& sought : kSought) {
    const auto text = address_of(file, parts, sought.path);
    if (!text) continue;
    for (const std::uint64_t ip : places_of(file, parts, sought.nr)) {
      calls.push_back({sought.nr, sought.argument, static_cast<std::uint32_t>(ip % inject::kPage),
                       static_cast<std::int32_t>(*text - ip), 1});
      // By the same places.
      if (below && sought.nr == SYS_openat) {
        const std::uint64_t begin = parts[0].p_vaddr / inject::kPage * inject::kPage;
        calls.push_back({sought.nr, sought.argument, static_cast<std::uint32_t>(ip % inject::kPage),
                         static_cast<std::int32_t>(begin - *below - kFirstMemory - ip),
                         kFirstMemory});
      }
    }
  }
  return calls;
}

std::optional<std::uint64_t> below_loader() {
  const std::uint64_t loader = getauxval(AT_BASE);
  const std::unique_ptr<FILE, int (*)(FILE*)> maps(std::fopen("/proc/self/maps", "re"),
                                                   &std::fclose);
  if (loader == 0 || !maps) return {};
  // The kernel's own mappings, of which each begins where the last ended, up to the loader.
  std::uint64_t first = 0, last_end = 0;
  std::array<char, 512> line;
  while (std::fgets(line.data(), line.size(), maps.get())) {
    std::uint64_t begin = 0, end = 0;
    if (std::sscanf(line.data(), "%" SCNx64 "-%" SCNx64, &begin, &end) != 2) continue;
    if (begin == loader) return last_end == loader ? loader - first : 0;
    if (!std::strstr(line.data(), "[v")) continue;  // [vdso], [vvar], [vvar_vclock]
    if (begin != last_end) first = begin;
    last_end = end;
  }
  return {};
}

}  // namespace warren
