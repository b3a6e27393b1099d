#include "tracer/procfs/mounts.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace warren::procfs {
namespace {

const std::vector<ShownMount> kGroups = {
    {.device = ::gnu_dev_makedev(0, 50),
     .dir = "/g/my groups",
     .source = "none",
     .type = "cgroup",
     .options = "rw,nosuid,nodev,noexec,relatime,cpuset,name=x"}};

TEST(MountsTest, TableOfMounts) {
  EXPECT_EQ(rewrite_mounts("proc /proc proc rw,relatime 0 0\n"
                           "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
                           "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
                           "rcfs /g/my\\040groups fuse.rcfs rw,nosuid,user_id=0 0 0\n"
                           "rcfs /other fuse.rcfs rw,user_id=0 0 0\n"
                           "/dev/vda / ext4 rw 0 0\n",
                           kGroups),
            "proc /proc proc rw,relatime 0 0\n"
            "none /g/my\\040groups cgroup rw,nosuid,nodev,noexec,relatime,cpuset,name=x 0 0\n"
            "rcfs /other fuse.rcfs rw,user_id=0 0 0\n"
            "/dev/vda / ext4 rw 0 0\n");
}

TEST(MountsTest, MountInfoGoesByDevice) {
  EXPECT_EQ(
      rewrite_mountinfo(
          "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
          "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
          "60 27 0:50 / /elsewhere rw,nosuid shared:1 master:2 - fuse.rcfs rcfs rw,user_id=0\n"
          "61 27 0:51 / /g/my\\040groups rw - fuse.rcfs rcfs rw,user_id=0\n",
          kGroups),
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "60 27 0:50 / /elsewhere rw,nosuid shared:1 master:2 - cgroup none rw,cpuset,name=x\n"
      "61 27 0:51 / /g/my\\040groups rw - fuse.rcfs rcfs rw,user_id=0\n");
}

TEST(MountsTest, WithoutGroups) {
  EXPECT_EQ(rewrite_mounts("", {}), "");
  EXPECT_EQ(rewrite_mounts("a /b ext4 rw 0 0\nc /d cgroup2 rw 0 0\n", {}), "a /b ext4 rw 0 0\n");
  EXPECT_EQ(rewrite_mountinfo("no such line\n", {}), "no such line\n");
}

}  // namespace
}  // namespace warren::procfs
