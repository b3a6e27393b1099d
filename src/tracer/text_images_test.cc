// Images of this very process's texts, as a guest would map them.
#include "tracer/text_images.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "inject/served_calls.h"
#include "inject/site.h"

namespace warren {
namespace {

class TextImagesTest : public testing::Test {
 protected:
  void make(bool tree, bool paths) {
    auto made = TextImages::create(tree, paths);
    ASSERT_TRUE(made);
    images_ = std::move(*made);
    plan_ = images_->plan(getpid(), GuestMaps(getpid()).texts());
  }

  const unsigned char* map(const TextImages::Replacement& text) const {
    void* const at = mmap(nullptr, text.length, PROT_READ | PROT_EXEC, MAP_PRIVATE, images_->fd(),
                          static_cast<off_t>(text.offset));
    return at == MAP_FAILED ? nullptr : static_cast<const unsigned char*>(at);
  }

  bool serves(inject::Service service) const {
    const std::uint64_t code = inject::agent_header().services[service];
    return std::any_of(plan_.slots.begin(), plan_.slots.end(),
                       [&](const inject::Slot& slot) { return slot.service == code; });
  }

  std::unique_ptr<TextImages> images_;
  TextImages::Plan plan_;
};

TEST_F(TextImagesTest, AnImageIsTheTextButForItsSites) {
  make(true, true);
  ASSERT_FALSE(plan_.texts.empty()) << "libc has sites";
  std::size_t jumps = 0;
  for (const TextImages::Replacement& text : plan_.texts) {
    const auto* const own = reinterpret_cast<const unsigned char*>(text.address);
    const unsigned char* const image = map(text);
    ASSERT_NE(image, nullptr);
    std::uint64_t at = 0;
    while (at < text.length) {
      if (image[at] == own[at]) {
        ++at;
        continue;
      }
      // A jump, where the text has a site; both end in the same two bytes.
      inject::SiteBytes site;
      inject::SiteBytes jump;
      ASSERT_LE(at + site.size(), text.length);
      std::memcpy(site.data(), own + at, site.size());
      std::memcpy(jump.data(), image + at, jump.size());
      ASSERT_TRUE(inject::is_served_site(site)) << std::hex << text.address + at;
      ASSERT_TRUE(inject::is_jump(jump)) << std::hex << text.address + at;
      ++jumps;
      at += site.size();
      const std::uint64_t back = text.address + at;
      EXPECT_EQ(
          std::count_if(plan_.slots.begin(), plan_.slots.end(),
                        [&](const inject::Slot& slot) { return slot.return_address == back; }),
          1);
    }
    munmap(const_cast<unsigned char*>(image), text.length);
  }
  EXPECT_GT(jumps, 0u);
  EXPECT_LE(plan_.slots.size(), TextImages::kSharedSlots);
}

TEST_F(TextImagesTest, OnlyWhatTheAgentMayServeIsPatched) {
  make(false, true);
  EXPECT_FALSE(serves(inject::kServeClone));
  EXPECT_FALSE(serves(inject::kServeWait4));
  EXPECT_TRUE(serves(inject::kServePath1));
  make(true, false);
  EXPECT_TRUE(serves(inject::kServeWait4));
  EXPECT_FALSE(serves(inject::kServePath0));
  EXPECT_FALSE(serves(inject::kServePath1));
}

// Whoever maps the same text has the same image and the same slots.
TEST_F(TextImagesTest, AnImageIsMadeOnce) {
  make(true, true);
  const TextImages::Plan again = images_->plan(getpid(), GuestMaps(getpid()).texts());
  ASSERT_EQ(again.texts.size(), plan_.texts.size());
  for (std::size_t i = 0; i < again.texts.size(); ++i) {
    EXPECT_EQ(again.texts[i].offset, plan_.texts[i].offset);
  }
  EXPECT_EQ(again.slots.size(), plan_.slots.size());
}

// A breakpoint, or a patch of the program's own, must not be lost.
TEST_F(TextImagesTest, ATextThatWasChangedIsLeftAlone) {
  make(true, true);
  ASSERT_FALSE(plan_.texts.empty());
  const TextImages::Replacement text = plan_.texts.back();
  auto* const page = reinterpret_cast<unsigned char*>(text.address);
  ASSERT_EQ(mprotect(page, inject::kPage, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
  *static_cast<volatile unsigned char*>(page) = *page;
  ASSERT_EQ(mprotect(page, inject::kPage, PROT_READ | PROT_EXEC), 0);
  for (const TextImages::Replacement& other :
       images_->plan(getpid(), GuestMaps(getpid()).texts()).texts) {
    EXPECT_NE(other.address, text.address);
  }
}

TEST_F(TextImagesTest, NobodyWritesToTheFile) {
  make(true, true);
  EXPECT_EQ(mmap(nullptr, inject::kPage, PROT_READ | PROT_WRITE, MAP_SHARED, images_->fd(), 0),
            MAP_FAILED);
  EXPECT_EQ(pwrite(images_->fd(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(images_->fd(), 0), -1);
}

TEST_F(TextImagesTest, AProcessThatIsGoneHasNone) {
  make(true, true);
  EXPECT_TRUE(images_->plan(0x7fffffff, GuestMaps(0x7fffffff).texts()).texts.empty());
}

}  // namespace
}  // namespace warren
