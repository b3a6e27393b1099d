#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

class HierarchiesTest : public GroupsTest {
 protected:
  void unmount(const GroupRef& root_group) { groups->unmount(root_group->hierarchy()); }
  std::string names(const GroupRef& root_group) {
    std::string text;
    for (const Subsystem* subsystem : root_group->hierarchy().subsystems()) {
      text += std::string(subsystem->name) + " ";
    }
    return text;
  }
};

TEST_F(HierarchiesTest, OptionsThatCannotBeUnderstood) {
  for (const char* bad :
       {"name=", "name=a/b", "name=x,name=y", "none", "none,s_a", "all,s_a", "none,all,name=x",
        "noprefix", "release_agent=", "release_agent=/a,release_agent=/b", "s_a,,s_b", "x=y"}) {
    EXPECT_EQ(MountOptions::parse(bad).error_code(), EINVAL) << bad;
  }
  EXPECT_EQ(MountOptions::parse("name=" + std::string(64, 'x')).error_code(), EINVAL);
  Result<MountOptions> good =
      MountOptions::parse("s_a,s_b,name=n.1_-,release_agent=/bin/x,clone_children");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->subsystems.size(), 2u);
  EXPECT_EQ(good->name, "n.1_-");
  EXPECT_EQ(good->release_agent, "/bin/x");
  EXPECT_TRUE(good->clone_children);
}

TEST_F(HierarchiesTest, TheSameSetIsTheSameHierarchy) {
  const GroupRef first = mount("s_a,s_b");
  EXPECT_EQ(mount("s_b,s_a").get(), first.get());
  EXPECT_EQ(names(first), "s_a s_b ");
  EXPECT_EQ(names(top), "s_c s_d ");
  EXPECT_EQ(mount_error("s_a"), EBUSY);
  EXPECT_EQ(mount_error("s_b,s_c"), EBUSY);
  EXPECT_EQ(mount_error("nothing"), ENOENT);
  EXPECT_EQ(mount("").get(), top.get());
  const GroupRef rest = mount("all");
  EXPECT_EQ(names(rest), "s_c s_d ");
  EXPECT_EQ(groups->root_of(*kCounting[3]).get(), rest.get());
  EXPECT_EQ(groups->hierarchies().size(), 3u);
  EXPECT_EQ(groups->proc_cgroups(),
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
            "s_a\t1\t1\t1\ns_b\t1\t1\t1\ns_c\t2\t1\t1\ns_d\t2\t1\t1\n");
}

TEST_F(HierarchiesTest, NamesAloneAndWithSubsystems) {
  EXPECT_EQ(mount_error("name=x"), EINVAL);  // as for Linux: "none" makes one
  const GroupRef named = mount("none,name=x");
  EXPECT_EQ(names(named), "");
  EXPECT_EQ(mount("name=x").get(), named.get());
  EXPECT_EQ(mount_error("s_a,name=x"), EBUSY);
  const GroupRef with = mount("s_a,name=y,release_agent=/bin/agent");
  EXPECT_EQ(mount("s_a").get(), with.get());
  EXPECT_EQ(mount_error("s_a,name=z"), EBUSY);
  EXPECT_EQ(read(with, "release_agent"), "/bin/agent\n");
  EXPECT_EQ(groups->proc_cgroup(*init), "2:s_a,name=y:/\n1:name=x:/\n0::/\n");
}

TEST_F(HierarchiesTest, ASubsystemLeavesTheDefaultOneOnlyWhileThatIsBare) {
  const GroupRef a = make(top, "a");
  EXPECT_EQ(mount_error("s_a"), EBUSY);
  const GroupRef named = mount("none,name=x");  // needs none
  ASSERT_TRUE(groups->remove(*a));
  EXPECT_EQ(names(mount("s_a")), "s_a ");
}

TEST_F(HierarchiesTest, OutlivesItsLastMountWhileItHasGroups) {
  GroupRef one = mount("s_a");
  const GroupRef x = make(one, "x");
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(x, {task}), 0);
  unmount(one);
  unmount(one);  // one too many
  EXPECT_EQ(mount("s_a").get(), one.get());
  unmount(one);
  groups->exit(*task);
  ASSERT_TRUE(groups->remove(*x));
  // What has ended is in it still.
  EXPECT_EQ(names(top), "s_b s_c s_d ");
  groups->release(*task);
  EXPECT_EQ(names(top), "s_a s_b s_c s_d ");
  EXPECT_FALSE(one->alive());
  EXPECT_EQ(read(top, "a.charged"), "1\n");
  EXPECT_EQ(mount("s_a")->hierarchy().id(), 2);
}

TEST_F(HierarchiesTest, ASubsystemThatComesBackIsInEveryGroup) {
  const GroupRef one = mount("s_a");
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  const Ref<Task> task = spawn(init);
  const Ref<Task> zombie = spawn(init);
  ASSERT_EQ(move(b, {task, zombie}), 0);
  groups->exit(*zombie);
  EXPECT_EQ(a->state(*kCounting[0]), nullptr);
  Result<ForkMembership> in_flight = groups->begin_fork(*task);
  unmount(one);
  EXPECT_TRUE(one->alive());  // until the fork has ended
  *in_flight = {};
  EXPECT_FALSE(one->alive());
  EXPECT_EQ(read(top, "a.charged"), "1\n");
  EXPECT_EQ(read(b, "a.charged"), "2\n");
  EXPECT_EQ(counting(*b->state(*kCounting[0])).members, 1);
  groups->release(*zombie);
  EXPECT_EQ(read(b, "a.charged"), "1\n");
}

TEST_F(HierarchiesTest, ASubsystemThatCannotComeBackEverywhereIsInTheRootOnly) {
  for (int call = 1; call <= 4; ++call) {
    GroupRef one = mount("s_a");
    const GroupRef a = make(top, "a");
    const GroupRef b = make(a, "b");
    const Ref<Task> task = spawn(init);
    const Ref<Task> other = spawn(init);
    ASSERT_EQ(move(b, {task}), 0);
    ASSERT_EQ(move(a, {other}), 0);
    failure.arm(call);
    unmount(one);
    EXPECT_EQ(failure.fired, 0);
    EXPECT_EQ(read(top, "a.charged"), "3\n");
    EXPECT_EQ(groups->file_mode(*a, "a.charged"), std::nullopt);
    const GroupRef c = make(b, "c");
    ASSERT_EQ(move(c, {task}), 0);
    end(task), end(other);
    for (const GroupRef& group : {c, b, a}) ASSERT_TRUE(groups->remove(*group));
    EXPECT_EQ(read(top, "a.charged"), "1\n");
  }
}

TEST_F(HierarchiesTest, TooMany) {
  for (int i = 1; i < Groups::kMaxHierarchies; ++i) {
    mount("none,name=h" + std::to_string(i));
  }
  EXPECT_EQ(mount_error("none,name=more"), ENOSPC);
  EXPECT_EQ(groups->remove(*groups->hierarchies()[3]).error_code(), EBUSY);
}

}  // namespace
}  // namespace warren::testing
