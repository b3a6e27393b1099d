#include <thread>

#include "group/testing/groups_fixture.h"

namespace warren::testing {
namespace {

using ::testing::ElementsAre;

class TreeTest : public GroupsTest {};

TEST_F(TreeTest, MakingAndRemoving) {
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  EXPECT_EQ(b->path(), "/a/b");
  EXPECT_EQ(top->path(), "/");
  EXPECT_EQ(top->name(), "/");
  EXPECT_EQ(b->depth(), 2);
  EXPECT_EQ(groups->find(*top, "a//b/").get(), b.get());
  EXPECT_EQ(groups->find(*top, "/").get(), top.get());
  EXPECT_EQ(groups->find(*top, "/a/c").get(), nullptr);
  EXPECT_EQ(groups->make(*top, "a", {}).error_code(), EEXIST);
  EXPECT_EQ(groups->make(*top, "tasks", {}).error_code(), EEXIST);
  EXPECT_EQ(groups->make(*top, "a.charged", {}).error_code(), EEXIST);
  for (const char* bad : {"", ".", "..", "x/y", "x\ny"}) {
    EXPECT_EQ(groups->make(*top, bad, {}).error_code(), EINVAL);
  }
  EXPECT_EQ(groups->make(*top, std::string(256, 'x'), {}).error_code(), ENAMETOOLONG);
  EXPECT_EQ(groups->remove(*a).error_code(), EBUSY);
  EXPECT_EQ(groups->remove(*top).error_code(), EBUSY);
  EXPECT_TRUE(groups->remove(*b));
  EXPECT_EQ(groups->remove(*b).error_code(), ENOENT);
  EXPECT_EQ(groups->make(*b, "x", {}).error_code(), ENOENT);
  EXPECT_EQ(groups->read(*b, "tasks", {}).error_code(), ENODEV);
  EXPECT_EQ(groups->write(*b, "a.charged", "1", {}).error_code(), ENODEV);
  EXPECT_EQ(b->state(*kCounting[0])->parent(), a->state(*kCounting[0]));
}

TEST_F(TreeTest, AStateThatCannotBeMadeUndoesTheOthers) {
  for (int call = 1; call <= 4; ++call) {
    call_log.clear();
    failure.arm(call);
    EXPECT_EQ(groups->make(*top, "a", {}).error_code(), Failure::kError);
    EXPECT_EQ(call_log.size(), static_cast<std::size_t>(2 * (call - 1)));
  }
  EXPECT_THAT(call_log, ElementsAre("create 0", "create 1", "create 2", "destroy 2", "destroy 1",
                                    "destroy 0"));
  EXPECT_TRUE(groups->children(*top).empty());
}

TEST_F(TreeTest, Renaming) {
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  make(top, "c");
  EXPECT_EQ(groups->rename(*a, "c").error_code(), EEXIST);
  EXPECT_EQ(groups->rename(*a, "cgroup.procs").error_code(), EEXIST);
  EXPECT_EQ(groups->rename(*a, "").error_code(), EINVAL);
  EXPECT_EQ(groups->rename(*top, "x").error_code(), EBUSY);
  ASSERT_TRUE(groups->rename(*a, "z"));
  EXPECT_EQ(b->path(), "/z/b");
  std::vector<std::string> paths;
  for (const GroupRef& group : groups->subtree(*top)) paths.push_back(group->path());
  EXPECT_THAT(paths, ElementsAre("/", "/c", "/z", "/z/b"));
}

TEST_F(TreeTest, LimitsOfDepthAndNumber) {
  const GroupRef a = make(top, "a");
  ASSERT_EQ(write(top, "cgroup.max.depth", "2"), 0);
  const GroupRef b = make(a, "b");
  EXPECT_EQ(groups->make(*b, "c", {}).error_code(), EAGAIN);
  ASSERT_EQ(write(top, "cgroup.max.depth", "max"), 0);
  ASSERT_EQ(write(a, "cgroup.max.descendants", "0x2"), 0);
  const GroupRef c = make(b, "c");
  EXPECT_EQ(groups->make(*c, "d", {}).error_code(), EAGAIN);
  EXPECT_EQ(read(a, "cgroup.max.descendants"), "2\n");
  EXPECT_EQ(read(a, "cgroup.stat"), "nr_descendants 2\nnr_dying_descendants 0\nnr_forks 0\n");
  // As the kernel's own files answer.
  const struct {
    const char* text;
    int error;
    const char* shown;
  } kWrites[] = {{"5", 0, "5\n"},
                 {"-1", ERANGE, "5\n"},
                 {"x", EINVAL, "5\n"},
                 {"", EINVAL, "5\n"},
                 {"010", 0, "8\n"},
                 {"+3", 0, "3\n"},
                 {" 7\n", 0, "7\n"},
                 {"-0", 0, "0\n"},
                 {"2147483647", 0, "max\n"},
                 {"2147483648", ERANGE, "max\n"},
                 {"0x", EINVAL, "max\n"},
                 {"1x", EINVAL, "max\n"},
                 {"99999999999999999999999", ERANGE, "max\n"}};
  for (const auto& w : kWrites) {
    EXPECT_EQ(write(c, "cgroup.max.depth", w.text), w.error) << w.text;
    EXPECT_EQ(read(c, "cgroup.max.depth"), w.shown) << w.text;
  }
}

class FilesTest : public GroupsTest {};

TEST_F(FilesTest, WhichThereAreAndTheirModes) {
  const GroupRef a = make(top, "a");
  EXPECT_THAT(
      groups->files(*a),
      ElementsAre("tasks", "cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.events",
                  "cgroup.stat", "cgroup.max.depth", "cgroup.max.descendants", "cgroup.controllers",
                  "cgroup.subtree_control", "cgroup.type", "cgroup.clone_children",
                  "notify_on_release", "a.charged", "b.charged", "c.charged", "d.charged"));
  EXPECT_EQ(groups->file_mode(*a, "tasks"), 0644);
  EXPECT_EQ(groups->file_mode(*a, "cgroup.stat"), 0444);
  EXPECT_EQ(groups->file_mode(*a, "cgroup.kill"), 0200);
  EXPECT_EQ(groups->file_mode(*a, "a.charged"), 0444);
  EXPECT_EQ(groups->file_mode(*top, "cgroup.kill"), std::nullopt);
  EXPECT_EQ(groups->file_mode(*a, "release_agent"), std::nullopt);
  EXPECT_EQ(groups->file_mode(*a, "none"), std::nullopt);
  EXPECT_EQ(groups->read(*a, "cgroup.kill", {}).error_code(), EACCES);
  EXPECT_EQ(groups->write(*a, "cgroup.stat", "1", {}).error_code(), EACCES);
  EXPECT_EQ(groups->write(*a, "a.charged", "1", {}).error_code(), EACCES);
  EXPECT_EQ(groups->read(*a, "none", {}).error_code(), ENOENT);
}

TEST_F(FilesTest, NumbersAreTheReaders) {
  const Ref<Task> inner = spawn(init, {.new_pid_ns = true});
  const Ref<Task> deeper = spawn(inner);
  GroupCaller caller;
  caller.ns = inner->ns();
  EXPECT_EQ(read(top, "tasks"), "1\n2\n3\n");
  EXPECT_EQ(read(top, "tasks", caller), "1\n2\n");
  const GroupRef a = make(top, "a");
  EXPECT_EQ(write(a, "cgroup.procs", "2", caller), 0);
  EXPECT_EQ(read(a, "cgroup.procs"), "3\n");
  EXPECT_EQ(write(a, "cgroup.procs", "3", caller), ESRCH);
  EXPECT_EQ(write(a, "cgroup.procs", "0", caller), ESRCH);
  caller.task = inner;
  EXPECT_EQ(write(a, "cgroup.procs", "0", caller), 0);
  EXPECT_EQ(read(a, "cgroup.procs"), "2\n3\n");
  for (const char* bad : {"", "x", "-1", "1x", "99999999999"}) {
    EXPECT_EQ(write(a, "cgroup.procs", bad), EINVAL) << bad;
    EXPECT_EQ(write(a, "tasks", bad), EINVAL) << bad;
  }
  EXPECT_EQ(write(a, "tasks", "99999"), ESRCH);
  EXPECT_EQ(write(a, "cgroup.threads", "0x1"), 0);
}

TEST_F(FilesTest, WhoMayMoveTasks) {
  const GroupRef a = *groups->make(*top, "a", {.uid = 10, .gid = 20, .mode = 0755});
  const GroupRef b = *groups->make(*a, "b", {.uid = 10, .gid = 20, .mode = 0755});
  const GroupRef c = *groups->make(*a, "c", {.uid = 10, .gid = 20, .mode = 0755});
  const Ref<Task> task = spawn(init);
  GroupCaller caller;
  caller.uid = 10;
  caller.gid = 20;
  EXPECT_EQ(write(b, "cgroup.procs", "2", caller), EACCES);  // the common ancestor is the root
  ASSERT_EQ(move(b, {task}), 0);
  EXPECT_EQ(write(c, "cgroup.procs", "2", caller), 0);
  caller.uid = 11;
  EXPECT_EQ(write(b, "tasks", "2", caller), EACCES);
  GroupAttributes open = groups->attributes(*a, "cgroup.procs");
  EXPECT_EQ(open.uid, 10u);
  EXPECT_EQ(open.mode, 0644u);
  open.mode = 0664;
  ASSERT_TRUE(groups->set_attributes(*a, "cgroup.procs", open));
  EXPECT_EQ(write(b, "tasks", "2", caller), 0);
  EXPECT_EQ(groups->set_attributes(*a, "none", open).error_code(), ENOENT);
  ASSERT_TRUE(groups->set_attributes(*a, {}, {.uid = 7}));
  EXPECT_EQ(groups->attributes(*a).uid, 7u);
  EXPECT_EQ(groups->attributes(*a, "tasks").uid, 10u);
}

TEST_F(FilesTest, Controllers) {
  EXPECT_EQ(read(top, "cgroup.controllers"), "s_a s_b s_c s_d\n");
  EXPECT_EQ(read(mount("none,name=x"), "cgroup.controllers"), "");
  const GroupRef own = mount("s_a");
  EXPECT_EQ(write(top, "cgroup.subtree_control", "+s_b  +s_c"), 0);
  EXPECT_EQ(write(top, "cgroup.subtree_control", "+s_a"), ENOENT);
  EXPECT_EQ(write(top, "cgroup.subtree_control", "+s_b -s_c"), EOPNOTSUPP);
  EXPECT_EQ(write(top, "cgroup.subtree_control", "s_b"), EINVAL);
  EXPECT_EQ(write(top, "cgroup.subtree_control", "+nope"), EINVAL);
  EXPECT_EQ(write(top, "cgroup.subtree_control", "+"), EINVAL);
  const GroupRef a = make(top, "a");
  EXPECT_EQ(read(a, "cgroup.type"), "domain\n");
  EXPECT_EQ(write(a, "cgroup.type", "threaded"), EOPNOTSUPP);
  EXPECT_EQ(write(a, "cgroup.type", "domain"), EINVAL);
}

TEST_F(FilesTest, TheReleaseAgentRunsForWhatIsEmptyNow) {
  ASSERT_EQ(write(top, "release_agent", "/bin/agent"), 0);
  ASSERT_EQ(write(top, "notify_on_release", "2"), 0);
  EXPECT_EQ(write(top, "notify_on_release", "-1"), EINVAL);
  const GroupRef a = make(top, "a");
  EXPECT_EQ(read(a, "notify_on_release"), "1\n");
  const GroupRef b = make(a, "b");
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(a, {task}), 0);
  ASSERT_EQ(move(b, {task}), 0);
  EXPECT_THAT(host.calls, ElementsAre());  // a has a child
  groups->exit(*task);
  EXPECT_THAT(host.calls, ElementsAre("/bin/agent /a/b"));
  ASSERT_TRUE(groups->remove(*b));
  EXPECT_THAT(host.calls, ElementsAre("/bin/agent /a/b", "/bin/agent /a"));
  ASSERT_EQ(write(a, "cgroup.clone_children", "1"), 0);
  EXPECT_TRUE(make(a, "d")->clone_children());
}

TEST_F(FilesTest, EventsAndWaitingForThem) {
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  const Ref<Task> task = spawn(init);
  const std::uint64_t seen = groups->file_generation(*a, "cgroup.events");
  EXPECT_EQ(*groups->wait_for_change(*a, "cgroup.events", seen, 0), seen);
  std::thread mover([&] { EXPECT_EQ(move(b, {task}), 0); });
  EXPECT_EQ(*groups->wait_for_change(*a, "cgroup.events", seen, 60000), seen + 1);
  mover.join();
  EXPECT_EQ(read(a, "cgroup.events"), "populated 1\n");
  groups->exit(*task);
  EXPECT_EQ(read(a, "cgroup.events"), "populated 0\n");
  EXPECT_EQ(groups->file_generation(*a, "cgroup.events"), seen + 2);
  const std::uint64_t last = groups->file_generation(*b, "cgroup.events");
  std::thread remover([&] { EXPECT_TRUE(groups->remove(*b)); });
  EXPECT_EQ(groups->wait_for_change(*b, "cgroup.events", last, 60000).error_code(), ENODEV);
  remover.join();
}

TEST_F(FilesTest, ForksAreCountedThroughTheTree) {
  const GroupRef a = make(top, "a");
  const GroupRef b = make(a, "b");
  const Ref<Task> task = spawn(init);
  ASSERT_EQ(move(b, {task}), 0);
  const Ref<Task> one = spawn(task);
  const Ref<Task> two = spawn(one);
  EXPECT_NE(read(a, "cgroup.stat").find("nr_forks 2\n"), std::string::npos);
  end(two), end(one), end(task);
  ASSERT_TRUE(groups->remove(*b));
  EXPECT_NE(read(a, "cgroup.stat").find("nr_forks 2\n"), std::string::npos);
  EXPECT_NE(read(top, "cgroup.stat").find("nr_forks 3\n"), std::string::npos);
}

TEST_F(FilesTest, TheShortestWishForTicksCounts) {
  groups->want_tick(*kCounting[0], 100);
  groups->want_tick(*kCounting[1], 10);
  groups->want_tick(*kCounting[1], 10);
  groups->want_tick(*kCounting[1], 0);
  groups->want_tick(*kCounting[0], 0);
  EXPECT_THAT(host.calls, ElementsAre("tick 100", "tick 10", "tick 100", "tick 0"));
}

}  // namespace
}  // namespace warren::testing
