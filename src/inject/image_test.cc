#include "inject/image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>

namespace warren::inject {
namespace {

class ImageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto image = Image::create();
    ASSERT_TRUE(image);
    image_ = std::move(*image);
  }
  // Null where the kernel refuses.
  void* map(int protection, int flags, std::uint64_t offset = 0) {
    void* const at =
        mmap(nullptr, kPage, protection, flags, image_->fd(), static_cast<off_t>(offset));
    return at == MAP_FAILED ? nullptr : at;
  }

  std::unique_ptr<Image> image_;
};

TEST_F(ImageTest, HasTheLayoutsSize) {
  EXPECT_EQ(lseek(image_->fd(), 0, SEEK_END), static_cast<off_t>(kState - kBase));
}

TEST_F(ImageTest, IsNotInherited) {
  EXPECT_EQ(fcntl(image_->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(ImageTest, CanBeReadAndExecuted) {
  void* const code = map(PROT_READ | PROT_EXEC, MAP_SHARED);
  ASSERT_NE(code, nullptr);
  EXPECT_EQ(static_cast<const Header*>(code)->magic, kMagic);
  munmap(code, kPage);
}

TEST_F(ImageTest, CannotBeWrittenByADescriptor) {
  EXPECT_EQ(pwrite(image_->fd(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  // A descriptor of its own, which is all that a guest could make of a mapping.
  const std::string path = "/proc/self/fd/" + std::to_string(image_->fd());
  const UniqueFd own(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!own.ok()) return;
  EXPECT_EQ(pwrite(own.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(ImageTest, KeepsItsSizeAndItsSeals) {
  EXPECT_EQ(ftruncate(image_->fd(), static_cast<off_t>(kState - kBase + kPage)), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(image_->fd(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fallocate(image_->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(kPage)),
            -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fcntl(image_->fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(ImageTest, CannotBeMappedToWrite) {
  for (const std::uint64_t offset : {std::uint64_t{0}, kShared - kBase}) {
    EXPECT_EQ(map(PROT_READ | PROT_WRITE, MAP_SHARED, offset), nullptr) << offset;
    EXPECT_EQ(errno, EPERM);
    void* const page = map(PROT_READ | PROT_EXEC, MAP_SHARED, offset);
    ASSERT_NE(page, nullptr);
    EXPECT_EQ(mprotect(page, kPage, PROT_READ | PROT_WRITE), -1) << offset;
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(mprotect(page, kPage, PROT_READ | PROT_WRITE | PROT_EXEC), -1) << offset;
    munmap(page, kPage);
  }
}

TEST_F(ImageTest, AskPathsIsSeenInMappingsThatWereThereBefore) {
  void* const page = map(PROT_READ, MAP_SHARED, kShared - kBase);
  ASSERT_NE(page, nullptr);
  const auto* const shared = static_cast<const volatile Shared*>(page);
  EXPECT_EQ(shared->ask_paths, 0u);
  image_->ask_paths();
  EXPECT_NE(shared->ask_paths, 0u);
  munmap(page, kPage);
}

TEST_F(ImageTest, ImagesAreOfTheirOwn) {
  auto other = Image::create();
  ASSERT_TRUE(other);
  image_->ask_paths();
  Shared shared{1};
  ASSERT_EQ(pread((*other)->fd(), &shared, sizeof shared, static_cast<off_t>(kShared - kBase)),
            static_cast<ssize_t>(sizeof shared));
  EXPECT_EQ(shared.ask_paths, 0u);
}

TEST(AgentHeader, PointsIntoTheCode) {
  const Header& header = agent_header();
  EXPECT_EQ(header.magic, kMagic);
  const auto in_code = [](std::uint64_t address) {
    return address >= kBase + sizeof(Header) && address < kShared;
  };
  for (const std::uint64_t address :
       {header.trusted_ip, header.asking_ip, header.reader_begin, header.reader_end,
        header.reader_failed, header.boot, header.first_stub}) {
    EXPECT_TRUE(in_code(address)) << std::hex << address;
  }
  EXPECT_LT(header.reader_begin, header.reader_end);
  EXPECT_NE(header.trusted_ip, header.asking_ip);
  // No trap of the reader's recovery, or of a call, is taken for a bad read.
  for (const std::uint64_t address : {header.trusted_ip, header.asking_ip, header.reader_failed}) {
    EXPECT_TRUE(address < header.reader_begin || address >= header.reader_end);
  }
}

TEST(AgentHeader, EveryServiceHasItsCode) {
  const Header& header = agent_header();
  std::set<std::uint64_t> seen;
  for (std::uint32_t service = kServeNone + 1; service < kNrServices; ++service) {
    const std::uint64_t address = header.services[service];
    EXPECT_GE(address, kBase + sizeof(Header)) << service;
    EXPECT_LT(address, kShared) << service;
    EXPECT_TRUE(seen.insert(address).second) << service;
  }
}

TEST(AgentHeader, TheStubsOfAllSlotsLieInTheCode) {
  const Header& header = agent_header();
  EXPECT_GT(header.stub_size, 0u);
  EXPECT_LE(header.first_stub + kNrSlots * header.stub_size, kShared);
}

// The filter compares the address behind the instruction, so it had better be one.
TEST(AgentHeader, SystemCallInstructionsStandBeforeTheirPlaces) {
  const Header& header = agent_header();
  const auto* const code = reinterpret_cast<const unsigned char*>(&header);
  for (const std::uint64_t ip : {header.trusted_ip, header.asking_ip}) {
    EXPECT_EQ(code[ip - kBase - 2], 0x0f) << std::hex << ip;
    EXPECT_EQ(code[ip - kBase - 1], 0x05) << std::hex << ip;
  }
}

}  // namespace
}  // namespace warren::inject
