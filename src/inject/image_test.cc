#include "inject/image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

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

TEST_F(ImageTest, TheOtherWordsOfThePageAreSwitchesOfTheirOwn) {
  void* const page = map(PROT_READ, MAP_SHARED, kShared - kBase);
  ASSERT_NE(page, nullptr);
  const auto* const shared = static_cast<const volatile Shared*>(page);
  const auto expect = [&](std::uint32_t forks, std::uint32_t probe, std::uint32_t self = 0) {
    EXPECT_EQ(shared->signal_self, self);
    EXPECT_EQ(shared->serve_forks, forks);
    EXPECT_EQ(shared->probe_paths, probe);
    EXPECT_EQ(shared->ask_paths, 0u);
  };
  expect(0, 0);
  image_->serve_forks(true);
  expect(1, 0);
  image_->probe_paths(true);
  image_->serve_forks(false);
  expect(0, 1);
  image_->probe_paths(false);
  expect(0, 0);
  image_->signal_self(true);
  expect(0, 0, 1);
  image_->signal_self(false);
  expect(0, 0);
  munmap(page, kPage);
}

TEST_F(ImageTest, ImagesAreOfTheirOwn) {
  auto other = Image::create();
  ASSERT_TRUE(other);
  image_->ask_paths();
  Shared shared{.ask_paths = 1, .serve_forks = 0, .probe_paths = 0};
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

// Of the agent's own calls, and of those of each slot.
std::vector<std::uint64_t> places_of_calls() {
  const Header& header = agent_header();
  std::vector<std::uint64_t> places = {
      header.trusted_ip,      header.asking_ip,
      header.begin_ip,        header.begin_fork_ip,
      header.begin_vfork_ip,  header.failed_ip,
      header.wait_target_ip,  header.wait_ip,
      header.waited_ip,       header.sigwait_ip,
      header.signal_taken_ip, header.init_acts_ip,
      header.booted_ip,       header.trampoline + header.trampoline_failed,
      header.leave_init_ip,   header.signal_self_ip};
  for (std::uint64_t slot = 0; slot < kNrSlots; ++slot) {
    places.push_back(header.register_ip + slot * header.clone_stub_size);
    places.push_back(header.vforked_ip + slot * header.clone_stub_size);
    places.push_back(header.clone_begin + 2 + slot * header.clone_stub_size);
    places.push_back(header.fork_asking_ip + slot * header.stub_size);
  }
  return places;
}

// The filter compares the address behind the instruction, so it had better be one.
TEST(AgentHeader, SystemCallInstructionsStandBeforeTheirPlaces) {
  const auto* const code = reinterpret_cast<const unsigned char*>(&agent_header());
  std::set<std::uint64_t> seen;
  for (const std::uint64_t ip : places_of_calls()) {
    ASSERT_TRUE(ip > kBase && ip < kShared) << std::hex << ip;
    EXPECT_EQ(code[ip - kBase - 2], 0x0f) << std::hex << ip;
    EXPECT_EQ(code[ip - kBase - 1], 0x05) << std::hex << ip;
    EXPECT_TRUE(seen.insert(ip).second) << std::hex << ip;
  }
}

// What is asked for must not be let through with the agent's own forks.
TEST(AgentHeader, OnlyTheAgentsForksComeFromAmongItsForks) {
  const Header& header = agent_header();
  ASSERT_LT(header.clone_begin, header.clone_end);
  // Behind those of the slots, that of quiet forks, and those of quiet vforks.
  const std::uint64_t of_slots = kNrSlots * header.clone_stub_size;
  EXPECT_GT(header.clone_end - header.clone_begin, of_slots);
  EXPECT_LT(header.clone_end - header.clone_begin,
            of_slots + header.clone_stub_size + kNrSlots * WARREN_AGENT_QUIET_STUB_SIZE);
  for (const std::uint64_t ip : places_of_calls()) {
    const bool of_a_fork = ip >= header.clone_begin && ip < header.clone_end;
    const PrivateCall call = private_call_at(ip);
    const bool in_stub = call == PrivateCall::kRegister || call == PrivateCall::kVforked ||
                         (ip - header.clone_begin) % header.clone_stub_size == 2;
    EXPECT_TRUE(in_stub || !of_a_fork) << std::hex << ip;
    EXPECT_FALSE(of_a_fork && is_fork_asking_place(ip)) << std::hex << ip;
  }
}

TEST(PrivateCalls, AreKnownByTheirPlaces) {
  const Header& header = agent_header();
  std::map<std::uint64_t, PrivateCall> calls = {{header.begin_ip, PrivateCall::kBegin},
                                                {header.begin_fork_ip, PrivateCall::kBeginFork},
                                                {header.begin_vfork_ip, PrivateCall::kBeginVfork},
                                                {header.failed_ip, PrivateCall::kFailed},
                                                {header.forked_ip, PrivateCall::kForked},
                                                {header.wait_target_ip, PrivateCall::kWaitTarget},
                                                {header.waited_ip, PrivateCall::kWaited},
                                                {header.signal_taken_ip, PrivateCall::kSignalTaken},
                                                {header.init_acts_ip, PrivateCall::kInitActs},
                                                {header.leave_init_ip, PrivateCall::kLeaveInit},
                                                {header.booted_ip, PrivateCall::kBooted}};
  std::set<std::uint64_t> asking;
  for (std::uint64_t slot = 0; slot < kNrSlots; ++slot) {
    calls[header.register_ip + slot * header.clone_stub_size] = PrivateCall::kRegister;
    calls[header.vforked_ip + slot * header.clone_stub_size] = PrivateCall::kVforked;
    asking.insert(header.fork_asking_ip + slot * header.stub_size);
  }
  for (std::uint64_t ip = kBase - 1; ip <= kEnd; ++ip) {
    const auto found = calls.find(ip);
    ASSERT_EQ(private_call_at(ip), found == calls.end() ? PrivateCall::kNone : found->second)
        << std::hex << ip;
    ASSERT_EQ(is_fork_asking_place(ip), asking.contains(ip)) << std::hex << ip;
    ASSERT_EQ(private_call_at(ip + (std::uint64_t{1} << 32)), PrivateCall::kNone);
  }
}

}  // namespace
}  // namespace warren::inject
