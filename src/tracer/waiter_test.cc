#include "tracer/waiter.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

namespace warren {
namespace {

class WaiterTest : public testing::Test {
 protected:
  // A child that ends when the pipe is closed.
  pid_t child() {
    const pid_t pid = fork();
    if (pid == 0) {
      close(go_[1]);
      char byte;
      _exit(read(go_[0], &byte, 1) == 0 ? 7 : 8);
    }
    return pid;
  }

  void SetUp() override {
    ASSERT_EQ(pipe(go_), 0);
    waiter_.attach_thread();
  }

  int go_[2];
  Stats stats_;
  Waiter waiter_{stats_};
};

TEST_F(WaiterTest, NobodyToWaitFor) { EXPECT_EQ(waiter_.wait().kind, WaitEvent::Kind::kNoTasks); }

TEST_F(WaiterTest, NewsThatComeAtOnceAreAllTaken) {
  std::set<pid_t> children;
  for (int i = 0; i < 300; ++i) children.insert(child());
  // One SIGCHLD is kept of all these.
  close(go_[1]);
  while (!children.empty()) {
    const WaitEvent event = waiter_.wait();
    ASSERT_EQ(event.kind, WaitEvent::Kind::kTask);
    EXPECT_EQ(children.erase(event.tid), 1u);
    EXPECT_EQ(WEXITSTATUS(event.status), 7);
  }
  EXPECT_EQ(waiter_.wait().kind, WaitEvent::Kind::kNoTasks);
}

TEST_F(WaiterTest, NewsThatSomebodyElseTookAreNoEvent) {
  const pid_t first = child();
  close(go_[1]);
  int status = 0;
  ASSERT_EQ(waitpid(first, &status, 0), first);
  EXPECT_EQ(waiter_.wait().kind, WaitEvent::Kind::kNoTasks);
}

TEST_F(WaiterTest, OthersInterruptASleep) {
  const pid_t only = child();
  std::thread other([this] { waiter_.interrupt(); });
  EXPECT_EQ(waiter_.wait().kind, WaitEvent::Kind::kInterrupted);
  other.join();
  close(go_[1]);
  WaitEvent event = waiter_.wait();
  while (event.kind == WaitEvent::Kind::kInterrupted) event = waiter_.wait();
  EXPECT_EQ(event.kind, WaitEvent::Kind::kTask);
  EXPECT_EQ(event.tid, only);
}

}  // namespace
}  // namespace warren
