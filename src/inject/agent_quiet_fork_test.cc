// Runs the agent's code for quiet forks: those that nobody tells of, but for what parent and child
// note in their memories.
#include "inject/agent_guest.h"

namespace warren::inject {
namespace {

constexpr std::uint64_t kQuietBit = 1 << 29;

class AgentQuietFork : public AgentFork {
 protected:
  void SetUp() override {
    AgentFork::SetUp();
    handler_ = [this](const Event& event, pid_t) -> std::optional<Answer> {
      const bool begins = event.call == PrivateCall::kBegin ||
                          event.call == PrivateCall::kBeginFork ||
                          event.call == PrivateCall::kBeginVfork;
      if (!begins) return {};
      const bool vfork = event.call == PrivateCall::kBeginVfork || (event.data.args[0] & CLONE_VM);
      key_ = kNumber | kQuietBit | (vfork ? kVforkBit : 0) | std::uint64_t{0x12345678} << 32;
      common_->key = key_;
      return Answer{static_cast<std::int64_t>(key_)};
    };
  }

  // The registers of a clone(2) that sets a word in the child, as fork(3) makes it.
  static Registers like_fork(Guest& guest, int* child_tid) {
    Registers before = guest.registers();
    before.rdi = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    before.rsi = 0;
    before.r10 = reinterpret_cast<std::uint64_t>(child_tid);
    return before;
  }
  static Registers wait_for(Guest& guest, std::uint64_t number) {
    Registers before = guest.registers();
    before.rdi = number;
    before.rsi = before.rdx = before.r10 = 0;
    return before;
  }
  static std::uint64_t signal_mask() {
    std::uint64_t mask = 0;
    must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, sizeof mask) == 0);
    return mask;
  }
};

TEST_F(AgentQuietFork, CostsItsBeginAlone) {
  in_guest([&](Guest& guest) {
    const std::uint64_t mask = signal_mask();
    for (int i = 0; i < 3; ++i) {
      const Registers before = guest.registers();
      spoil_below(before);
      guest.call(SYS_fork, before);
      check(guest.known(kNumber) > 0, "the parent knows its child");
      siginfo_t info;
      must(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
      check_both(guest, before, 0, "fork");
      check(guest.call(SYS_wait4, wait_for(guest, kNumber)).rax == kNumber, "it is waited for");
      check(guest.known(kNumber) == 0, "and not known any more");
      check(signal_mask() == mask, "the signal mask");
    }
  });
  EXPECT_EQ(calls(), Calls(3, PrivateCall::kBeginFork));
}

TEST_F(AgentQuietFork, TheChildHasItsNumber) {
  in_guest([&](Guest& guest) {
    int tid = 77;
    const Registers before = like_fork(guest, &tid);
    fork_child_looks = reinterpret_cast<std::uint64_t>(&tid);
    guest.call(SYS_clone, before);
    check(waitpid(-1, nullptr, 0) > 0, "a child");
    check_both(guest, before, 0, "clone");
    check(tid == 77, "the parent's own word");
    check(guest.common.child_state.pid == static_cast<int>(kNumber), "its State, pid");
    check(guest.common.child_state.tid == static_cast<int>(kNumber), "its State, tid");
    check(guest.common.child_state.key == guest.common.key, "its State, key");
    check(guest.common.child_word == static_cast<int>(kNumber), "the word in its memory");
  });
  EXPECT_EQ(calls(), Calls{PrivateCall::kBegin});
}

TEST_F(AgentQuietFork, ABadAddressIsTheGuestsOwnAffair) {
  in_guest([&](Guest& guest) {
    for (const std::uint64_t bad : {std::uint64_t{0}, std::uint64_t{8}, ~std::uint64_t{0}, kBase}) {
      Registers before = like_fork(guest, nullptr);
      before.r10 = bad;
      guest.call(SYS_clone, before);
      check_fork(guest, before, 0, "clone with a word at " + std::to_string(bad));
    }
  });
  EXPECT_EQ(calls(), Calls(4, PrivateCall::kBegin));
}

TEST_F(AgentQuietFork, OneThatFailsIsTold) {
  in_guest([&](Guest& guest) {
    const std::uint64_t mask = signal_mask();
    Registers before = like_fork(guest, nullptr);
    before.rdi = CLONE_SIGHAND | SIGCHLD;  // without CLONE_VM
    const Registers after = guest.call(SYS_clone, before);
    before.rax = static_cast<std::uint64_t>(-EINVAL);
    check_registers(after, before, "a clone that fails");
    check(signal_mask() == mask, "the signal mask");
    check(guest.known(kNumber) == 0, "no child");
  });
  EXPECT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kFailed}));
}

// A handler that runs at once finds everything noted: it can wait for the child.
TEST_F(AgentQuietFork, NoSignalComesBeforeEverythingIsNoted) {
  static Guest* the_guest;
  static volatile bool known;
  in_guest([&](Guest& guest) {
    the_guest = &guest;
    struct sigaction action = {};
    action.sa_handler = [](int) { known = known || the_guest->known(kNumber) != 0; };
    must(sigaction(SIGCHLD, &action, nullptr) == 0);
    for (int i = 0; i < 200; ++i) {
      known = false;
      const Registers before = guest.registers();
      guest.call(SYS_fork, before);
      check(waitpid(-1, nullptr, 0) > 0, "a child");
      check(known, "the handler saw the child");
    }
  });
}

TEST_F(AgentQuietFork, VforkOnOneStack) {
  in_guest([&](Guest& guest) {
    for (int i = 0; i < 3; ++i) {
      const Registers before = guest.registers();
      spoil_below(before);
      guest.call(SYS_vfork, before);
      check(guest.known(kNumber) > 0, "the parent knows its child");
      check_fork(guest, before, 0, "vfork");
      check(guest.common.child_state.vfork_key == guest.common.key,
            "State says whose memory it is");
      check(guest.state().vfork_key == 0, "until the child has ended");
    }
  });
  EXPECT_EQ(calls(), Calls(3, PrivateCall::kBeginVfork));
}

TEST_F(AgentQuietFork, VforkWithAStackOfItsOwn) {
  in_guest([&](Guest& guest) {
    for (int i = 0; i < 3; ++i) {
      Registers before = guest.registers();
      before.rdi = CLONE_VM | CLONE_VFORK | SIGCHLD;
      before.rsi = guest.child_stack_top();
      guest.call(SYS_clone, before);
      check(guest.known(kNumber) > 0, "the parent knows its child");
      check_fork(guest, before, before.rsi, "clone");
    }
  });
  EXPECT_EQ(calls(), Calls(3, PrivateCall::kBegin));
}

TEST_F(AgentQuietFork, VforkByClone3) {
  in_guest([&](Guest& guest) {
    clone_args args{};
    args.flags = CLONE_VM | CLONE_VFORK;
    args.exit_signal = SIGCHLD;
    args.stack = guest.child_stack();
    args.stack_size = guest.child_stack_top() - guest.child_stack();
    Registers before = guest.registers();
    before.rdi = reinterpret_cast<std::uint64_t>(&args);
    before.rsi = sizeof args;
    guest.call(SYS_clone3, before);
    check_fork(guest, before, args.stack + args.stack_size, "clone3");
  });
  EXPECT_EQ(calls(), Calls{PrivateCall::kBegin});
}

TEST_F(AgentQuietFork, AVforkThatFailsIsTold) {
  in_guest([&](Guest& guest) {
    Registers before = guest.registers();
    before.rdi = CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_NEWNS | SIGCHLD;  // not together
    before.rsi = guest.child_stack_top();
    const Registers after = guest.call(SYS_clone, before);
    before.rax = static_cast<std::uint64_t>(-EINVAL);
    check_registers(after, before, "a clone that fails");
    check(guest.state().vfork_key == 0, "State");
  });
  EXPECT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kFailed}));
}

}  // namespace
}  // namespace warren::inject
