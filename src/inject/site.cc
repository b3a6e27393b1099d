#include "inject/site.h"

#include <cstring>

#include "inject/served_calls.h"

namespace warren::inject {

namespace {
// The end of the jump is the end of the site.
constexpr std::array<unsigned char, kAtCwdLength> kAtCwd = {0xb8, 0x01, 0x01, 0x00,        0x00,
                                                            0x48, 0x89, 0xfe, kAtCwdBegin, 0x9c,
                                                            0xff, 0xff, 0xff, 0x0f,        0x05};
static_assert(kBase >> 16 == 0x050f && (kEnd - 1) >> 16 == 0x050f);
}  // namespace

bool is_site(const SiteBytes& bytes, int nr) {
  SiteBytes site{kSiteBegin, 0, 0, 0, 0, 0x0f, 0x05};
  std::memcpy(&site[1], &nr, sizeof nr);
  return bytes == site;
}

bool is_at_cwd_site(const std::array<unsigned char, kAtCwdLength>& bytes) {
  return bytes == kAtCwd;
}

bool is_served_site(const SiteBytes& bytes) {
  if (std::memcmp(bytes.data(), &kAtCwd[kAtCwdLength - kSiteLength], kSiteLength) == 0) return true;
  int nr = 0;
  std::memcpy(&nr, &bytes[1], sizeof nr);
  return is_site(bytes, nr) && service_of(nr) != kServeNone;
}

bool is_jump(const SiteBytes& bytes) {
  std::uint32_t pointer = 0;
  std::memcpy(&pointer, &bytes[3], sizeof pointer);
  return pointer >= kSlots && pointer < kEnd && bytes == jump_through(pointer);
}

SiteBytes jump_through(std::uint64_t pointer) {
  SiteBytes bytes{kJumpBegin, 0x24, 0x25};
  const auto address = static_cast<std::uint32_t>(pointer);
  std::memcpy(&bytes[3], &address, sizeof address);
  return bytes;
}

}  // namespace warren::inject
