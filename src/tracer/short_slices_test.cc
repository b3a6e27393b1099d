#include "tracer/short_slices.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <thread>

namespace warren {
namespace {

// The slice of the calling thread in nanoseconds; 0: the host's default, or it does not tell.
std::uint64_t own_slice() {
  std::array<std::uint64_t, 6> attributes{};
  if (syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0) != 0) return 0;
  return attributes[3];  // sched_runtime
}

TEST(ShortSlices, OfOneThreadAndNotOfItsChildren) {
  const std::uint64_t before = own_slice();
  std::thread([&] {
    ask_for_short_slices();
    // An older host says nothing, or what it always says.
    EXPECT_TRUE(own_slice() == 100'000 || own_slice() == before) << own_slice();
    const pid_t child = fork();
    if (child == 0) _exit(own_slice() == before ? 0 : 1);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "a child has the default";
  }).join();
  EXPECT_EQ(own_slice(), before) << "another thread";
}

}  // namespace
}  // namespace warren
