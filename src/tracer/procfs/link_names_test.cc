#include "tracer/procfs/link_names.h"

#include <gtest/gtest.h>

namespace warren::procfs {
namespace {

TEST(LinkNamesTest, RemembersLinksIntoProc) {
  LinkNames names;
  names.learn("/usr/bin", "/tmp/ordinary");
  EXPECT_FALSE(names.mentioned_in("/tmp/ordinary/x"));
  names.learn("/proc/self", "/tmp/me/");
  names.learn("../../tmp/me", "deeper/also");
  for (const char* path : {"/tmp/me/stat", "me", "/tmp/me", "x//me//y", "deeper/also"})
    EXPECT_TRUE(names.mentioned_in(path)) << path;
  for (const char* path : {"", "/", "/tmp/mea", "some", "/tmp/deeper", "/usr/bin/env"})
    EXPECT_FALSE(names.mentioned_in(path)) << path;
  names.learn("/proc", "");
  names.learn("/proc", "///");
  EXPECT_FALSE(names.mentioned_in("/"));
}

TEST(LinkNamesTest, TakesABoundedAmount) {
  LinkNames names;
  for (int i = 0; i < 5000; ++i) names.learn("/proc", "l" + std::to_string(i));
  EXPECT_TRUE(names.mentioned_in("l1"));
  EXPECT_FALSE(names.mentioned_in("l4999"));
}

}  // namespace
}  // namespace warren::procfs
