#include "group/controllers/controller_test.h"

namespace warren {
namespace {

constexpr std::uint64_t kCloneNewPid = 0x20000000;

class PidGroups : public testing::ControllerTest {
 protected:
  // As a runtime does for clone(2) with CLONE_NEWPID.
  Ref<Task> child_in_new_ns(const Ref<Task>& parent, std::string_view name) {
    Ref<Task> child = child_of(parent, {.new_pid_ns = true});
    EXPECT_TRUE(groups->unshare(*child, kCloneNewPid, name));
    return child;
  }
};

TEST_F(PidGroups, CloneBeginsAGroupWithItsNamespace) {
  const Ref<Task> child = child_in_new_ns(init, "ns");
  Group& group = at("ns");
  EXPECT_EQ(read(group, "pid.level"), "1\n");
  EXPECT_EQ(read(group, "pid.inode"), std::to_string(child->ns()->inode()) + "\n");
  EXPECT_EQ(read(group, "pid.last"), "1\n");
  EXPECT_EQ(read(group, "pid.max"), "4194304\n");
  child_of(child);
  EXPECT_EQ(read(group, "pid.last"), "2\n");
  const Ref<Task> inner = child_in_new_ns(child, "ns");
  EXPECT_EQ(read(at("ns/ns"), "pid.level"), "2\n");
  EXPECT_EQ(read(root_group(), "pid.level"), "0\n");
}

TEST_F(PidGroups, UnshareTakesTheNamespaceOfItsChildren) {
  const Ref<Task> task = child_of(init);
  EXPECT_TRUE(kernel->unshare_pid(*task));
  EXPECT_TRUE(groups->unshare(*task, kCloneNewPid, "ns"));
  const Ref<Task> child = child_of(task);
  EXPECT_EQ(child->vnr(), 1);
  EXPECT_EQ(read(at("ns"), "pid.inode"), std::to_string(child->ns()->inode()) + "\n");
  // Both belong there.
  EXPECT_EQ(move(task, root_group()), 0);
  EXPECT_EQ(move(task, at("ns")), 0);
  EXPECT_EQ(move(child, root_group()), 0);
  EXPECT_EQ(move(child, at("ns")), 0);
}

TEST_F(PidGroups, OnlyTasksOfTheNamespaceMayJoin) {
  const Ref<Task> child = child_in_new_ns(init, "ns");
  const Ref<Task> other = child_of(init);
  EXPECT_EQ(move(other, at("ns")), EINVAL);
  EXPECT_EQ(groups->group_of(*other, root_group().hierarchy()).get(), &root_group());
  // Who has moved there may.
  EXPECT_TRUE(kernel->move(other->group(), *child->ns()));
  EXPECT_EQ(move(other, at("ns")), 0);
}

TEST_F(PidGroups, GroupsMadeByHandTakeAnybody) {
  const Ref<Task> child = child_in_new_ns(init, "ns");
  Group& a = make("a");
  Group& b = make("ns/b");
  EXPECT_EQ(read(a, "pid.level"), "0\n");
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(read(a, "pid.level"), "0\n");
  EXPECT_EQ(move(child_of(init), a), 0);
  // Below a group with a namespace, they show that one.
  EXPECT_EQ(read(b, "pid.level"), "1\n");
  EXPECT_EQ(move(child_of(init), b), 0);
  EXPECT_EQ(write(a, "pid.last", "5"), EOPNOTSUPP);
}

TEST_F(PidGroups, LastAndMaxAreThoseOfTheNamespace) {
  const Ref<Task> child = child_in_new_ns(init, "ns");
  Group& group = at("ns");
  EXPECT_EQ(write(group, "pid.last", "99"), 0);
  EXPECT_EQ(child_of(child)->vnr(), 100);
  EXPECT_EQ(write(group, "pid.max", "500"), 0);
  EXPECT_EQ(read(group, "pid.max"), "500\n");
  EXPECT_EQ(child->ns()->pid_max(), 500);
  for (const char* text : {"", "x", "-1", "500", "4294967296"}) {
    EXPECT_EQ(write(group, "pid.last", text), EINVAL) << text;
  }
  for (const char* text : {"300", "0", "99999999999"}) {
    EXPECT_EQ(write(group, "pid.max", text), EINVAL) << text;
  }
  EXPECT_EQ(write(group, "pid.level", "1"), EACCES);
}

TEST_F(PidGroups, AnUnshareThatFailsLeavesNoTrace) {
  EXPECT_EQ(write(root_group(), "cgroup.max.descendants", "0"), 0);
  const Ref<Task> child = child_of(init, {.new_pid_ns = true});
  EXPECT_EQ(groups->unshare(*child, kCloneNewPid, "ns").error_code(), EAGAIN);
  EXPECT_EQ(write(root_group(), "cgroup.max.descendants", "max"), 0);
  Group& a = make("a");
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(move(child_of(init), a), 0);
}

TEST_F(PidGroups, ARootWithoutTasksHasNoNamespace) {
  const std::unique_ptr<Groups> empty = std::move(Groups::create(*kernel, host)).value();
  EXPECT_EQ(empty->read(*empty->default_root(), "pid.level", {}).error_code(), ENODATA);
}

TEST_F(PidGroups, TheFirstTaskMayBeginBelowTheRoot) {
  const std::unique_ptr<Groups> others = std::move(Groups::create(*kernel, host)).value();
  const GroupRef a = std::move(others->make(*others->default_root(), "a", {})).value();
  const Ref<Task> first = fork(init, {.new_pid_ns = true});
  ASSERT_TRUE(others->adopt(*first, a.get()));
  EXPECT_EQ(*others->read(*a, "pid.level", {}), "1\n");
  EXPECT_EQ(*others->read(*others->default_root(), "pid.level", {}), "1\n");
  others->exit(*first);
  others->release(*first);
}

}  // namespace
}  // namespace warren
