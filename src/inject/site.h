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

// The same for any call that the agent serves.
bool is_served_site(const SiteBytes& bytes);
// Whether the bytes are a jump through one of the agent's slots.
bool is_jump(const SiteBytes& bytes);

// The jump through the word at `pointer`, which lies at kSlots or above it. Only the first five
// bytes differ from the site's.
SiteBytes jump_through(std::uint64_t pointer);

}  // namespace warren::inject
