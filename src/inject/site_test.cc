#include "inject/site.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstring>

#include "inject/served_calls.h"

namespace warren::inject {
namespace {

SiteBytes site_of(int nr) {
  SiteBytes bytes{0xb8, 0, 0, 0, 0, 0x0f, 0x05};
  std::memcpy(&bytes[1], &nr, sizeof nr);
  return bytes;
}

std::uint64_t slot_address(int index) {
  return kSlots + offsetof(Slots, slot) + static_cast<std::uint64_t>(index) * sizeof(Slot);
}

TEST(Site, IsTheTwoInstructionsWithThatNumber) {
  for (const int nr : {0, 1, SYS_getpid, SYS_openat, 256, 0x01020304}) {
    EXPECT_TRUE(is_site(site_of(nr), nr)) << nr;
    EXPECT_FALSE(is_site(site_of(nr), nr + 1)) << nr;
    EXPECT_FALSE(is_site(site_of(nr), nr ^ 0x10000)) << nr;
  }
}

TEST(Site, TheOneOfOpendirIsServed) {
  std::array<unsigned char, kAtCwdLength> bytes = {0xb8, 0x01, 0x01, 0x00, 0x00, 0x48, 0x89, 0xfe,
                                                   0xbf, 0x9c, 0xff, 0xff, 0xff, 0x0f, 0x05};
  EXPECT_TRUE(is_at_cwd_site(bytes));
  SiteBytes end;
  std::memcpy(end.data(), &bytes[kAtCwdLength - kSiteLength], kSiteLength);
  EXPECT_TRUE(is_served_site(end));
  EXPECT_FALSE(is_site(end, SYS_openat));
  for (unsigned char& byte : bytes) {
    byte ^= 1;
    EXPECT_FALSE(is_at_cwd_site(bytes));
    byte ^= 1;
  }
}

TEST(Site, AnyOtherByteMakesItNone) {
  for (std::size_t i = 0; i < kSiteLength; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      SiteBytes bytes = site_of(SYS_openat);
      bytes[i] ^= static_cast<unsigned char>(1 << bit);
      EXPECT_FALSE(is_site(bytes, SYS_openat)) << i << " " << bit;
    }
  }
}

TEST(Site, ServedSitesAreThoseOfServedCalls) {
  for (int nr = 0; nr < 600; ++nr) {
    EXPECT_EQ(is_served_site(site_of(nr)), service_of(nr) != kServeNone) << nr;
  }
  EXPECT_TRUE(is_served_site(site_of(SYS_openat)));
  EXPECT_FALSE(is_served_site(site_of(SYS_tkill)));
  SiteBytes bytes = site_of(SYS_openat);
  bytes[6] = 0x34;  // sysenter
  EXPECT_FALSE(is_served_site(bytes));
}

TEST(Site, AJumpEndsInTheSystemCallInstruction) {
  for (int i = 0; i < kNrSlots; ++i) {
    const SiteBytes jump = jump_through(slot_address(i));
    EXPECT_EQ(jump[5], 0x0f) << i;
    EXPECT_EQ(jump[6], 0x05) << i;
    EXPECT_TRUE(is_jump(jump)) << i;
  }
}

// jmp *disp32 without base and index: ff /4, a SIB byte, and the address.
TEST(Site, AJumpIsTheInstructionThatItShouldBe) {
  const std::uint64_t pointer = slot_address(3);
  const SiteBytes jump = jump_through(pointer);
  EXPECT_EQ(jump[0], 0xff);
  EXPECT_EQ(jump[1] >> 6, 0) << "mod";
  EXPECT_EQ(jump[1] >> 3 & 7, 4) << "the operation: a near indirect jump";
  EXPECT_EQ(jump[1] & 7, 4) << "rm: a SIB byte follows";
  EXPECT_EQ(jump[2], 0x25) << "neither base nor index";
  std::uint32_t address = 0;
  std::memcpy(&address, &jump[3], sizeof address);
  EXPECT_EQ(address, pointer);
}

TEST(Site, OnlyJumpsThroughSlotsAreJumps) {
  EXPECT_FALSE(is_jump(site_of(SYS_getpid)));
  EXPECT_FALSE(is_jump(jump_through(kSlots - 8)));
  EXPECT_FALSE(is_jump(jump_through(kBase)));
  EXPECT_FALSE(is_jump(jump_through(kEnd)));
  for (std::size_t i = 0; i < 3; ++i) {
    SiteBytes bytes = jump_through(slot_address(0));
    bytes[i] ^= 1;
    EXPECT_FALSE(is_jump(bytes)) << i;
  }
}

TEST(Site, AJumpIsNoServedSiteAndASiteIsNoJump) {
  for (int nr = 0; nr < 600; ++nr) EXPECT_FALSE(is_jump(site_of(nr))) << nr;
  for (int i = 0; i < kNrSlots; ++i) EXPECT_FALSE(is_served_site(jump_through(slot_address(i))));
}

}  // namespace
}  // namespace warren::inject
