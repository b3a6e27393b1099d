// Runs the agent's code for taking signals.
#include <sys/mman.h>

#include <algorithm>
#include <climits>
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

// Signals to oneself. The agent's calls are notified here, and let go on.
class AgentKill : public AgentSignal {
 protected:
  static constexpr int kPid = 4321;  // as the guest knows itself
  static inline volatile sig_atomic_t count_;
  static inline siginfo_t seen_;

  void SetUp() override {
    AgentSignal::SetUp();
    image_->signal_self(true);
    handler_ = [&](const Event& event, pid_t) {
      if (event.call == PrivateCall::kLeaveInit) return Answer{leaves_ ? 1 : 0};
      return event.data.nr == SYS_kill || event.data.nr == SYS_tgkill
                 ? Answer{kAsked}
                 : Answer{.value = 0, .go_on = true};
    };
  }
  static void catch_signal(int signal) {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t* info, void*) {
      count_ = count_ + 1;
      seen_ = *info;
    };
    must(sigaction(signal, &action, nullptr) == 0);
  }
  // The result; checks the other registers and the red zone.
  static long send(Guest& guest, int nr, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    Registers before = guest.registers();
    before.rdi = a;
    before.rsi = b;
    before.rdx = c;
    guest.stack().fill(0xa5);
    const Registers after = guest.call(nr, before);
    before.rax = after.rax;
    check_registers(after, before, "a signal");
    const auto* const red_zone = reinterpret_cast<const unsigned char*>(before.rsp - 128);
    check(std::all_of(red_zone, red_zone + 128, [](unsigned char byte) { return byte == 0xa5; }),
          "the red zone");
    return static_cast<long>(after.rax);
  }
  static void check_seen(int signal, int code, int pid) {
    check(seen_.si_signo == signal && seen_.si_code == code && seen_.si_errno == 0, "what it is");
    check(seen_.si_pid == pid && seen_.si_uid == getuid(), "its sender");
    check(seen_.si_value.sival_ptr == nullptr, "nothing of the stack");
    seen_ = {};
  }
  bool leaves_ = true;
};

TEST_F(AgentKill, ItComesBeforeTheCallReturns) {
  in_guest([](Guest& guest) {
    Guest::state().pid = kPid;
    Guest::state().tid = kPid + 1;
    for (const int signal : {SIGHUP, SIGUSR1, SIGTERM, SIGCHLD, SIGRTMIN, 64}) {
      catch_signal(signal);
      count_ = 0;
      check(send(guest, SYS_kill, kPid, static_cast<std::uint64_t>(signal), 77) == 0, "kill");
      check(count_ == 1, "the handler");
      check_seen(signal, SI_USER, kPid);
      check(send(guest, SYS_tgkill, kPid, kPid + 1, static_cast<std::uint64_t>(signal)) == 0,
            "tgkill");
      check(count_ == 2, "the handler");
      check_seen(signal, SI_TKILL, kPid);
    }
  });
  for (const Event& event : events_) {
    EXPECT_EQ(event.call, PrivateCall::kNone);
    EXPECT_TRUE(event.data.nr == SYS_pidfd_send_signal || event.data.nr == SYS_getuid);
  }
}

TEST_F(AgentKill, AllElseIsAskedFor) {
  in_guest([](Guest& guest) {
    catch_signal(SIGUSR1);
    Guest::state().pid = kPid;
    Guest::state().tid = kPid + 1;
    const std::uint64_t negative = 0xffffffff00000000 | static_cast<std::uint32_t>(-kPid);
    for (const std::uint64_t other : {std::uint64_t{0}, std::uint64_t{1}, negative,
                                      std::uint64_t{kPid + 1}, ~std::uint64_t{0}}) {
      check(send(guest, SYS_kill, other, SIGUSR1, 0) == kAsked, "another's number");
      check(send(guest, SYS_tgkill, other, kPid + 1, SIGUSR1) == kAsked, "another's number");
    }
    check(send(guest, SYS_tgkill, kPid, kPid, SIGUSR1) == kAsked, "another thread");
    for (const int signal : {0, SIGKILL, SIGSTOP, 65, -1, INT_MIN}) {
      const auto bits = static_cast<std::uint64_t>(signal);
      check(send(guest, SYS_kill, kPid, bits, 0) == kAsked, "a special signal");
      check(send(guest, SYS_tgkill, kPid, kPid + 1, bits) == kAsked, "a special signal");
    }
    Guest::state().tid = 0;
    check(send(guest, SYS_tgkill, kPid, 0, SIGUSR1) == kAsked, "an unknown thread");
    Guest::state().pid = 0;
    check(send(guest, SYS_kill, 0, SIGUSR1, 0) == kAsked, "an unknown number");
    Guest::state().pid = kPid;
    Guest::state().leave_alone = 1;
    check(send(guest, SYS_kill, kPid, SIGUSR1, 0) == kAsked, "who is left alone");
    Guest::state().leave_alone = 0;
    Guest::state().ask_signals = 1;
    check(send(guest, SYS_kill, kPid, SIGUSR1, 0) == kAsked, "who has a filter of its own");
    check(count_ == 0, "nothing came");
  });
}

TEST_F(AgentKill, WithoutAWordForOneselfAllIsAskedFor) {
  image_->signal_self(false);
  in_guest([](Guest& guest) {
    Guest::state().pid = kPid;
    Guest::state().tid = kPid;
    check(send(guest, SYS_kill, kPid, SIGTERM, 0) == kAsked, "kill");
    check(send(guest, SYS_tgkill, kPid, kPid, SIGTERM) == kAsked, "tgkill");
  });
}

// What has no handler does not reach an init from inside; what has one does, and the init goes
// untraced first, once.
TEST_F(AgentKill, OfAnInitWhatItHandles) {
  for (const bool leaves : {true, false}) {
    leaves_ = leaves;
    events_.clear();
    in_guest([leaves](Guest& guest) {
      Guest::state().pid = 1;
      Guest::state().tid = 1;
      Guest::state().ignored = 0;
      signal(SIGHUP, SIG_IGN);
      check(send(guest, SYS_kill, 1, SIGTERM, 0) == kAsked, "a default");
      check(send(guest, SYS_kill, 1, SIGHUP, 0) == kAsked, "an ignored one");
      check(send(guest, SYS_tgkill, 1, 1, SIGTERM) == kAsked, "a default");
      catch_signal(SIGUSR1);
      for (int i = 1; i <= 4; i += 2) {
        count_ = 0;
        check(send(guest, SYS_kill, 1, SIGUSR1, 0) == 0 && count_ == 1, "a handler");
        check_seen(SIGUSR1, SI_USER, 1);
        check(send(guest, SYS_tgkill, 1, 1, SIGUSR1) == 0 && count_ == 2, "a handler");
        check_seen(SIGUSR1, SI_TKILL, 1);
      }
      check((Guest::state().ignored != 0) == leaves, "what is ignored");
    });
    const auto calls = std::count_if(events_.begin(), events_.end(), [](const Event& event) {
      return event.call == PrivateCall::kLeaveInit;
    });
    EXPECT_EQ(calls, leaves ? 1 : 4);
  }
}

struct KernelAction {
  std::uint64_t handler, flags, restorer, mask;
  bool operator==(const KernelAction&) const = default;
};

// rt_sigaction(2). The agent's calls are notified here, and let go on.
class AgentSigaction : public AgentSignal {
 protected:
  static constexpr std::uint64_t kHandler = 0x123456;
  static constexpr std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

  void SetUp() override {
    AgentSignal::SetUp();
    handler_ = [](const Event& event, pid_t) {
      return event.call == PrivateCall::kInitActs ? Answer{0} : Answer{.value = 0, .go_on = true};
    };
  }
  static KernelAction action_of(int signal) {
    KernelAction action{};
    must(syscall(SYS_rt_sigaction, signal, nullptr, &action, 8) == 0);
    return action;
  }
  // The result; checks the other registers and the red zone.
  static long act(Guest& guest, int signal, std::uint64_t action, const KernelAction* old) {
    Registers before = guest.registers();
    before.rdi = static_cast<std::uint64_t>(signal);
    before.rsi = action;
    before.rdx = reinterpret_cast<std::uint64_t>(old);
    before.r10 = 8;
    auto* const red_zone = reinterpret_cast<unsigned char*>(before.rsp - 128);
    std::fill(red_zone, red_zone + 128, 0xa5);
    const Registers after = guest.call(SYS_rt_sigaction, before);
    before.rax = after.rax;
    check_registers(after, before, "rt_sigaction");
    check(std::all_of(red_zone, red_zone + 128, [](unsigned char byte) { return byte == 0xa5; }),
          "the red zone");
    return static_cast<long>(after.rax);
  }
  static long act(Guest& guest, int signal, const KernelAction* action, const KernelAction* old) {
    return act(guest, signal, reinterpret_cast<std::uint64_t>(action), old);
  }
};

// On the stack, where it is read without asking, or elsewhere; of an init and of others.
TEST_F(AgentSigaction, WhereverItLies) {
  in_guest([](Guest& guest) {
    constexpr std::size_t kPages = 2;
    auto* const end =
        static_cast<unsigned char*>(mmap(nullptr, (kPages + 1) * kPage, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) +
        kPages * kPage;
    must(munmap(end, kPage) == 0);
    std::vector<unsigned char*> places;
    for (std::size_t at = 256; at < 2 * kPage; at += 8) {
      places.push_back(guest.stack().data() + guest.stack().size() / 2 + at);
    }
    for (std::size_t at = sizeof(KernelAction); at < kPages * kPage; at += 24) {
      places.push_back(end - at);
    }
    std::uint64_t handler = kHandler;
    for (const bool init : {false, true}) {
      Guest::state().ignored = init ? bit(SIGKILL) : 0;
      for (unsigned char* const place : places) {
        const KernelAction before = action_of(SIGALRM);
        KernelAction old{};
        const KernelAction action{
            .handler = ++handler, .flags = SA_RESTART | 0x04000000, .restorer = 1, .mask = 2};
        std::memcpy(place, &action, sizeof action);
        check(act(guest, SIGALRM, reinterpret_cast<KernelAction*>(place), &old) == 0, "it is set");
        check(old == before && action_of(SIGALRM) == action, "to what it was set");
        check((Guest::state().plain_handlers & bit(SIGALRM)) != 0, "a plain handler");
      }
      for (std::uint64_t at = 8; at < sizeof(KernelAction); at += 8) {
        const auto place = reinterpret_cast<std::uint64_t>(end) - at;
        check(act(guest, SIGALRM, place, nullptr) == -EFAULT, "it ends where nothing is");
      }
      for (const std::uint64_t place :
           {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        check(act(guest, SIGALRM, place, nullptr) == -EFAULT, "it lies nowhere");
      }
      check(action_of(SIGALRM).handler == handler, "nothing has changed");
      check(act(guest, 65, nullptr, nullptr) == -EINVAL, "no signal");
      check(act(guest, SIGKILL, nullptr, nullptr) == 0, "a signal that can be asked about");
    }
  });
}

// What an init ignores in place of its default is its default as far as it knows.
TEST_F(AgentSigaction, OfAnInitThatIsLeft) {
  in_guest([](Guest& guest) {
    for (const int signal : {SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO}) {
      const KernelAction ignored{.handler = 1, .flags = 0x04000000, .restorer = 3, .mask = 0};
      KernelAction unseen = ignored, plain = ignored, old{};
      unseen.handler = 0;
      plain.handler = kHandler;
      must(syscall(SYS_rt_sigaction, signal, &ignored, nullptr, 8) == 0);
      Guest::state().ignored = bit(SIGKILL) | bit(signal);
      check(act(guest, signal, nullptr, &old) == 0 && old == unseen, "a default");
      check(act(guest, signal, nullptr, nullptr) == 0, "nothing is asked");
      check(act(guest, signal, &plain, &old) == 0 && old == unseen, "was a default");
      check(action_of(signal) == plain && Guest::state().ignored == bit(SIGKILL), "a handler");
      check(act(guest, signal, &unseen, &old) == 0 && old == plain, "was a handler");
      check(action_of(signal) == ignored, "ignored in place of the default");
      check(Guest::state().ignored == (bit(SIGKILL) | bit(signal)), "as is noted");
      check(act(guest, signal, &ignored, &old) == 0 && old == unseen, "was a default again");
      check(act(guest, signal, nullptr, &old) == 0 && old == ignored, "is ignored for all");
      // A child of vfork has dispositions of its own.
      Guest::state().ignored = bit(SIGKILL) | bit(signal);
      Guest::state().vfork_key = 1;
      check(act(guest, signal, nullptr, &old) == 0 && old == ignored, "as it is");
      check(act(guest, signal, &unseen, &old) == 0 && action_of(signal) == unseen, "and so set");
      Guest::state().vfork_key = 0;
    }
  });
  const auto acts = std::count_if(events_.begin(), events_.end(), [](const Event& event) {
    return event.call == PrivateCall::kInitActs;
  });
  EXPECT_EQ(acts, 0);
}

// Ignoring a signal would take it away where it is pending.
TEST_F(AgentSigaction, OfAnInitForWhichOneIsPending) {
  in_guest([](Guest& guest) {
    const KernelAction none{};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    must(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
    signal(SIGALRM, [](int) {});
    must(kill(static_cast<pid_t>(syscall(SYS_getpid)), SIGALRM) == 0);
    signal(SIGPIPE, SIG_IGN);
    Guest::state().ignored = bit(SIGKILL) | bit(SIGPIPE);
    check(act(guest, SIGALRM, &none, nullptr) == 0, "it is set");
    check(Guest::state().ignored == 0, "the supervisor looks after it");
    check(action_of(SIGPIPE).handler == 0 && action_of(SIGALRM).handler == 0, "by their defaults");
    must(sigpending(&set) == 0);
    check(sigismember(&set, SIGALRM) == 1, "it is pending still");
  });
  const auto acts = std::count_if(events_.begin(), events_.end(), [](const Event& event) {
    return event.call == PrivateCall::kInitActs;
  });
  EXPECT_EQ(acts, 1);
}

}  // namespace
}  // namespace warren::inject
