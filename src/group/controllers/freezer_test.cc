#include <random>

#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;

class Freezer : public testing::ControllerTest {
 protected:
  bool frozen(Group& group) {
    return read(group, "cgroup.events").find("frozen 1\n") != std::string::npos;
  }
  std::string state(Group& group) { return read(group, "freezer.state"); }
  std::string call(const char* what, const Ref<Task>& task) {
    return std::string(what) + " " + std::to_string(task->vnr());
  }
};

TEST_F(Freezer, FilesAreAsInLinux) {
  EXPECT_EQ(read(root_group(), "cgroup.freeze"), "errno " + std::to_string(ENOENT));
  Group& a = make("a");
  EXPECT_EQ(read(a, "cgroup.freeze"), "0\n");
  EXPECT_EQ(state(a), "THAWED\n");
  for (const auto& [text, error] : std::map<std::string, int>{{"", EINVAL},
                                                              {"x", EINVAL},
                                                              {"1 1", EINVAL},
                                                              {"2", ERANGE},
                                                              {"-1", ERANGE},
                                                              {"99999999999999999999", ERANGE},
                                                              {"+0", 0},
                                                              {"0x0", 0}}) {
    EXPECT_EQ(write(a, "cgroup.freeze", text), error) << text;
  }
  for (const char* text : {"", "FREEZING", "frozen", "1"}) {
    EXPECT_EQ(write(a, "freezer.state", text), EINVAL) << text;
  }
  EXPECT_EQ(write(a, "freezer.self_freezing", "1"), EACCES);
}

TEST_F(Freezer, AnEmptyGroupIsFrozenAtOnce) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  EXPECT_TRUE(frozen(a));
  EXPECT_EQ(state(a), "FROZEN\n");
  EXPECT_EQ(read(a, "cgroup.freeze"), "1\n");
  Group& b = make("a/b");
  EXPECT_TRUE(frozen(b));
  EXPECT_EQ(read(b, "freezer.self_freezing"), "0\n");
  EXPECT_EQ(read(b, "freezer.parent_freezing"), "1\n");
}

TEST_F(Freezer, IsFrozenWhenAllHaveStopped) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> one = child_in(a);
  const Ref<Task> two = child_in(b);
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(write(a, "freezer.state", "FROZEN"), 0);
  EXPECT_EQ(host.take(), (Calls{call("freeze", one), call("freeze", two)}));
  EXPECT_EQ(state(a), "FREEZING\n");
  const std::uint64_t before = groups->file_generation(a, "cgroup.events");
  groups->task_frozen(*one);
  EXPECT_FALSE(frozen(a));
  EXPECT_EQ(groups->file_generation(a, "cgroup.events"), before);
  groups->task_frozen(*two);
  EXPECT_TRUE(frozen(a));
  EXPECT_TRUE(frozen(b));
  EXPECT_NE(groups->file_generation(a, "cgroup.events"), before);
  EXPECT_EQ(state(b), "FROZEN\n");
  EXPECT_EQ(write(a, "cgroup.freeze", "0"), 0);
  EXPECT_EQ(host.take(), (Calls{call("thaw", one), call("thaw", two)}));
  EXPECT_FALSE(frozen(a));
  EXPECT_EQ(state(b), "THAWED\n");
}

TEST_F(Freezer, FreezesNest) {
  Group& a = make("a");
  Group& b = make("a/b");
  const Ref<Task> task = child_in(b);
  EXPECT_EQ(write(b, "cgroup.freeze", "1"), 0);
  EXPECT_EQ(host.take(), Calls{call("freeze", task)});
  groups->task_frozen(*task);
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  EXPECT_TRUE(frozen(a));
  EXPECT_EQ(write(b, "cgroup.freeze", "0"), 0);
  EXPECT_TRUE(frozen(b));
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(write(a, "cgroup.freeze", "0"), 0);
  EXPECT_EQ(host.take(), Calls{call("thaw", task)});
}

TEST_F(Freezer, AChildOfAFrozenGroupIsFrozen) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  Result<ForkMembership> membership = groups->begin_fork(*task);
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  groups->task_frozen(*task);
  EXPECT_TRUE(frozen(a));
  const Ref<Task> child = fork(task);
  groups->publish_fork(std::move(*membership), *child);
  living.push_back(child);
  EXPECT_FALSE(frozen(a));
  EXPECT_EQ(host.take(), (Calls{call("freeze", task), call("freeze", child)}));
  groups->task_frozen(*child);
  EXPECT_TRUE(frozen(a));
}

TEST_F(Freezer, MovesFreezeAndThaw) {
  Group& a = make("a");
  Group& b = make("b");
  Group& c = make("c");
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  EXPECT_EQ(write(b, "cgroup.freeze", "1"), 0);
  const Ref<Task> task = child_in(a);
  EXPECT_EQ(host.take(), Calls{call("freeze", task)});
  EXPECT_FALSE(frozen(a));
  // Still stopping; who has stopped stays so.
  EXPECT_EQ(move(task, b), 0);
  EXPECT_TRUE(frozen(a));
  EXPECT_FALSE(frozen(b));
  groups->task_frozen(*task);
  EXPECT_TRUE(frozen(b));
  EXPECT_EQ(move(task, a), 0);
  EXPECT_TRUE(frozen(a));
  EXPECT_EQ(host.take(), Calls{});
  EXPECT_EQ(move(task, c), 0);
  EXPECT_EQ(host.take(), Calls{call("thaw", task)});
  EXPECT_TRUE(frozen(a));
}

TEST_F(Freezer, AnEndOfTheLastStoppingTaskMeansFrozen) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  EXPECT_EQ(write(a, "cgroup.freeze", "1"), 0);
  EXPECT_FALSE(frozen(a));
  exit(task);
  EXPECT_TRUE(frozen(a));
  host.take();
  EXPECT_EQ(write(a, "cgroup.freeze", "0"), 0);
  EXPECT_EQ(host.take(), Calls{});
}

// Random steps on a small tree; after each, every task's freezes and every group's state must be
// what a look at the whole tree says.
TEST_F(Freezer, RandomSteps) {
  std::mt19937 random(20);
  const auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  std::vector<Group*> all{&root_group()};
  for (const char* path : {"a", "a/b", "a/b/c", "a/d", "e"}) all.push_back(&make(path));
  const auto group_of = [&](const Ref<Task>& task) {
    return groups->group_of(*task, root_group().hierarchy()).get();
  };
  const auto freezing = [&](Group* group) {
    for (; group->parent() != nullptr; group = group->parent()) {
      if (read(*group, "freezer.self_freezing") == "1\n") return true;
    }
    return false;
  };
  std::set<const Task*> stopped;
  for (int step = 0; step < 3000; ++step) {
    const Ref<Task> task = living[pick(living.size())];
    switch (pick(6)) {
      case 0:
        write(*all[1 + pick(all.size() - 1)], "cgroup.freeze", pick(2) ? "1" : "0");
        break;
      case 1:
        if (task->alive() && living.size() < 12) child_of(task);
        break;
      case 2:
        if (task->alive()) {
          ASSERT_EQ(move(task, *all[pick(all.size())]), 0);
        }
        break;
      case 3:
        if (task != init && task->alive() && pick(3) == 0) exit(task);
        break;
      case 4:
        if (task != init && !task->alive()) reap(task);
        break;
      default:
        if (task->alive() && host.freezes[task.get()] == 1) {
          groups->task_frozen(*task);
          stopped.insert(task.get());
        }
    }
    std::map<Group*, int> running;  // groups and those above them
    for (const Ref<Task>& each : living) {
      if (!each->alive()) continue;
      Group* group = group_of(each);
      ASSERT_EQ(host.freezes[each.get()], freezing(group) ? 1 : 0) << step;
      if (!freezing(group)) stopped.erase(each.get());
      for (Group* g = group; !stopped.contains(each.get()) && g != nullptr; g = g->parent()) {
        ++running[g];
      }
    }
    for (Group* group : all) {
      if (group->parent() == nullptr) continue;
      ASSERT_EQ(frozen(*group), freezing(group) && running[group] == 0) << step << group->path();
    }
    std::erase_if(host.freezes, [&](const auto& entry) {
      return std::none_of(living.begin(), living.end(),
                          [&](const Ref<Task>& t) { return t.get() == entry.first; });
    });
  }
}

}  // namespace
}  // namespace warren
