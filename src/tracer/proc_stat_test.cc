#include "tracer/proc_stat.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace warren {
namespace {

TEST(ProcStat, OfAZombieAndOfNobody) {
  const pid_t child = fork();
  if (child == 0) _exit(7);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const ProcStat zombie = read_proc_stat(child);
  EXPECT_EQ(zombie.state, 'Z');
  EXPECT_EQ(zombie.parent, getpid());
  EXPECT_EQ(zombie.exit_code, 7 << 8);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(read_proc_stat(child).state, 0);
  EXPECT_EQ(read_proc_status(child).process, 0);
}

TEST(ProcStat, HasTheProcessor) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  const pid_t child = fork();
  if (child == 0) {
    for (std::size_t i = CPU_SETSIZE; i-- > 0;) {
      if (!CPU_ISSET(i, &all)) continue;
      CPU_ZERO(&all);
      CPU_SET(i, &all);
      sched_setaffinity(0, sizeof all, &all);
      raise(SIGSTOP);
      _exit(static_cast<int>(i));
    }
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  const int processor = read_proc_stat(child).processor;
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(processor, WEXITSTATUS(status));
}

TEST(ProcStatus, HasTheSignals) {
  const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, [](int) {});
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &set, nullptr);
    raise(SIGSTOP);
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, WUNTRACED), child);
  const ProcStatus status = read_proc_status(child);
  EXPECT_EQ(status.process, child);
  EXPECT_EQ(status.parent, getpid());
  EXPECT_EQ(status.blocked, bit(SIGRTMAX));
  EXPECT_NE(status.ignored & bit(SIGUSR1), 0U);
  EXPECT_EQ(status.ignored & bit(SIGUSR2), 0U);
  EXPECT_NE(status.caught & bit(SIGUSR2), 0U);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(ProcChildren, OfOneThread) {
  const auto has = [](pid_t child) {
    const std::vector<pid_t> children = read_proc_children(getpid(), gettid());
    return std::find(children.begin(), children.end(), child) != children.end();
  };
  if (access("/proc/thread-self/children", F_OK) != 0) {
    GTEST_SKIP() << "SKIPPED: this kernel has no /proc/PID/task/TID/children";
  }
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  EXPECT_TRUE(has(child));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(has(child));
}

}  // namespace
}  // namespace warren
