// Real children of this process, known to an engine by their real numbers.
#include "tracer/death_watch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <vector>

namespace warren {
namespace {

struct Event {
  pid_t host;
  bool gone;
  std::uint64_t key;  // 0: of a process that is known
};

class DeathWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    KernelOptions options;
    options.pin_level0 = true;
    auto kernel = Kernel::create(options);
    ASSERT_TRUE(kernel);
    kernel_ = std::move(*kernel);
    auto ns = kernel_->create_namespace(kernel_->root());
    ASSERT_TRUE(ns);
    ns_ = std::move(*ns);
    ASSERT_TRUE(watch_.start(
        [this](const Ref<ThreadGroup>& process, bool gone) {
          note({process->level0(), gone, 0});
        },
        [this](pid_t host, std::uint64_t key) {
          note({host, false, key});
        },
        [this] {
          const std::size_t left = untold_.exchange(untold_ > 0 ? untold_ - 1 : 0);
          note({.host = 0, .gone = false, .key = left});
          return left;
        }));
  }

  void TearDown() override {
    watch_.stop();
    for (const Ref<Task>& task : tasks_) {
      kernel_->exit_task(*task, 0);
      kernel_->reap(task->group());
    }
    tasks_.clear();
    ns_ = nullptr;
  }

  // A child that ends when it is told to.
  pid_t child() {
    const pid_t pid = fork();
    if (pid == 0) {
      for (;;) pause();
    }
    return pid;
  }
  ThreadGroup& know(pid_t pid) {
    AdoptArgs args;
    args.level0 = pid;
    tasks_.push_back(*kernel_->adopt(*ns_, args));
    return tasks_.back()->group();
  }

  void note(const Event& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    changed_.notify_all();
  }
  // The event of that kind, once it has come.
  bool come(const std::function<bool(const Event&)>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return std::any_of(events_.begin(), events_.end(), wanted); });
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }

  std::unique_ptr<Kernel> kernel_;
  Ref<PidNamespace> ns_;
  std::vector<Ref<Task>> tasks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  std::atomic<std::size_t> untold_{0};  // how often there is something left to look for
  DeathWatch watch_;
};

TEST_F(DeathWatchTest, LooksForNewsUntilNoneIsLeft) {
  untold_ = 3;
  watch_.expect_news();
  EXPECT_TRUE(come([](const Event& event) { return event.host == 0 && event.key == 0; }));
  EXPECT_EQ(count(), 4U);
  watch_.expect_news();
  EXPECT_TRUE(come([this](const Event&) { return events_.size() == 5; }));
}

TEST_F(DeathWatchTest, LooksForNothingThatNobodyExpects) {
  const pid_t pid = child();
  ASSERT_TRUE(watch_.watch(know(pid)));
  kill(pid, SIGKILL);
  EXPECT_TRUE(come([&](const Event& event) { return event.host == pid; }));
  waitpid(pid, nullptr, 0);
  EXPECT_TRUE(come([&](const Event& event) { return event.gone; }));
  EXPECT_EQ(count(), 2U);
}

TEST_F(DeathWatchTest, TellsOfTheEndByItself) {
  const pid_t pid = child();
  ASSERT_TRUE(watch_.watch(know(pid)));
  kill(pid, SIGKILL);
  EXPECT_TRUE(come([&](const Event& event) { return event.host == pid; }));
  waitpid(pid, nullptr, 0);
}

TEST_F(DeathWatchTest, AZombieIsToldOfOnce) {
  const pid_t pid = child();
  ASSERT_TRUE(watch_.watch(know(pid)));
  kill(pid, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  watch_.drain();
  ASSERT_EQ(count(), 1u);
  watch_.drain();
  watch_.drain();
  EXPECT_EQ(count(), 1u);
  EXPECT_FALSE(events_[0].gone);
  waitpid(pid, nullptr, 0);
}

TEST_F(DeathWatchTest, DrainTellsWhatHasHappened) {
  std::vector<pid_t> pids;
  for (int i = 0; i < 100; ++i) {
    pids.push_back(child());
    ASSERT_TRUE(watch_.watch(know(pids.back())));
  }
  siginfo_t info;
  for (const pid_t pid : pids) kill(pid, SIGKILL);
  for (const pid_t pid : pids) waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  // Sixty-four are taken at a time.
  watch_.drain();
  watch_.drain();
  EXPECT_EQ(count(), pids.size());
  for (const pid_t pid : pids) waitpid(pid, nullptr, 0);
}

TEST_F(DeathWatchTest, WhoIsForgottenIsNotToldOf) {
  const pid_t pid = child();
  ThreadGroup& process = know(pid);
  ASSERT_TRUE(watch_.watch(process));
  ASSERT_TRUE(watch_.watch(process)) << "a second time: nothing";
  watch_.forget(process);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  watch_.drain();
  EXPECT_EQ(count(), 0u);
}

TEST_F(DeathWatchTest, WhoIsGoneIsNotWatched) {
  const pid_t pid = child();
  ThreadGroup& process = know(pid);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(watch_.watch(process).error_code(), ESRCH);
  EXPECT_EQ(watch_.watch_stranger(pid, 7).error_code(), ESRCH);
}

TEST_F(DeathWatchTest, AStrangerDiesByItsKey) {
  const pid_t pid = child();
  ASSERT_TRUE(watch_.watch_stranger(pid, 77));
  kill(pid, SIGKILL);
  EXPECT_TRUE(come([&](const Event& event) { return event.host == pid && event.key == 77; }));
  waitpid(pid, nullptr, 0);
}

TEST_F(DeathWatchTest, AStrangerThatBecomesKnownDiesAsThat) {
  const pid_t pid = child();
  ASSERT_TRUE(watch_.watch_stranger(pid, 77));
  ThreadGroup& process = know(pid);
  EXPECT_TRUE(watch_.adopt_stranger(pid, process));
  EXPECT_FALSE(watch_.adopt_stranger(pid, process)) << "it is none any more";
  kill(pid, SIGKILL);
  EXPECT_TRUE(come([&](const Event& event) { return event.host == pid && event.key == 0; }));
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace warren
