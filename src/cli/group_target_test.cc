#include "cli/group_target.h"

#include <gtest/gtest.h>

namespace warren::cli {
namespace {

TEST(GroupPath, AsUsersWriteIt) {
  for (const char* text : {"", "/", "//", "///"}) EXPECT_EQ(group_path(text), "/") << text;
  for (const char* text : {"a/b", "/a/b", "/a//b/", "a/b//"}) EXPECT_EQ(group_path(text), "/a/b");
  EXPECT_EQ(group_path("/a b/\xff"), "/a b/\xff");
}

TEST(Settings, AreCutAtTheFirstEqualsSign) {
  const auto setting = parse_setting("devices.allow=c 1:3=x");
  ASSERT_TRUE(setting);
  EXPECT_EQ(setting->first, "devices.allow");
  EXPECT_EQ(setting->second, "c 1:3=x");
  EXPECT_EQ(parse_setting("release_agent=")->second, "");
  EXPECT_FALSE(parse_setting("pids.max"));
  EXPECT_FALSE(parse_setting("=1"));
  EXPECT_FALSE(parse_setting(""));
}

TEST(Hierarchies, ByTheirLines) {
  const HierarchyName bound = parse_hierarchy("2:cpuset,pids:x:y");
  EXPECT_EQ(bound.id, 2);
  EXPECT_EQ(bound.subsystems, std::vector<std::string>({"cpuset", "pids"}));
  EXPECT_EQ(bound.name, "x:y");
  const HierarchyName named = parse_hierarchy("3::jobs");
  EXPECT_TRUE(named.subsystems.empty());
  EXPECT_EQ(named.name, "jobs");
}

TEST(Pids, ArePositiveNumbers) {
  EXPECT_EQ(parse_pid("4711"), 4711);
  for (const char* text : {"", "0", "-1", "1x", " 1", "99999999999"}) {
    EXPECT_FALSE(parse_pid(text)) << text;
  }
}

}  // namespace
}  // namespace warren::cli
