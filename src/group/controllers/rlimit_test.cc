#include <sys/resource.h>

#include "group/controllers/controller_test.h"

namespace warren {
namespace {

using Calls = std::vector<std::string>;

class Rlimit : public testing::ControllerTest {
 protected:
  std::string limit(int resource, const char* values, const Ref<Task>& task) {
    return "rlimit " + std::to_string(resource) + " " + values + " " + std::to_string(task->vnr());
  }
};

TEST_F(Rlimit, EachResourceHasItsFile) {
  const std::map<std::string, int> resources = {
      {"cpu", RLIMIT_CPU},           {"fsize", RLIMIT_FSIZE},
      {"data", RLIMIT_DATA},         {"stack", RLIMIT_STACK},
      {"core", RLIMIT_CORE},         {"rss", RLIMIT_RSS},
      {"nproc", RLIMIT_NPROC},       {"nofile", RLIMIT_NOFILE},
      {"memlock", RLIMIT_MEMLOCK},   {"as", RLIMIT_AS},
      {"locks", RLIMIT_LOCKS},       {"sigpending", RLIMIT_SIGPENDING},
      {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"rtprio", RLIMIT_RTPRIO},     {"rttime", RLIMIT_RTTIME}};
  EXPECT_EQ(static_cast<int>(resources.size()), RLIM_NLIMITS);
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  for (const auto& [name, number] : resources) {
    const std::string file = "rlimit." + name;
    EXPECT_EQ(read(a, file), "none\n");
    EXPECT_EQ(write(a, file, "10 20"), 0);
    EXPECT_EQ(read(a, file), "10 20\n");
    EXPECT_EQ(host.take(), Calls{limit(number, "10 20", task)});
  }
}

TEST_F(Rlimit, Values) {
  Group& a = make("a");
  EXPECT_EQ(write(a, "rlimit.nofile", "64\tunlimited"), 0);
  EXPECT_EQ(read(a, "rlimit.nofile"), "64 unlimited\n");
  EXPECT_EQ(write(a, "rlimit.nofile", "0x40"), 0);
  EXPECT_EQ(read(a, "rlimit.nofile"), "64 64\n");
  for (const char* text : {"x", "1 x", "1 2 3", "2 1", "-1", "unlimited 1", "unlimited1"}) {
    EXPECT_EQ(write(a, "rlimit.nofile", text), EINVAL) << text;
  }
  EXPECT_EQ(write(a, "rlimit.nofile", "99999999999999999999"), ERANGE);
  EXPECT_EQ(write(a, "rlimit.nofile", "none"), 0);
  EXPECT_EQ(read(a, "rlimit.nofile"), "none\n");
}

TEST_F(Rlimit, ProcessesTakeThemOn) {
  Group& a = make("a");
  Group& b = make("b");
  EXPECT_EQ(write(a, "rlimit.core", "0"), 0);
  EXPECT_EQ(write(a, "rlimit.nproc", "7 8"), 0);
  const Ref<Task> task = child_of(init);
  const Ref<Task> thread = child_of(task, {.thread = true});
  EXPECT_EQ(groups->move(a, task->group()).error_code(), 0);
  EXPECT_EQ(host.take(),
            (Calls{limit(RLIMIT_CORE, "0 0", task), limit(RLIMIT_NPROC, "7 8", task)}));
  const Ref<Task> child = child_of(task);
  EXPECT_EQ(host.take(), Calls{});  // by fork(2)
  EXPECT_EQ(write(a, "rlimit.core", "1"), 0);
  EXPECT_EQ(host.take_sorted(), (std::multiset<std::string>{limit(RLIMIT_CORE, "1 1", task),
                                                            limit(RLIMIT_CORE, "1 1", child)}));
  EXPECT_EQ(write(b, "rlimit.core", "1"), 0);
  EXPECT_EQ(move(child, b), 0);
  EXPECT_EQ(host.take(), Calls{});  // the same there
  EXPECT_EQ(move(thread, b), 0);
  EXPECT_EQ(host.take(), Calls{});  // the process is where its leader is
  EXPECT_EQ(move(child, a), 0);
  EXPECT_EQ(host.take(), Calls{limit(RLIMIT_NPROC, "7 8", child)});
}

TEST_F(Rlimit, WhoseLeaderHasExitedComesWithEachThread) {
  Group& a = make("a");
  const Ref<Task> task = child_of(init);
  const Ref<Task> thread = child_of(task, {.thread = true});
  kernel->exit_task(*task, 0);
  groups->exit(*task);
  EXPECT_EQ(write(a, "rlimit.core", "0"), 0);
  EXPECT_EQ(move(thread, a), 0);
  EXPECT_EQ(host.take(), Calls{limit(RLIMIT_CORE, "0 0", task)});
  end(thread);
  reap(task);
}

TEST_F(Rlimit, ErrorsOfTheHostAreTold) {
  Group& a = make("a");
  const Ref<Task> task = child_in(a);
  host.errors[task->vnr()] = EPERM;
  EXPECT_EQ(write(a, "rlimit.nofile", "1000000"), EPERM);
  EXPECT_EQ(read(a, "rlimit.nofile"), "none\n");
  Group& b = make("b");
  EXPECT_EQ(write(b, "rlimit.nofile", "1000000"), 0);
  EXPECT_EQ(move(task, b), EPERM);
  EXPECT_EQ(groups->group_of(*task, a.hierarchy()).get(), &a);
}

}  // namespace
}  // namespace warren
