#include "tracer/sent_signal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace warren::sent_signal {
namespace {

// Of a signal that this process sends itself, blocked: what came, untouched.
siginfo_t received(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  siginfo_t info{};
  EXPECT_EQ(sigwaitinfo(&set, &info), signal);
  return info;
}

class SentSignal : public ::testing::Test {
 protected:
  SentSignal() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~SentSignal() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  sigset_t before_;
};

TEST_F(SentSignal, AGuestsSignalBecomesWhatItSent) {
  for (const int code : {SI_USER, SI_TKILL}) {
    ASSERT_EQ(send(getpid(), gettid(), SIGUSR1, code, 42, 1000), 0);
    siginfo_t info = received(SIGUSR1);
    EXPECT_EQ(info.si_code, SI_QUEUE);
    ASSERT_TRUE(restore(&info));
    EXPECT_EQ(info.si_code, code);
    EXPECT_EQ(info.si_errno, 0);
    EXPECT_EQ(info.si_pid, 42);
    EXPECT_EQ(info.si_uid, 1000u);
    EXPECT_FALSE(restore(&info)) << "only once";
  }
}

TEST_F(SentSignal, NewsOfATraceeBecomesThatOfAChild) {
  for (const auto& [code, status] : {std::pair{CLD_TRAPPED, SIGTRAP}, std::pair{CLD_EXITED, 255},
                                     std::pair{CLD_KILLED, SIGKILL}}) {
    send_child_news(getpid(), 7, 1000, code, status);
    siginfo_t info = received(SIGCHLD);
    ASSERT_TRUE(restore(&info));
    EXPECT_EQ(info.si_code, code);
    EXPECT_EQ(info.si_status, status);
    EXPECT_EQ(info.si_pid, 7);
    EXPECT_EQ(info.si_uid, 1000u);
    EXPECT_EQ(info.si_errno, 0);
    EXPECT_EQ(info.si_utime, 0);
  }
}

TEST_F(SentSignal, WhatOthersQueueIsLeftAlone) {
  sigval value{};
  value.sival_int = 5;
  ASSERT_EQ(sigqueue(getpid(), SIGUSR1, value), 0);
  siginfo_t info = received(SIGUSR1);
  EXPECT_FALSE(restore(&info));
  EXPECT_EQ(info.si_value.sival_int, 5);
  EXPECT_EQ(info.si_code, SI_QUEUE);
}

}  // namespace
}  // namespace warren::sent_signal
