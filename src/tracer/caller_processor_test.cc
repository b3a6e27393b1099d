#include "tracer/caller_processor.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace warren {
namespace {

// A child that runs on one processor alone, where there are two.
class CallerProcessorTest : public testing::Test {
 protected:
  void SetUp() override {
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &all)) (here_ < 0 ? here_ : there_) = i;
    }
    if (there_ < 0) GTEST_SKIP() << "one processor";
    int runs[2];
    ASSERT_EQ(pipe(runs), 0);
    child_ = fork();
    if (child_ == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(here_), &one);
      sched_setaffinity(0, sizeof one, &one);
      if (write(runs[1], "x", 1) == 1) pause();
      _exit(0);
    }
    char c;
    ASSERT_EQ(read(runs[0], &c, 1), 1);
    close(runs[0]);
    close(runs[1]);
  }
  void TearDown() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  CallerProcessor processor_;
  pid_t child_ = 0;
  int here_ = -1;
  int there_ = -1;
};

TEST_F(CallerProcessorTest, WhoDidNotMoveLooksWhereAKnownCallerIs) {
  EXPECT_TRUE(processor_.is_here(child_, here_, here_));
  EXPECT_TRUE(processor_.is_here(child_, here_, here_));
  EXPECT_FALSE(processor_.is_here(child_, there_, there_));
  EXPECT_FALSE(processor_.is_here(child_, there_, there_));
  EXPECT_TRUE(processor_.is_here(child_, here_, here_));
}

TEST_F(CallerProcessorTest, WhoWasMovedIsWhereTheCallerIs) {
  // It is not looked at, or this would be false.
  EXPECT_TRUE(processor_.is_here(child_, here_, there_));
  // And the caller stays there when it is answered.
  EXPECT_TRUE(processor_.is_here(child_, there_, there_));
}

TEST_F(CallerProcessorTest, AFirstCallIsNotWorthALook) {
  EXPECT_TRUE(processor_.is_here(child_, there_, there_));
  // One that takes its place in the table, and back.
  EXPECT_TRUE(processor_.is_here(child_ + 256, here_, here_));
  EXPECT_TRUE(processor_.is_here(child_, there_, there_));
}

}  // namespace
}  // namespace warren
