#include "tracer/procfs/sysctl.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace warren::procfs {
namespace {

void put(const UniqueFd& fd, std::string_view text) {
  ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

TEST(SysctlTest, Parses) {
  EXPECT_EQ(*parse_sysctl("300\n"), 300);
  EXPECT_EQ(*parse_sysctl(" \t7"), 7);
  for (const char* text : {"", "\n", "x", "3x", "99999999999"})
    EXPECT_EQ(parse_sysctl(text).error_code(), EINVAL) << text;
}

TEST(SysctlTest, WritesArriveInOrderAtApply) {
  SysctlWrites writes;
  std::vector<int> values;
  auto fd = writes.open(O_WRONLY, "", [&](int value) { values.push_back(value); });
  ASSERT_TRUE(fd.ok());
  writes.apply();
  EXPECT_TRUE(values.empty());
  put(*fd, "100\n");
  put(*fd, "nonsense");
  put(*fd, "200");
  writes.apply();
  EXPECT_EQ(values, (std::vector<int>{100, 200}));
}

TEST(SysctlTest, AWriteCountsEvenIfItsDescriptorIsClosed) {
  SysctlWrites writes;
  int value = 0;
  {
    auto fd = writes.open(O_WRONLY, "", [&](int v) { value = v; });
    put(*fd, "5\n");
  }
  writes.apply();
  EXPECT_EQ(value, 5);
  writes.apply();
}

TEST(SysctlTest, ReadingAndWriting) {
  SysctlWrites writes;
  int value = 0;
  auto fd = writes.open(O_RDWR, "300\n", [&](int v) { value = v; });
  ASSERT_TRUE(fd.ok());
  char buffer[16];
  EXPECT_EQ(::read(fd->get(), buffer, sizeof buffer), 4);
  EXPECT_EQ(::read(fd->get(), buffer, sizeof buffer), 0);
  put(*fd, "301");
  writes.apply();
  EXPECT_EQ(value, 301);
}

}  // namespace
}  // namespace warren::procfs
