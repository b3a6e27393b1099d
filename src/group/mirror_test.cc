#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "group/testing/groups_fixture.h"
#include "warren/group_mirror.h"

namespace warren::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Notes what it is asked for, and keeps texts as the kernel would keep them. Takes over the second
// of the counting subsystems, and pids.
struct NotingMirror final : GroupMirror {
  bool takes_over(std::string_view subsystem) const override {
    return subsystem == "s_b" || subsystem == "pids";
  }
  bool has(std::string_view file) const override { return file != "pids.peak"; }
  Result<void> make(Group& group) override {
    calls.push_back("make " + group.name());
    return make_error == 0 ? Result<void>() : Errno{make_error};
  }
  void remove(const Group& group) override { calls.push_back("remove " + group.name()); }
  Result<void> place(ThreadGroup& process, const Group& group) override {
    calls.push_back("place " + std::to_string(process.level0()) + " " + group.name());
    return refused.contains(process.level0()) ? Errno{EAGAIN} : Result<void>();
  }
  Result<std::string> read(const Group& group, std::string_view file) override {
    return texts[{group.id(), std::string(file)}];
  }
  Result<void> write(const Group& group, std::string_view file, std::string_view text) override {
    if (text == "bad") return Errno{EINVAL};
    texts[{group.id(), std::string(file)}] = text;
    return {};
  }

  std::vector<std::string> calls;
  std::map<std::pair<std::uint64_t, std::string>, std::string> texts;
  std::set<Nr> refused;
  int make_error = 0;
};

struct MirroredHost final : GroupHost {
  GroupMirror* mirror() override { return &beside; }
  NotingMirror beside;
};

class MirrorTest : public GroupsTest {
 protected:
  MirrorTest() {
    top = {};
    groups->exit(*init);
    groups->release(*init);
    groups = std::move(*Groups::create(*kernel, mirrored, kCounting));
    top = groups->default_root();
    EXPECT_TRUE(groups->adopt(*init));
    call_log.clear();
  }
  ~MirrorTest() override {
    top = {};
    groups.reset();
  }
  std::vector<std::string> asked() { return std::exchange(mirrored.beside.calls, {}); }

  MirroredHost mirrored;
};

TEST_F(MirrorTest, GroupsAndWholeProcessesAreBesideTheKernels) {
  EXPECT_THAT(asked(), ElementsAre("place 1 /"));
  const GroupRef a = make(top, "a");
  const Ref<Task> task = spawn(init);
  EXPECT_THAT(asked(), ElementsAre("make a"));  // a fork asks for nothing
  ASSERT_EQ(move(a, {task}), 0);
  ASSERT_EQ(move(a, {task}), 0);
  EXPECT_THAT(asked(), ElementsAre("place " + std::to_string(task->level0()) + " a"));
  ASSERT_EQ(move(top, {task}), 0);
  ASSERT_TRUE(groups->remove(*a));
  EXPECT_THAT(asked(), ElementsAre("place " + std::to_string(task->level0()) + " /", "remove a"));
  end(task);
}

TEST_F(MirrorTest, WhatTheKernelEnforcesIsNotAskedAndItsFilesAreTheKernels) {
  const GroupRef a = make(top, "a");
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(a, {task}), 0);
  end(task);
  for (const char* callback : {"can_attach 1", "attach 1", "can_fork 1", "fork 1", "exit 1"}) {
    EXPECT_THAT(call_log, Each(Not(StartsWith(callback))));
  }
  EXPECT_EQ(read(a, "a.charged"), "0\n");
  mirrored.beside.texts[{a->id(), "b.charged"}] = "the kernel's\n";
  EXPECT_EQ(read(a, "b.charged"), "the kernel's\n");
  EXPECT_EQ(write(a, "b.charged", "1"), EACCES);
}

TEST_F(MirrorTest, LimitsAreTheKernels) {
  const auto real = std::move(*Groups::create(*kernel, mirrored));
  const GroupRef a = *real->make(*real->default_root(), "a", {});
  EXPECT_TRUE(real->write(*a, "pids.max", " 0\n", {}));
  EXPECT_EQ(*real->read(*a, "pids.max", {}), "0");
  EXPECT_EQ(real->write(*a, "pids.max", "bad", {}).error_code(), EINVAL);
  // The kernel lacks this one.
  EXPECT_EQ(real->read(*a, "pids.peak", {}).error_code(), ENOENT);
  const std::vector<std::string> files = real->files(*a);
  EXPECT_EQ(std::count(files.begin(), files.end(), "pids.peak"), 0);
  EXPECT_EQ(std::count(files.begin(), files.end(), "pids.max"), 1);
  // What warren alone has stays warren's.
  EXPECT_TRUE(real->write(*a, "cgroup.freeze", "1", {}));
  EXPECT_EQ(*real->read(*a, "cgroup.freeze", {}), "1\n");
}

TEST_F(MirrorTest, WhatTheKernelRefusesNobodyDoes) {
  mirrored.beside.make_error = ENOSPC;
  EXPECT_EQ(groups->make(*top, "a", {}).error_code(), ENOSPC);
  EXPECT_THAT(groups->children(*top), IsEmpty());
  mirrored.beside.make_error = 0;
  const GroupRef a = make(top, "a");
  const Ref<Task> one = spawn(init);
  const Ref<Task> two = spawn(init);
  for (const Ref<Task>& late : {one, two}) {
    mirrored.beside.refused = {late->level0()};
    EXPECT_EQ(move(a, {one, two}), EAGAIN);
    EXPECT_EQ(read(a, "tasks"), "");
    EXPECT_EQ(read(a, "a.charged"), "0\n");
    EXPECT_EQ(read(top, "a.charged"), "3\n");
  }
  // Who had come is sent back.
  const std::vector<std::string> calls = asked();
  const auto back = std::count_if(calls.begin(), calls.end(),
                                  [](const std::string& call) { return call.ends_with(" /"); });
  EXPECT_EQ(back, 2);  // init at the beginning, and one
}

TEST_F(MirrorTest, AProcessIsNotTakenApart) {
  const GroupRef a = make(top, "a");
  const Ref<Task> leader = spawn(init);
  const Ref<Task> thread = spawn(leader, {.thread = true});
  EXPECT_EQ(move(a, {thread}), EOPNOTSUPP);
  EXPECT_EQ(write(a, "tasks", std::to_string(thread->level0())), EOPNOTSUPP);
  EXPECT_EQ(move(a, {leader, thread}), 0);
  ASSERT_EQ(move(top, {leader, thread}), 0);
  EXPECT_EQ(write(a, "cgroup.procs", std::to_string(thread->level0())), 0);
  groups->exit(*thread);
  EXPECT_EQ(write(top, "tasks", std::to_string(leader->level0())), 0);
}

TEST_F(MirrorTest, AChildWhoseParentWasMovedDuringItsForkIsPlaced) {
  const GroupRef a = make(top, "a");
  const Ref<Task> parent = spawn(init);
  Result<ForkMembership> membership = groups->begin_fork(*parent);
  ASSERT_EQ(write(a, "cgroup.procs", std::to_string(parent->level0())), 0);
  (void)asked();
  const Ref<Task> child = fork(parent);
  groups->publish_fork(std::move(*membership), *child);
  EXPECT_THAT(asked(), ElementsAre("place " + std::to_string(child->level0()) + " /"));
  // A thread that is being made when its only sibling is moved by `tasks` goes along.
  membership = groups->begin_fork(*parent);
  ASSERT_EQ(write(top, "tasks", std::to_string(parent->level0())), 0);
  const Ref<Task> thread = fork(parent, {.thread = true});
  groups->publish_fork(std::move(*membership), *thread);
  EXPECT_EQ(read(a, "tasks"), "");
}

TEST_F(MirrorTest, OtherHierarchiesAreWarrensAlone) {
  EXPECT_EQ(mount_error("s_b"), EBUSY);
  EXPECT_EQ(mount_error("s_a,s_b"), EBUSY);
  const GroupRef rest = mount("all");
  ASSERT_TRUE(rest);
  EXPECT_EQ(groups->find_subsystem("s_b"),
            groups->default_root()->hierarchy().subsystems().front());
  (void)asked();
  const GroupRef c = make(rest, "c");
  const Ref<Task> leader = spawn(init);
  const Ref<Task> thread = spawn(leader, {.thread = true});
  EXPECT_EQ(move(c, {thread}), 0);
  EXPECT_THAT(asked(), IsEmpty());
}

}  // namespace
}  // namespace warren::testing
