// Runs the agent's code for waits.
#include "inject/agent_guest.h"

namespace warren::inject {
namespace {

class AgentWait : public AgentFork {
 protected:
  // A child that ends with that status.
  static pid_t child(int status) {
    const pid_t pid = fork();
    if (pid == 0) _exit(status);
    must(pid > 0);
    return pid;
  }
  // The result; checks the other registers.
  static long wait(Guest& guest, int pid, int* status, int options, rusage* usage) {
    Registers before = guest.registers();
    before.rdi = (before.rdi & ~std::uint64_t{0xffffffff}) | static_cast<std::uint32_t>(pid);
    before.rsi = reinterpret_cast<std::uint64_t>(status);
    before.rdx = (before.rdx & ~std::uint64_t{0xffffffff}) | static_cast<std::uint32_t>(options);
    before.r10 = reinterpret_cast<std::uint64_t>(usage);
    guest.stack().fill(0xa5);
    const Registers after = guest.call(SYS_wait4, before);
    before.rax = after.rax;
    check_registers(after, before, "wait4");
    const auto* const red_zone = reinterpret_cast<const unsigned char*>(before.rsp - 128);
    check(std::all_of(red_zone, red_zone + 128, [](unsigned char byte) { return byte == 0xa5; }),
          "the red zone");
    return static_cast<long>(after.rax);
  }
};

TEST_F(AgentWait, ForAChildByItsNumber) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    if (event.call == PrivateCall::kWaitTarget) return Answer{common_->visible};
    return Answer{17};
  };
  in_guest([&](Guest& guest) {
    guest.common.visible = child(5);
    int status = -1;
    rusage usage{};
    check(wait(guest, 17, &status, 0, &usage) == 17, "the number");
    check(status == 5 << 8, "the status");
    check(usage.ru_maxrss > 0, "the usage");
  });
  ASSERT_EQ(calls(), (Calls{PrivateCall::kWaitTarget, PrivateCall::kWaited}));
  EXPECT_EQ(events_[0].data.args[0], 17u);
  EXPECT_EQ(events_[1].data.args[0], static_cast<std::uint64_t>(common_->visible));
  EXPECT_EQ(static_cast<std::uint32_t>(events_[1].data.args[2]), 0u);
  EXPECT_EQ(events_[1].data.args[4], 17u);
}

TEST_F(AgentWait, ForAnyChild) {
  image_->tell_waits();
  handler_ = [&](const Event&, pid_t) { return Answer{18}; };
  in_guest([&](Guest& guest) {
    for (const int pid : {-1, 0}) {
      child(5);
      check(wait(guest, pid, nullptr, __WALL, nullptr) == 18, "the number");
    }
    check(wait(guest, -1, nullptr, 0, nullptr) == -ECHILD, "no more");
  });
  ASSERT_EQ(calls(), Calls(2, PrivateCall::kWaited));
  EXPECT_EQ(events_[0].data.args[4], ~std::uint64_t{0});
  EXPECT_NE(events_[0].data.args[3], 0u) << "no place for the usage";
}

TEST_F(AgentWait, NobodyIsToldOfAChildThatTheProcessKnows) {
  in_guest([&](Guest& guest) {
    // Another process's number, if it was the same child.
    guest.knows(child(5), 100);
    check(wait(guest, -1, nullptr, 0, nullptr) == 100, "any child");
    check(guest.known(100) == 0, "the place is not that of a living child's");
    guest.knows(child(6), 101);
    int status = -1;
    rusage usage{};
    check(wait(guest, 101, &status, 0, &usage) == 101, "by its number");
    check(status == 6 << 8, "the status");
    check(usage.ru_maxrss > 0, "the usage");
    check(guest.known(101) == 0, "its place, too");
  });
  EXPECT_TRUE(events_.empty());
}

TEST_F(AgentWait, WhoStopsIsStillThere) {
  in_guest([&](Guest& guest) {
    const pid_t pid = fork();
    if (pid == 0) {
      raise(SIGSTOP);
      pause();
      _exit(3);
    }
    guest.knows(pid, 102);
    int status = -1;
    check(wait(guest, -1, &status, WUNTRACED, nullptr) == 102, "the number");
    check(WIFSTOPPED(status), "stopped");
    check(guest.known(102) == pid, "known as before");
    kill(pid, SIGCONT);
    check(wait(guest, 102, &status, WCONTINUED, nullptr) == 102, "the number");
    check(WIFCONTINUED(status), "goes on");
    check(guest.known(102) == pid, "still known");
    kill(pid, SIGKILL);
    check(wait(guest, 102, nullptr, 0, nullptr) == 102, "the number");
    check(guest.known(102) == 0, "gone");
  });
  EXPECT_TRUE(events_.empty());
}

TEST_F(AgentWait, OneThatWasWaitedForIsNotKnownAnyMore) {
  handler_ = [&](const Event&, pid_t) { return Answer{-ECHILD}; };
  in_guest([&](Guest& guest) {
    guest.knows(child(5), 103);
    check(wait(guest, 103, nullptr, 0, nullptr) == 103, "once");
    check(wait(guest, 103, nullptr, 0, nullptr) == -ECHILD, "twice");
  });
  EXPECT_EQ(calls(), Calls{PrivateCall::kWaitTarget});
}

TEST_F(AgentWait, ForAGroup) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    if (event.call == PrivateCall::kWaitTarget) return Answer{common_->visible};
    return Answer{19};
  };
  in_guest([&](Guest& guest) {
    const pid_t leader = fork();
    if (leader == 0) {
      pause();
      _exit(0);
    }
    must(setpgid(leader, leader) == 0);
    guest.common.visible = leader;
    const pid_t member = fork();
    if (member == 0) {
      must(setpgid(0, leader) == 0);
      _exit(6);
    }
    siginfo_t info;
    must(waitid(P_PID, static_cast<id_t>(member), &info, WEXITED | WNOWAIT) == 0);
    child(1);
    int status = -1;
    check(wait(guest, -19, &status, WNOHANG, nullptr) == 19, "the number");
    check(status == 6 << 8, "the status");
    kill(leader, SIGKILL);
  });
  ASSERT_EQ(calls(), (Calls{PrivateCall::kWaitTarget, PrivateCall::kWaited}));
  EXPECT_EQ(events_[0].data.args[0], static_cast<std::uint64_t>(-19));
}

TEST_F(AgentWait, GoesOnWhenTheChildIsNotTheGuests) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    return Answer{static_cast<pid_t>(event.data.args[0]) == common_->hidden ? 0 : 20};
  };
  in_guest([&](Guest& guest) {
    guest.common.hidden = child(1);
    siginfo_t info;
    must(waitid(P_PID, static_cast<id_t>(guest.common.hidden), &info, WEXITED | WNOWAIT) == 0);
    check(wait(guest, -1, nullptr, WNOHANG, nullptr) == -ECHILD, "the only one");
    guest.common.hidden = child(1);
    must(waitid(P_PID, static_cast<id_t>(guest.common.hidden), &info, WEXITED | WNOWAIT) == 0);
    child(9);
    int status = -1;
    check(wait(guest, -1, &status, 0, nullptr) == 20, "the number");
    check(status == 9 << 8, "the status");
  });
  EXPECT_EQ(calls(), Calls(3, PrivateCall::kWaited));
}

TEST_F(AgentWait, NothingYet) {
  in_guest([&](Guest& guest) {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    check(wait(guest, -1, nullptr, WNOHANG, nullptr) == 0, "nothing yet");
    kill(pid, SIGKILL);
  });
  EXPECT_TRUE(events_.empty());
}

TEST_F(AgentWait, TargetsThatAreRefused) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    return Answer{static_cast<int>(event.data.args[0]) > 0 ? -ECHILD : -ESRCH};
  };
  in_guest([&](Guest& guest) {
    child(0);
    check(wait(guest, 17, nullptr, 0, nullptr) == -ECHILD, "a number");
    check(wait(guest, -17, nullptr, 0, nullptr) == -ESRCH, "a group");
  });
  EXPECT_EQ(calls(), Calls(2, PrivateCall::kWaitTarget));
}

TEST_F(AgentWait, IsAskedForWhenItIsUnusual) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    return Answer{event.call == PrivateCall::kWaitTarget ? -ENOSYS : kAsked};
  };
  in_guest([&](Guest& guest) {
    check(wait(guest, -1, nullptr, WNOWAIT, nullptr) == kAsked, "an option that it has not");
    check(wait(guest, 17, nullptr, WNOHANG, nullptr) == kAsked, "a target to ask for");
  });
  EXPECT_EQ(calls(), (Calls{PrivateCall::kNone, PrivateCall::kNone, PrivateCall::kWaitTarget}));
  expect_asked(SYS_wait4, {});
  EXPECT_EQ(static_cast<int>(events_.back().data.args[0]), 17);
  EXPECT_EQ(events_.back().data.args[3], 0u);
}

TEST_F(AgentWait, PrivateCallsThatASignalPrecedesAreRepeated) {
  int repeat = 0;
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    if (++repeat % 3 != 0) return Answer{-EINTR};
    if (event.call == PrivateCall::kWaitTarget) return Answer{common_->visible};
    return Answer{17};
  };
  in_guest([&](Guest& guest) {
    guest.common.visible = child(5);
    check(wait(guest, 17, nullptr, 0, nullptr) == 17, "the number");
  });
  EXPECT_EQ(events_.size(), 6u);
}

TEST_F(AgentWait, ASignalInterruptsTheWait) {
  in_guest([&](Guest& guest) {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    must(sigaction(SIGALRM, &action, nullptr) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    ualarm(20'000, 0);
    check(wait(guest, -1, nullptr, 0, nullptr) == -EINTR, "the result");
    kill(pid, SIGKILL);
  });
  EXPECT_TRUE(events_.empty());
}

}  // namespace
}  // namespace warren::inject
