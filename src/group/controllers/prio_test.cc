#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;

class Prio : public testing::ControllerTest {
 protected:
  std::string nice(int value, const Ref<Task>& task) {
    return "nice " + std::to_string(value) + " " + std::to_string(task->vnr());
  }
};

TEST_F(Prio, Values) {
  Group& a = make("a");
  EXPECT_EQ(read(a, "prio.nice"), "none\n");
  EXPECT_EQ(write(a, "prio.nice", "-20"), 0);
  EXPECT_EQ(read(a, "prio.nice"), "-20\n");
  EXPECT_EQ(write(a, "prio.nice", "19"), 0);
  EXPECT_EQ(write(a, "prio.nice", "20"), ERANGE);
  EXPECT_EQ(write(a, "prio.nice", "-21"), ERANGE);
  EXPECT_EQ(write(a, "prio.nice", "x"), EINVAL);
  EXPECT_EQ(read(a, "prio.nice"), "19\n");
  EXPECT_EQ(write(a, "prio.nice", ""), 0);
  EXPECT_EQ(read(a, "prio.nice"), "none\n");
}

TEST_F(Prio, MembersTakeItOn) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> task = child_in(b);
  EXPECT_EQ(write(a, "prio.nice", "5"), 0);
  EXPECT_EQ(host.take(), Calls{nice(5, task)});
  const Ref<Task> child = child_of(task);
  EXPECT_EQ(host.take(), Calls{});  // by fork(2)
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(host.take(), Calls{});  // the same value
  EXPECT_EQ(move(child, root_group()), 0);
  EXPECT_EQ(host.take(), Calls{});  // none there
  EXPECT_EQ(move(child, b), 0);
  EXPECT_EQ(host.take(), Calls{nice(5, child)});
  EXPECT_EQ(write(b, "prio.nice", "7"), 0);
  EXPECT_EQ(host.take_sorted(), (std::multiset<std::string>{nice(7, task), nice(7, child)}));
  EXPECT_EQ(write(a, "prio.nice", "6"), 0);
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(write(b, "prio.nice", "none"), 0);
  EXPECT_EQ(host.take_sorted(), (std::multiset<std::string>{nice(6, task), nice(6, child)}));
}

TEST_F(Prio, ErrorsOfTheHostAreTold) {
  Group& a = make("a");
  Group& b = make("b");
  EXPECT_EQ(write(b, "prio.nice", "3"), 0);
  const Ref<Task> one = child_in(b);
  const Ref<Task> two = child_in(b);
  host.take();
  host.errors[two->vnr()] = EACCES;
  EXPECT_EQ(write(b, "prio.nice", "-3"), EACCES);
  EXPECT_EQ(read(b, "prio.nice"), "3\n");
  EXPECT_EQ(host.take(), (Calls{nice(-3, one), nice(-3, two), nice(3, one), nice(3, two)}));
  EXPECT_EQ(write(a, "prio.nice", "-1"), 0);
  const Ref<Task> both[] = {one, two};
  EXPECT_EQ(groups->move(a, both).error_code(), EACCES);
  EXPECT_EQ(host.take(), (Calls{nice(-1, one), nice(-1, two), nice(3, one)}));
  EXPECT_EQ(groups->group_of(*one, b.hierarchy()).get(), &b);
}

TEST_F(Prio, WhoComesFromOutsideTakesItOn) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "prio.nice", "4"), 0);
  const Ref<Task> task = kernel->adopt(root, {}).value();
  EXPECT_TRUE(groups->adopt(*task, &a));
  living.push_back(task);
  EXPECT_EQ(host.take(), Calls{nice(4, task)});
}

}  // namespace
}  // namespace warren
