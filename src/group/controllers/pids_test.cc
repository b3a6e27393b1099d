#include "group/controllers/controller_test.h"

namespace warren {
namespace {

class Pids : public testing::ControllerTest {
 protected:
  std::string current(Group& group) { return read(group, "pids.current"); }
};

TEST_F(Pids, FilesAreNotInARoot) {
  EXPECT_EQ(read(root_group(), "pids.max"), "errno " + std::to_string(ENOENT));
  Group& a = make("a");
  EXPECT_EQ(read(a, "pids.max"), "max\n");
  EXPECT_EQ(current(a), "0\n");
  EXPECT_EQ(read(a, "pids.peak"), "0\n");
  EXPECT_EQ(read(a, "pids.events"), "max 0\n");
  EXPECT_EQ(write(a, "pids.current", "1"), EACCES);
}

TEST_F(Pids, LimitsAreReadAsTheKernelReadsThem) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "pids.max", "100"), 0);
  EXPECT_EQ(read(a, "pids.max"), "100\n");
  EXPECT_EQ(write(a, "pids.max", " 0x10\n"), 0);
  EXPECT_EQ(read(a, "pids.max"), "16\n");
  EXPECT_EQ(write(a, "pids.max", "0"), 0);
  EXPECT_EQ(write(a, "pids.max", "4194304"), 0);
  EXPECT_EQ(write(a, "pids.max", "4194305"), EINVAL);
  EXPECT_EQ(write(a, "pids.max", "-1"), EINVAL);
  EXPECT_EQ(write(a, "pids.max", "MAX"), EINVAL);
  EXPECT_EQ(write(a, "pids.max", ""), EINVAL);
  EXPECT_EQ(write(a, "pids.max", "99999999999999999999"), ERANGE);
  EXPECT_EQ(read(a, "pids.max"), "4194304\n");
  EXPECT_EQ(write(a, "pids.max", "max"), 0);
  EXPECT_EQ(read(a, "pids.max"), "max\n");
}

TEST_F(Pids, CountsUntilReaped) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  const Ref<Task> thread = child_of(task, {.thread = true});
  EXPECT_EQ(current(a), "2\n");
  end(thread);
  EXPECT_EQ(current(a), "1\n");
  exit(task);
  EXPECT_EQ(current(a), "1\n");
  reap(task);
  EXPECT_EQ(current(a), "0\n");
  EXPECT_EQ(read(a, "pids.peak"), "2\n");
}

TEST_F(Pids, EveryAncestorsLimitCounts) {
  Group& a = make("a");
  Group& b = make("a/b");
  Group& c = make("a/b/c");
  const Ref<Task> task = child_in(c);
  EXPECT_EQ(write(a, "pids.max", "2"), 0);
  EXPECT_EQ(write(b, "pids.max", "5"), 0);
  child_of(task);
  EXPECT_EQ(try_fork(task).second, EAGAIN);
  for (Group* group : {&a, &b, &c}) EXPECT_EQ(current(*group), "2\n");
  // In the hierarchy that is like cgroup v2: counted where the limit is.
  EXPECT_EQ(read(a, "pids.events"), "max 1\n");
  EXPECT_EQ(read(a, "pids.events.local"), "max 1\n");
  EXPECT_EQ(read(b, "pids.events"), "max 0\n");
  EXPECT_EQ(write(a, "pids.max", "max"), 0);
  EXPECT_EQ(write(b, "pids.max", "2"), 0);
  EXPECT_EQ(try_fork(task).second, EAGAIN);
  EXPECT_EQ(read(b, "pids.events"), "max 1\n");
  EXPECT_EQ(read(a, "pids.events"), "max 2\n");
  EXPECT_EQ(read(a, "pids.events.local"), "max 1\n");
  EXPECT_EQ(read(c, "pids.events"), "max 0\n");
}

TEST_F(Pids, InAMountOfItsOwnRefusalsCountWhereTheForkWas) {
  const GroupRef top = groups->mount(MountOptions::parse("pids").value()).value();
  const GroupRef a = groups->make(*top, "a", {}).value();
  const GroupRef b = groups->make(*a, "b", {}).value();
  const Ref<Task> task = child_in(*b);
  EXPECT_EQ(write(*a, "pids.max", "1"), 0);
  EXPECT_EQ(try_fork(task).second, EAGAIN);
  EXPECT_EQ(read(*a, "pids.events"), "max 0\n");
  EXPECT_EQ(read(*b, "pids.events"), "max 1\n");
}

TEST_F(Pids, ChangesOfEventsAreTold) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  EXPECT_EQ(write(a, "pids.max", "1"), 0);
  const std::uint64_t before = groups->file_generation(a, "pids.events");
  EXPECT_EQ(try_fork(task).second, EAGAIN);
  EXPECT_NE(groups->file_generation(a, "pids.events"), before);
}

TEST_F(Pids, MovesGoPastTheLimit) {
  Group& a = make("a");
  Group& b = make("b");
  EXPECT_EQ(write(a, "pids.max", "0"), 0);
  const Ref<Task> task = child_in(b);
  EXPECT_EQ(move(task, a), 0);
  EXPECT_EQ(current(a), "1\n");
  EXPECT_EQ(current(b), "0\n");
  EXPECT_EQ(try_fork(task).second, EAGAIN);
  exit(task);
  EXPECT_EQ(current(a), "1\n");
}

TEST_F(Pids, AForkThatIsNotMadeIsNotCounted) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  {
    const Result<ForkMembership> membership = groups->begin_fork(*task);
    EXPECT_TRUE(membership);
    EXPECT_EQ(current(a), "2\n");
  }
  EXPECT_EQ(current(a), "1\n");
}

}  // namespace
}  // namespace warren
