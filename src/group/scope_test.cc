#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

// Process 2 is the init of a namespace whose home is the group /home; 3 is in there with it.
class ScopeTest : public GroupsTest {
 protected:
  ScopeTest() {
    home = make(top, "home");
    below = make(home, "below");
    aside = make(top, "aside");
    inner = spawn(init, {.new_pid_ns = true});
    child = spawn(inner);
    EXPECT_EQ(move(home, {inner, child}), 0);
    guest.ns = inner->ns();
  }
  int may(const GroupRef& group, GroupChange change) {
    return groups->may_change(*group, guest, change).error_code();
  }

  GroupRef home, below, aside;
  Ref<Task> inner, child;
  GroupCaller guest;
};

TEST_F(ScopeTest, AGuestChangesWhatIsBelowItsNamespacesInit) {
  for (const GroupRef& group : {top, aside}) {
    EXPECT_EQ(may(group, GroupChange::kInside), EPERM);
    EXPECT_EQ(may(group, GroupChange::kItself), EPERM);
  }
  EXPECT_EQ(may(home, GroupChange::kInside), 0);
  EXPECT_EQ(may(home, GroupChange::kItself), EPERM);
  EXPECT_EQ(may(below, GroupChange::kInside), 0);
  EXPECT_EQ(may(below, GroupChange::kItself), 0);
  guest.ns = nullptr;
  EXPECT_EQ(may(top, GroupChange::kItself), 0);
}

TEST_F(ScopeTest, NotGroupsWithTasksThatItDoesNotSee) {
  const GroupRef deep = make(below, "deep");
  const Ref<Task> stranger = spawn(init);
  ASSERT_EQ(move(deep, {stranger}), 0);
  EXPECT_EQ(may(below, GroupChange::kItself), EPERM);
  EXPECT_EQ(write(below, "cgroup.kill", "1", guest), EPERM);
  EXPECT_TRUE(host.calls.empty());
  ASSERT_EQ(move(top, {stranger}), 0);
  EXPECT_EQ(write(below, "cgroup.kill", "1", guest), 0);
}

TEST_F(ScopeTest, FilesOfItsOwnGroupStayAsTheyWereSet) {
  EXPECT_EQ(write(home, "cgroup.max.depth", "5", guest), EPERM);
  EXPECT_EQ(write(home, "cgroup.kill", "1", guest), EPERM);
  EXPECT_EQ(write(top, "release_agent", "/bin/sh", guest), EPERM);
  EXPECT_EQ(read(top, "release_agent"), "\n");
  EXPECT_EQ(write(below, "cgroup.max.depth", "5", guest), 0);
}

TEST_F(ScopeTest, TasksMoveWithinItsOwnGroups) {
  EXPECT_EQ(write(below, "cgroup.procs", "2", guest), 0);
  EXPECT_EQ(write(home, "tasks", "2", guest), 0);
  EXPECT_EQ(write(aside, "cgroup.procs", "2", guest), EPERM);
  // Who was put elsewhere from outside stays there.
  ASSERT_EQ(move(aside, {child}), 0);
  EXPECT_EQ(write(below, "cgroup.procs", "2", guest), EPERM);
  EXPECT_EQ(groups->group_of(*child, top->hierarchy()).get(), aside.get());
}

TEST_F(ScopeTest, AnInitThatMovesItselfStaysAtHome) {
  EXPECT_EQ(write(below, "cgroup.procs", "1", guest), 0);
  const GroupRef deep = make(below, "deep");
  EXPECT_EQ(write(deep, "tasks", "1", guest), 0);
  EXPECT_EQ(may(home, GroupChange::kInside), 0);
  EXPECT_EQ(may(home, GroupChange::kItself), EPERM);
  EXPECT_EQ(may(top, GroupChange::kInside), EPERM);
  EXPECT_EQ(write(home, "cgroup.procs", "1", guest), 0);
  EXPECT_EQ(write(top, "cgroup.procs", "1", guest), EPERM);
  EXPECT_EQ(write(below, "cgroup.procs", "1", guest), 0);
  // Whoever moves it from outside gives it a new home: below the old one, ...
  ASSERT_EQ(move(deep, {inner}), 0);
  EXPECT_EQ(may(home, GroupChange::kInside), EPERM);
  EXPECT_EQ(may(deep, GroupChange::kInside), 0);
  // ... or elsewhere.
  const GroupRef deeper = make(deep, "deeper");
  EXPECT_EQ(write(deeper, "cgroup.procs", "1", guest), 0);
  ASSERT_EQ(move(aside, {inner}), 0);
  EXPECT_EQ(may(deep, GroupChange::kInside), EPERM);
  EXPECT_EQ(may(aside, GroupChange::kInside), 0);
}

TEST_F(ScopeTest, AnInitThatBeginsAGroupStaysAtHome) {
  ASSERT_TRUE(groups->unshare(*inner, 1, "own"));
  EXPECT_EQ(groups->group_of(*inner, top->hierarchy())->path(), "/home/own");
  EXPECT_EQ(may(home, GroupChange::kInside), 0);
  EXPECT_EQ(write(home, "cgroup.procs", "1", guest), 0);
}

TEST_F(ScopeTest, ANamespaceWithoutInitChangesNothing) {
  end(child);
  end(inner);
  EXPECT_EQ(may(below, GroupChange::kInside), EPERM);
}

}  // namespace
}  // namespace warren::testing
