#include "tracer/procfs/snapshots.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace warren::procfs {
namespace {

ino_t inode(const Result<UniqueFd>& fd) {
  struct stat st = {};
  EXPECT_TRUE(fd.ok());
  if (fd) {
    EXPECT_EQ(::fstat(fd->get(), &st), 0);
  }
  return st.st_ino;
}

TEST(SnapshotsTest, WhatWasLookedAtIsWhatIsOpened) {
  Snapshots snapshots;
  const auto seen = snapshots.identity(7, "/proc/7/stat");
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(snapshots.identity(7, "/proc/7/stat")->ino, seen->ino);
  EXPECT_NE(snapshots.identity(8, "/proc/7/stat")->ino, seen->ino);
  EXPECT_NE(inode(snapshots.open(7, "/proc/7/status", "x")), seen->ino);
  const auto opened = snapshots.open(7, "/proc/7/stat", "text");
  EXPECT_EQ(inode(opened), seen->ino);
  char buffer[8];
  EXPECT_EQ(::read(opened->get(), buffer, sizeof buffer), 4);
  EXPECT_LT(::write(opened->get(), buffer, 1), 0);
  // Each open has a text of its own.
  EXPECT_NE(inode(snapshots.open(7, "/proc/7/stat", "other")), seen->ino);
}

TEST(SnapshotsTest, KeepsFewDescriptors) {
  Snapshots snapshots;
  const auto first = snapshots.identity(1, "/proc/1/stat");
  for (int pid = 2; pid < 200; ++pid) ASSERT_TRUE(snapshots.identity(pid, "/proc/1/stat").ok());
  EXPECT_NE(snapshots.identity(1, "/proc/1/stat")->ino, first->ino);
}

}  // namespace
}  // namespace warren::procfs
