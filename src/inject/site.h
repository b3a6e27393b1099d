// Which system-call instructions can be replaced by a jump, and the jump (layout.h).
#pragma once

#include <array>
#include <cstdint>

namespace warren::inject {

inline constexpr std::uint64_t kSiteLength = 7;
inline constexpr unsigned char kSiteBegin = 0xb8;  // mov
inline constexpr unsigned char kJumpBegin = 0xff;  // jmp
using SiteBytes = std::array<unsigned char, kSiteLength>;

// Whether the bytes are `mov $nr, %eax; syscall`.
bool is_site(const SiteBytes& bytes, int nr);

// libc's open for its own use (opendir(3)) has other instructions between: `mov $SYS_openat, %eax;
// mov %rdi, %rsi; mov $AT_FDCWD, %edi; syscall`. The last two of them make a site as well.
inline constexpr std::uint64_t kAtCwdLength = 15;
inline constexpr unsigned char kAtCwdBegin = 0xbf;  // mov to edi
bool is_at_cwd_site(const std::array<unsigned char, kAtCwdLength>& bytes);

// Whether the bytes may be a site, of any call that the agent serves.
bool is_served_site(const SiteBytes& bytes);
// Whether the bytes are a jump through one of the agent's slots.
bool is_jump(const SiteBytes& bytes);

// The jump through the word at `pointer`, which lies at kSlots or above it. Only the first five
// bytes differ from the site's.
SiteBytes jump_through(std::uint64_t pointer);

}  // namespace warren::inject
