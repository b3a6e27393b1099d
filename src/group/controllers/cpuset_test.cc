#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;

class Cpuset : public testing::ControllerTest {
 protected:
  Cpuset() : ControllerTest(CpuSet(4, true)) {}
  std::string cpus(const char* bits, const Ref<Task>& task) {
    return std::string("cpus ") + bits + " " + std::to_string(task->vnr());
  }
  std::string effective(Group& group) {
    const std::string text = read(group, "cpuset.cpus.effective");
    EXPECT_EQ(read(group, "cpuset.effective_cpus"), text);
    return text;
  }
};

TEST_F(Cpuset, ARootHasWhatTheContainerHas) {
  EXPECT_EQ(read(root_group(), "cpuset.cpus"), "0-3\n");
  EXPECT_EQ(effective(root_group()), "0-3\n");
  EXPECT_EQ(read(root_group(), "cpuset.mems"), "0\n");
  EXPECT_EQ(write(root_group(), "cpuset.cpus", "0"), EACCES);
  EXPECT_EQ(write(root_group(), "cpuset.mems", "0"), EACCES);
}

TEST_F(Cpuset, Errors) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "cpuset.cpus", "x"), EINVAL);
  EXPECT_EQ(write(a, "cpuset.cpus", "2-1"), EINVAL);
  EXPECT_EQ(write(a, "cpuset.cpus", "4"), ERANGE);
  EXPECT_EQ(write(a, "cpuset.cpus.effective", "0"), EACCES);
  EXPECT_EQ(write(a, "cpuset.mems", "1"), EINVAL);
  EXPECT_EQ(write(a, "cpuset.mems", "1024"), ERANGE);
  EXPECT_EQ(write(a, "cpuset.mems", "0"), 0);
  EXPECT_EQ(read(a, "cpuset.mems"), "0\n");
  EXPECT_EQ(read(a, "cpuset.effective_mems"), "0\n");
}

TEST_F(Cpuset, WithoutProcessorsOfItsOwnAGroupHasItsParents) {
  Group& a = make("a");
  Group& b = make("a/b");
  EXPECT_EQ(read(a, "cpuset.cpus"), "\n");
  EXPECT_EQ(effective(b), "0-3\n");
  EXPECT_EQ(write(a, "cpuset.cpus", "0-1"), 0);
  EXPECT_EQ(effective(a), "0-1\n");
  EXPECT_EQ(effective(b), "0-1\n");
  EXPECT_EQ(write(b, "cpuset.cpus", "1-2"), 0);
  EXPECT_EQ(read(b, "cpuset.cpus"), "1-2\n");
  EXPECT_EQ(effective(b), "1\n");
  // Asked for in vain.
  EXPECT_EQ(write(a, "cpuset.cpus", "3"), 0);
  EXPECT_EQ(effective(b), "3\n");
  EXPECT_EQ(write(a, "cpuset.cpus", ""), 0);
  EXPECT_EQ(effective(b), "1-2\n");
  EXPECT_EQ(effective(make("a/b/c")), "1-2\n");
}

TEST_F(Cpuset, TasksAreConfined) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> task = child_in(b);
  EXPECT_EQ(host.take(), Calls{});  // nobody is confined yet
  EXPECT_EQ(write(a, "cpuset.cpus", "2"), 0);
  EXPECT_EQ(host.take(), Calls{cpus("0010", task)});
  EXPECT_EQ(write(a, "cpuset.cpus", "2"), 0);
  EXPECT_EQ(host.take(), Calls{});
  const Ref<Task> child = child_of(task);
  EXPECT_EQ(host.take(), Calls{cpus("0010", child)});
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(move(child, root_group()), 0);
  EXPECT_EQ(host.take(), Calls{cpus("1111", child)});
}

TEST_F(Cpuset, AGroupWithTasksKeepsProcessors) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> task = child_in(b);
  EXPECT_EQ(write(a, "cpuset.cpus", ""), 0);
  EXPECT_EQ(write(a, "cpuset.cpus", "0"), 0);
  EXPECT_EQ(write(a, "cpuset.cpus", ""), ENOSPC);
  EXPECT_EQ(write(a, "cpuset.mems", "0"), 0);
  EXPECT_EQ(write(a, "cpuset.mems", ""), ENOSPC);
  end(task);
  EXPECT_EQ(write(a, "cpuset.cpus", ""), 0);
  EXPECT_EQ(write(a, "cpuset.mems", ""), 0);
}

TEST_F(Cpuset, CloneChildren) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "cpuset.cpus", "1-2"), 0);
  EXPECT_EQ(write(a, "cgroup.clone_children", "1"), 0);
  Group& b = make("a/b");
  EXPECT_EQ(read(b, "cpuset.cpus"), "1-2\n");
  EXPECT_EQ(read(b, "cpuset.mems"), "\n");
}

class UnknownCpus : public testing::ControllerTest {
 protected:
  UnknownCpus() : ControllerTest(CpuSet()) {}
};

TEST_F(UnknownCpus, EverythingCanBeAskedFor) {
  Group& a = make("a");
  EXPECT_EQ(read(a, "cpuset.cpus.effective"), "\n");
  EXPECT_EQ(write(a, "cpuset.cpus", "0-3,900"), 0);
  EXPECT_EQ(read(a, "cpuset.cpus.effective"), "0-3,900\n");
  EXPECT_EQ(write(a, "cpuset.cpus", "8192"), ERANGE);
}

}  // namespace
}  // namespace warren
