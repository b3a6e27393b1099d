// Runs the agent's code for taking signals.
#include <csignal>
#include <utility>
#include <vector>

#include "inject/agent_guest.h"

namespace warren::inject {
namespace {

class AgentSignal : public AgentFork {
 protected:
  // Sends this process a signal that is blocked, with that code and mark.
  static void queue(int code, int mark = 0) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
    siginfo_t info{};
    info.si_code = code;
    info.si_errno = mark;
    info.si_pid = 1234;
    const long pid = syscall(SYS_getpid);
    must(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info) == 0);
  }
  // rt_sigtimedwait(2) of it, without waiting. The result; checks the other registers.
  static long take(Guest& guest, siginfo_t* info) {
    static sigset_t set;
    static timespec none;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    Registers before = guest.registers();
    before.rdi = reinterpret_cast<std::uint64_t>(&set);
    before.rsi = reinterpret_cast<std::uint64_t>(info);
    before.rdx = reinterpret_cast<std::uint64_t>(&none);
    before.r10 = 8;
    guest.stack().fill(0xa5);
    const Registers after = guest.call(SYS_rt_sigtimedwait, before);
    before.rax = after.rax;
    check_registers(after, before, "rt_sigtimedwait");
    const auto* const red_zone = reinterpret_cast<const unsigned char*>(before.rsp - 128);
    check(std::all_of(red_zone, red_zone + 128, [](unsigned char byte) { return byte == 0xa5; }),
          "the red zone");
    return static_cast<long>(after.rax);
  }
};

TEST_F(AgentSignal, WhatAGuestQueuedIsTakenWithoutAsking) {
  in_guest([&](Guest& guest) {
    for (const int code : {SI_QUEUE, SI_TIMER, SI_KERNEL}) {
      queue(code);
      siginfo_t info{};
      check(take(guest, &info) == SIGUSR1, "the signal");
      check(info.si_code == code, "its code");
      check(take(guest, &info) == -EAGAIN, "only once");
      queue(code);
      check(take(guest, nullptr) == SIGUSR1, "without a place for it");
    }
  });
  EXPECT_TRUE(events_.empty());
}

TEST_F(AgentSignal, WhatHasAHostsNumberIsTold) {
  int interrupted = 0;
  handler_ = [&](const Event&, pid_t) { return Answer{++interrupted % 2 == 1 ? -EINTR : 0}; };
  in_guest([&](Guest& guest) {
    const std::vector<std::pair<int, int>> sent = {{SI_USER, 0},
                                                   {SI_TKILL, 0},
                                                   {SI_MESGQ, 0},
                                                   {CLD_EXITED, 0},
                                                   {SI_QUEUE, WARREN_SENT_MARK + 1}};
    for (const auto& [code, mark] : sent) {
      queue(code, mark);
      siginfo_t info{};
      check(take(guest, &info) == SIGUSR1, "the signal");
      check(info.si_pid == 1234, "its sender");
    }
  });
  ASSERT_EQ(events_.size(), 10u) << "each again after EINTR";
  for (const Event& event : events_) EXPECT_EQ(event.call, PrivateCall::kSignalTaken);
}

TEST_F(AgentSignal, WhoIsLeftAloneAsks) {
  in_guest([&](Guest& guest) {
    Guest::state().leave_alone = 1;
    queue(SI_USER);
    siginfo_t info{};
    check(take(guest, &info) == SIGUSR1, "the signal");
  });
  EXPECT_TRUE(events_.empty()) << "the call itself, which this filter lets through";
}

}  // namespace
}  // namespace warren::inject
