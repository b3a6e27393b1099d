#include "inject/site.h"

#include <cstring>

#include "inject/layout.h"

namespace warren::inject {

namespace {
// The end of the jump is the end of the site.
static_assert(kBase >> 16 == 0x050f && (kEnd - 1) >> 16 == 0x050f);
}  // namespace

bool is_site(const SiteBytes& bytes, int nr) {
  SiteBytes site{0xb8, 0, 0, 0, 0, 0x0f, 0x05};
  std::memcpy(&site[1], &nr, sizeof nr);
  return bytes == site;
}

SiteBytes jump_through(std::uint64_t pointer) {
  SiteBytes bytes{0xff, 0x24, 0x25};
  const auto address = static_cast<std::uint32_t>(pointer);
  std::memcpy(&bytes[3], &address, sizeof address);
  return bytes;
}

}  // namespace warren::inject
