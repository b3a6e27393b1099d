#include "tracer/end_descendants.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

namespace warren {
namespace {

// How much the descendants have done, for all to see. Those of one test hold the writing end of
// `alive`, so that its end of file tells when the last of them has gone, whoever its parent was.
struct Shared {
  std::atomic<int> ready;       // have come to where they stay
  std::atomic<int> forked;      // have been made by a storm
  std::atomic<int> fork_error;  // the errno of a fork that failed
};

[[noreturn]] void stay() {
  alarm(200);  // where the test has failed
  while (true) pause();
}

class EndDescendantsTest : public testing::TestWithParam<ChildrenFrom> {
 protected:
  void SetUp() override {
    if (GetParam() == ChildrenFrom::kChildrenFile && access("/proc/thread-self/children", F_OK)) {
      GTEST_SKIP() << "SKIPPED: this kernel has no /proc/PID/task/TID/children";
    }
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    shared_ = new (memory) Shared{};
    ASSERT_EQ(pipe(alive_.data()), 0);
  }

  void TearDown() override {
    if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
    for (const int fd : alive_) close(fd);
  }

  void ready() { ++shared_->ready; }
  void wait_for_ready(int count) const {
    while (shared_->ready < count && shared_->fork_error == 0) usleep(1000);
  }

  // Who cannot fork makes the test fail, and not wait for somebody who will never be ready.
  pid_t try_fork() {
    const pid_t pid = fork();
    if (pid < 0) shared_->fork_error = errno;
    return pid;
  }

  // Another level below the caller, which stays.
  template <typename F>
  void below(F work) {
    if (try_fork() != 0) return;
    work();
    ready();
    stay();
  }
  // As daemons do it.
  void daemon() {
    const pid_t first = try_fork();
    if (first == 0) {
      setsid();
      below([] {});
      _exit(0);
    }
    waitpid(first, nullptr, 0);
  }

  // What a front does: in a process of its own, which then stands above a supervisor that runs
  // `supervise` until it is killed, as soon as `count` descendants are ready. True if the front
  // ended all, and none of them outlived it.
  template <typename F>
  bool front_ends_all(int count, F supervise) {
    const pid_t front = fork();
    if (front == 0) {
      alarm(60);
      take_orphans();
      const pid_t supervisor = fork();
      if (supervisor == 0) {
        take_orphans();
        supervise();
        stay();
      }
      const OutlivedChild outlived(supervisor);
      wait_for_ready(count);
      kill(supervisor, SIGKILL);
      outlived.wait();
      const bool ended = end_descendants(GetParam()).ok();
      _exit(ended && waitpid(-1, nullptr, __WALL) < 0 && errno == ECHILD ? 0 : 1);
    }
    int status = 0;
    waitpid(front, &status, 0);
    EXPECT_EQ(shared_->fork_error, 0);
    close(alive_[1]);
    alive_[1] = -1;
    // The end of file is there already: who ends only later has outlived the front.
    pollfd end_of_file = {alive_[0], POLLIN, 0};
    char byte;
    return status == 0 && poll(&end_of_file, 1, 0) == 1 && read(alive_[0], &byte, 1) == 0;
  }

  Shared* shared_ = nullptr;
  std::array<int, 2> alive_ = {-1, -1};
};

TEST_P(EndDescendantsTest, NobodyIsThere) {
  EXPECT_TRUE(front_ends_all(0, [] {}));
}

TEST_P(EndDescendantsTest, ATreeOfDaemonsAndReapersOfTheirOwn) {
  EXPECT_TRUE(front_ends_all(9, [this] {
    for (int i = 0; i < 3; ++i) {
      below([this] {
        take_orphans();
        daemon();
        below([] { setsid(); });
      });
    }
  }));
}

TEST_P(EndDescendantsTest, StoppedOnesAndThoseThatIgnoreSignals) {
  EXPECT_TRUE(front_ends_all(2, [this] {
    below([this] {
      for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_IGN);
      ready();
      raise(SIGSTOP);
    });
    below([] {
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_SETMASK, &all, nullptr);
    });
  }));
}

TEST_P(EndDescendantsTest, ZombiesThatNobodyReaps) {
  EXPECT_TRUE(front_ends_all(1, [this] {
    below([] {
      for (int i = 0; i < 20; ++i) {
        if (fork() == 0) _exit(0);
      }
    });
  }));
}

TEST_P(EndDescendantsTest, AProcessWhoseFirstThreadHasEnded) {
  EXPECT_TRUE(front_ends_all(1, [this] {
    if (try_fork() != 0) return;
    std::thread([this] {
      const std::string first = "/proc/self/task/" + std::to_string(getpid()) + "/stat";
      std::string stat;
      while (stat.find(") Z ") == stat.npos) std::getline(std::ifstream(first), stat);
      ready();
      stay();
    }).detach();
    syscall(SYS_exit, 0);
  }));
}

// More levels than there are descriptors.
TEST_P(EndDescendantsTest, ALongChain) {
  constexpr int kLevels = 200;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{32, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_TRUE(front_ends_all(kLevels, [this] {
    for (int level = 0; level < kLevels; ++level) {
      if (try_fork() != 0) stay();
      ready();
    }
  }));
  setrlimit(RLIMIT_NOFILE, &before);
}

// Each forks and goes, so that nobody keeps a parent: the storm moves on while it is being killed.
// It would go on for longer than the test. Its dead must be gone at once, however seldom the front
// gets a CPU: else nobody can fork any more.
TEST_P(EndDescendantsTest, AStormOfForksThatFleesFromItsParents) {
  constexpr int kRunners = 40;
  constexpr int kForks = 1'000'000;
  EXPECT_TRUE(front_ends_all(kRunners, [this] {
    std::signal(SIGCHLD, SIG_IGN);  // no crowd of zombies
    for (int i = 0; i < kRunners; ++i) {
      if (try_fork() != 0) continue;
      ready();
      while (shared_->forked++ < kForks) {
        const pid_t child = try_fork();
        if (child > 0) _exit(0);
        if (child == 0 && shared_->forked % 3 == 0) setsid();
      }
      _exit(0);
    }
  }));
  EXPECT_LT(shared_->forked, kForks);
}

// The other kind: it grows, all stay, and everybody who is left forks on.
TEST_P(EndDescendantsTest, AStormOfForksThatGrows) {
  constexpr int kMost = 1000;
  EXPECT_TRUE(front_ends_all(50, [this] {
    if (try_fork() != 0) return;
    while (shared_->forked++ < kMost) {
      if (try_fork() == 0) ready();
    }
    stay();
  }));
}

TEST_P(EndDescendantsTest, SigchldIsIgnored) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_TRUE(front_ends_all(2, [this] { below([this] { below([] {}); }); }));
  std::signal(SIGCHLD, before);
}

// Who unmounts may finish, but no guest passes for it.
TEST_P(EndDescendantsTest, TheUnmounterEndsByItself) {
  EXPECT_TRUE(front_ends_all(2, [this] {
    const pid_t supervisor = getpid();
    if (try_fork() == 0) {
      prctl(PR_SET_NAME, "fusermount3");
      ready();
      while (getppid() == supervisor) usleep(1000);
      usleep(20'000);
      shared_->forked = 1;
      _exit(0);
    }
    below([] {
      prctl(PR_SET_NAME, "fusermount3");
      sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
      const sock_fprog program{1, &allow};
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(1);
    });
  }));
  EXPECT_EQ(shared_->forked, 1);
}

INSTANTIATE_TEST_SUITE_P(Each, EndDescendantsTest,
                         testing::Values(ChildrenFrom::kBest, ChildrenFrom::kChildrenFile,
                                         ChildrenFrom::kStat));

TEST(MayHaveOtherChildren, TellsOfTheLivingAndTheDead) {
  const pid_t alone = fork();
  if (alone == 0) _exit(may_have_other_children() ? 1 : 0);
  EXPECT_TRUE(may_have_other_children());
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(alone), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(may_have_other_children());
  // It has taken nothing away.
  int status = -1;
  EXPECT_EQ(waitpid(alone, &status, 0), alone);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(may_have_other_children());
}

}  // namespace
}  // namespace warren
