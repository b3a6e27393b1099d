// Runs the agent's code for forks: the caller forks through a slot, and parent and child look at
// what they came back with.
#include "inject/agent_guest.h"

namespace warren::inject {
namespace {

TEST_F(AgentFork, Fork) {
  in_guest([&](Guest& guest) {
    const Registers before = guest.registers();
    guest.stack().fill(0xa5);
    guest.call(SYS_fork, before);
    check_fork(guest, before, 0, "fork");
    const auto* const red_zone = reinterpret_cast<const unsigned char*>(before.rsp - 128);
    const auto* const end = static_cast<const unsigned char*>(guest.stack().data());
    check(std::all_of(red_zone, end + guest.stack().size(),
                      [](unsigned char byte) { return byte == 0xa5; }),
          "the stack");
  });
  EXPECT_EQ(calls(),
            (Calls{PrivateCall::kBeginFork, PrivateCall::kRegister, PrivateCall::kForked}));
}

TEST_F(AgentFork, VforkOnOneStack) {
  in_guest([&](Guest& guest) {
    for (int i = 0; i < 3; ++i) {
      const Registers before = guest.registers();
      spoil_below(before);
      guest.call(SYS_vfork, before);
      check_fork(guest, before, 0, "vfork");
    }
  });
  EXPECT_EQ(events_.size(), 9u);
  EXPECT_EQ(events_[1].call, PrivateCall::kRegister);
  EXPECT_EQ(events_[2].call, PrivateCall::kVforked);
}

TEST_F(AgentFork, VforkAndExec) {
  in_guest([&](Guest& guest) {
    const char* const arguments[] = {"sh", "-c", "exit 3", nullptr};
    fork_program = "/bin/sh";
    fork_program_arguments = arguments;
    const Registers before = guest.registers();
    spoil_below(before);
    guest.call(SYS_vfork, before);
    check_fork(guest, before, 0, "vfork", 3 << 8);
  });
  EXPECT_EQ(calls(),
            (Calls{PrivateCall::kBeginVfork, PrivateCall::kRegister, PrivateCall::kVforked}));
}

TEST_F(AgentFork, CloneAsFork) {
  in_guest([&](Guest& guest) {
    std::uint32_t numbers[2] = {0x11, 0x22};
    Registers before = guest.registers();
    before.rdi = SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    before.rsi = 0;
    before.rdx = reinterpret_cast<std::uint64_t>(&numbers[0]);
    before.r10 = reinterpret_cast<std::uint64_t>(&numbers[1]);
    guest.call(SYS_clone, before);
    check_fork(guest, before, 0, "clone");
    check(numbers[0] == 0x11 && numbers[1] == 0x22, "the kernel wrote numbers of the host");
    before = guest.registers();
    before.rdi = SIGCHLD;
    before.rsi = 0;
    guest.call(SYS_clone, before);
    check_fork(guest, before, 0, "clone without numbers");
  });
  EXPECT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kBegin, PrivateCall::kRegister,
                            PrivateCall::kRegister, PrivateCall::kForked, PrivateCall::kForked}));
  EXPECT_EQ(events_[0].data.args[0], std::uint64_t{SIGCHLD | CLONE_PARENT_SETTID |
                                                   CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID});
}

TEST_F(AgentFork, CloneAsVfork) {
  in_guest([&](Guest& guest) {
    for (const bool own_stack : {false, true}) {
      for (const std::uint64_t more : {0, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID}) {
        Registers before = guest.registers();
        before.rdi = SIGCHLD | CLONE_VM | CLONE_VFORK | more;
        before.rsi = own_stack ? guest.child_stack_top() : 0;
        spoil_below(before);
        guest.call(SYS_clone, before);
        check_fork(guest, before, before.rsi, own_stack ? "a stack of its own" : "one stack");
      }
    }
  });
  EXPECT_EQ(events_.size(), 12u);
}

TEST_F(AgentFork, Clone3AsVfork) {
  in_guest([&](Guest& guest) {
    for (const std::size_t size : {64, 72, 80, 88}) {
      const std::uint64_t top = guest.child_stack_top();
      clone_args args{};
      args.flags = CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID;
      args.exit_signal = SIGCHLD;
      args.stack = guest.child_stack();
      args.stack_size = top - args.stack;
      Registers before = guest.registers();
      before.rdi = reinterpret_cast<std::uint64_t>(&args);
      before.rsi = size;
      guest.call(SYS_clone3, before);
      check_fork(guest, before, top, "clone3 of " + std::to_string(size));
    }
  });
  ASSERT_EQ(events_.size(), 12u);
  EXPECT_EQ(events_[0].call, PrivateCall::kBegin);
  EXPECT_EQ(events_[0].data.args[0],
            std::uint64_t{SIGCHLD | CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID});
}

// As libc's for pthread_create(3), and for posix_spawn(3) without shared memory.
TEST_F(AgentFork, Clone3OnAnotherStack) {
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                    CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  in_guest([&](Guest& guest) {
    volatile std::uint32_t numbers[2];
    for (const std::uint64_t flags : {kThread, std::uint64_t{0}}) {
      numbers[0] = 0x11;
      numbers[1] = 0x22;
      const std::uint64_t top = guest.child_stack_top();
      clone_args args{};
      args.flags = flags;
      args.exit_signal = flags == 0 ? SIGCHLD : 0;
      args.parent_tid = reinterpret_cast<std::uint64_t>(&numbers[0]);
      args.child_tid = reinterpret_cast<std::uint64_t>(&numbers[1]);
      args.tls = guest.tls();
      args.stack = guest.child_stack();
      args.stack_size = top - args.stack;
      Registers before = guest.registers();
      before.rdi = reinterpret_cast<std::uint64_t>(&args);
      before.rsi = sizeof args;
      guest.call(SYS_clone3, before);
      if (flags == 0) {
        check_fork(guest, before, top, "a process");
      } else {
        while (numbers[1] != 0) sched_yield();
        check_both(guest, before, top, "a thread");
      }
      check(numbers[0] == 0x11, "the kernel wrote a number of the host");
    }
  });
  ASSERT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kBegin, PrivateCall::kRegister,
                            PrivateCall::kRegister, PrivateCall::kForked, PrivateCall::kForked}));
  const auto& arguments = events_[0].data.args;
  EXPECT_EQ(arguments[0], kThread);
  EXPECT_NE(arguments[1], 0u);
  EXPECT_EQ(arguments[3], arguments[2] + 4);
}

TEST_F(AgentFork, WhatTheKernelRefusesFails) {
  in_guest([&](Guest& guest) {
    Registers before = guest.registers();
    before.rdi = CLONE_THREAD | CLONE_PARENT_SETTID;  // without CLONE_SIGHAND
    before.rsi = guest.child_stack_top();
    Registers after = guest.call(SYS_clone, before);
    before.rax = static_cast<std::uint64_t>(-EINVAL);
    check_registers(after, before, "clone");
    before = guest.registers();
    before.rdi = CLONE_SIGHAND | CLONE_VFORK | CLONE_VM | CLONE_FS | CLONE_NEWNS;
    before.rsi = 0;
    after = guest.call(SYS_clone, before);
    before.rax = static_cast<std::uint64_t>(-EINVAL);
    check_registers(after, before, "clone as vfork");
    clone_args args{};
    args.flags = CLONE_SIGHAND;  // without CLONE_VM
    args.stack = guest.child_stack();
    args.stack_size = 0x2000;
    before = guest.registers();
    before.rdi = reinterpret_cast<std::uint64_t>(&args);
    before.rsi = sizeof args;
    after = guest.call(SYS_clone3, before);
    before.rax = static_cast<std::uint64_t>(-EINVAL);
    check_registers(after, before, "clone3");
  });
  ASSERT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kBegin, PrivateCall::kBegin,
                            PrivateCall::kFailed, PrivateCall::kFailed, PrivateCall::kFailed}));
}

// Its signals are seen to while it has one thread, and stay so when it has more.
TEST_F(AgentFork, AnInitIsLeftBeforeItHasThreads) {
  for (const bool leaves : {true, false}) {
    events_.clear();
    handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
      if (event.call == PrivateCall::kLeaveInit) return Answer{leaves ? 1 : 0};
      if (event.call == PrivateCall::kNone) return Answer{.value = 0, .go_on = true};
      return std::nullopt;
    };
    in_guest([&](Guest& guest) {
      Guest::state().pid = 1;
      for (int i = 0; i < 2; ++i) {
        Registers before = guest.registers();
        before.rdi = CLONE_THREAD | CLONE_PARENT_SETTID;  // which the kernel refuses
        before.rsi = guest.child_stack_top();
        const Registers after = guest.call(SYS_clone, before);
        before.rax = static_cast<std::uint64_t>(-EINVAL);
        check_registers(after, before, "clone");
        check((Guest::state().ignored != 0) == leaves, "what is ignored");
        struct sigaction action;
        must(sigaction(SIGPIPE, nullptr, &action) == 0);
        check((action.sa_handler == SIG_IGN) == leaves, "SIGPIPE");
      }
    });
    const auto count = [&](PrivateCall call) {
      return std::count_if(events_.begin(), events_.end(),
                           [&](const Event& event) { return event.call == call; });
    };
    EXPECT_EQ(count(PrivateCall::kLeaveInit), leaves ? 1 : 2);
    EXPECT_EQ(count(PrivateCall::kBegin), 2);
    EXPECT_EQ(count(PrivateCall::kInitActs), 0);
  }
}

// The registers before calls that all forks can be tried with.
Registers some_fork(Guest& guest, int nr, clone_args* args) {
  Registers before = guest.registers();
  if (nr == SYS_clone) {
    before.rdi = SIGCHLD | CLONE_CHILD_SETTID;
    before.rsi = 0;
  } else if (nr == SYS_clone3) {
    *args = {};
    args->exit_signal = SIGCHLD;
    args->flags = CLONE_VM | CLONE_VFORK;
    args->stack = guest.child_stack();
    args->stack_size = guest.child_stack_top() - args->stack;
    before.rdi = reinterpret_cast<std::uint64_t>(args);
    before.rsi = sizeof *args;
  }
  return before;
}
constexpr int kForks[] = {SYS_clone, SYS_fork, SYS_vfork, SYS_clone3};

TEST_F(AgentFork, TheSupervisorMayRefuse) {
  handler_ = [&](const Event&, pid_t) { return Answer{-EAGAIN}; };
  in_guest([&](Guest& guest) {
    clone_args args;
    for (const int nr : kForks) {
      Registers before = some_fork(guest, nr, &args);
      const Registers after = guest.call(nr, before);
      before.rax = static_cast<std::uint64_t>(-EAGAIN);
      check_registers(after, before, std::to_string(nr));
    }
  });
  EXPECT_EQ(calls(), (Calls{PrivateCall::kBegin, PrivateCall::kBegin, PrivateCall::kBeginFork,
                            PrivateCall::kBeginVfork}));
}

TEST_F(AgentFork, TheSupervisorMayWantToBeAsked) {
  handler_ = [&](const Event& event, pid_t) {
    return Answer{event.call == PrivateCall::kNone ? kAsked : -ENOSYS};
  };
  in_guest([&](Guest& guest) {
    clone_args args;
    for (const int nr : kForks) {
      Registers before = some_fork(guest, nr, &args);
      const Registers after = guest.call(nr, before);
      before.rax = static_cast<std::uint64_t>(kAsked);
      check_registers(after, before, std::to_string(nr));
    }
  });
  ASSERT_EQ(events_.size(), 8u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(events_[2 * i + 1].data.nr, kForks[i]);
    EXPECT_TRUE(is_fork_asking_place(events_[2 * i + 1].data.instruction_pointer));
  }
}

TEST_F(AgentFork, WithoutBeingToldItAsks) {
  image_->serve_forks(false);
  in_guest([&](Guest& guest) {
    clone_args args;
    for (const int nr : {SYS_clone, SYS_fork, SYS_vfork, SYS_clone3, SYS_wait4}) {
      Registers before = some_fork(guest, nr, &args);
      const Registers after = guest.call(nr, before);
      before.rax = static_cast<std::uint64_t>(kAsked);
      check_registers(after, before, std::to_string(nr));
    }
  });
  EXPECT_EQ(calls(), Calls(5, PrivateCall::kNone));
}

// The kernel makes it after all: the child of a vfork has its parent's stack, a thread one of its
// own.
TEST_F(AgentFork, WhatIsAskedForMayHappen) {
  handler_ = [&](const Event& event, pid_t) -> std::optional<Answer> {
    if (event.call == PrivateCall::kNone) return Answer{.go_on = true};
    return Answer{-ENOSYS};
  };
  in_guest([&](Guest& guest) {
    clone_args args;
    for (const int nr : kForks) {
      const Registers before = some_fork(guest, nr, &args);
      if (nr == SYS_vfork) spoil_below(before);
      const pid_t pid = static_cast<pid_t>(guest.call(nr, before).rax);
      check(pid > 0 && pid != static_cast<pid_t>(kNumber), "the host's number");
      fork_after.rax = kNumber;
      check_fork(guest, before, nr == SYS_clone3 ? args.stack + args.stack_size : 0,
                 std::to_string(nr));
    }
  });
}

TEST_F(AgentFork, PrivateCallsThatASignalPrecedesAreRepeated) {
  int repeat = 0;
  handler_ = [&](const Event&, pid_t) -> std::optional<Answer> {
    if (++repeat % 3 != 0) return Answer{-EINTR};
    return std::nullopt;
  };
  in_guest([&](Guest& guest) {
    clone_args args;
    for (const int nr : kForks) {
      const Registers before = some_fork(guest, nr, &args);
      guest.call(nr, before);
      check_fork(guest, before, nr == SYS_clone3 ? args.stack + args.stack_size : 0,
                 std::to_string(nr));
    }
    Registers before = guest.registers();
    before.rdi = CLONE_THREAD;
    const Registers after = guest.call(SYS_clone, before);
    check(static_cast<long>(after.rax) == -EINVAL, "what fails");
  });
  EXPECT_EQ(events_.size(), 42u);
}

// With a handler that runs below the agent's frame.
TEST_F(AgentFork, SignalsMayComeAtAnyPrivateCall) {
  bool interrupted = false;
  handler_ = [&](const Event&, pid_t pid) -> std::optional<Answer> {
    interrupted = !interrupted;
    if (!interrupted) return std::nullopt;
    kill(pid, SIGUSR1);
    return Answer{kNoAnswer};
  };
  in_guest([&](Guest& guest) {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      volatile unsigned char space[2048];
      for (auto& byte : space) byte = 0x5a;
    };
    must(sigaction(SIGUSR1, &action, nullptr) == 0);
    clone_args args;
    for (const int nr : {SYS_clone, SYS_fork, SYS_clone3}) {
      const Registers before = some_fork(guest, nr, &args);
      guest.call(nr, before);
      check_fork(guest, before, nr == SYS_clone3 ? args.stack + args.stack_size : 0,
                 std::to_string(nr));
    }
  });
  EXPECT_EQ(events_.size(), 18u);
}

TEST_F(AgentFork, UnusualClonesAreAskedFor) {
  in_guest([&](Guest& guest) {
    const auto try_clone = [&](std::uint64_t flags, std::uint64_t stack) {
      Registers before = guest.registers();
      before.rdi = flags;
      before.rsi = stack;
      const Registers after = guest.call(SYS_clone, before);
      before.rax = static_cast<std::uint64_t>(kAsked);
      check_registers(after, before, std::to_string(flags));
    };
    try_clone(std::uint64_t{1} << 32 | SIGCHLD, 0);
    try_clone(std::uint64_t{1} << 63 | SIGCHLD, guest.child_stack_top());
    try_clone(CLONE_VM | SIGCHLD, 0);
  });
  EXPECT_EQ(calls(), Calls(3, PrivateCall::kNone));
  expect_asked(SYS_clone, {CLONE_VM | SIGCHLD, 0});
}

TEST_F(AgentFork, UnusualClone3sAreAskedFor) {
  in_guest([&](Guest& guest) {
    auto* const pages = static_cast<unsigned char*>(
        mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    must(pages != MAP_FAILED);
    // The second can be read only, the fourth not at all.
    must(mprotect(pages + kPage, kPage, PROT_READ) == 0);
    must(mprotect(pages + 3 * kPage, kPage, PROT_NONE) == 0);
    const auto at = [&](std::size_t page) {
      return reinterpret_cast<std::uint64_t>(pages + page * kPage);
    };
    clone_args args;
    const auto try_call = [&](const Registers& before, const std::string& what) {
      const Registers after = guest.call(SYS_clone3, before);
      Registers expected = before;
      expected.rax = static_cast<std::uint64_t>(kAsked);
      check_registers(after, expected, what);
    };
    const auto with = [&](const std::string& what, auto change) {
      const Registers before = some_fork(guest, SYS_clone3, &args);
      change(args);
      try_call(before, what);
    };
    for (const std::size_t size : {0, 8, 56, 68, 87, 96, 4096, -8, -1}) {
      Registers before = some_fork(guest, SYS_clone3, &args);
      before.rsi = size;
      try_call(before, "size " + std::to_string(size));
    }
    for (const std::uint64_t address :
         {std::uint64_t{0}, std::uint64_t{8}, at(3), at(3) - 80, at(3) - 8, at(4) - 8,
          std::uint64_t{1} << 47, std::uint64_t{1} << 62, ~std::uint64_t{7}}) {
      Registers before = some_fork(guest, SYS_clone3, &args);
      before.rdi = address;
      try_call(before, "arguments at " + std::to_string(address));
    }
    with("set_tid", [](clone_args& a) { a.set_tid = 8; });
    with("set_tid_size", [](clone_args& a) { a.set_tid_size = 1; });
    with("cgroup", [](clone_args& a) { a.cgroup = 1; });
    with("into a cgroup", [](clone_args& a) { a.flags |= CLONE_INTO_CGROUP; });
    with("a signal in the flags", [](clone_args& a) { a.flags |= SIGCHLD; });
    with("a pidfd", [](clone_args& a) { a.flags |= CLONE_PIDFD; });
    with("detached", [](clone_args& a) { a.flags |= CLONE_DETACHED; });
    with("a high signal", [](clone_args& a) { a.exit_signal = 65; });
    with("a higher signal", [](clone_args& a) { a.exit_signal |= std::uint64_t{1} << 32; });
    with("a brother with a signal", [](clone_args& a) { a.flags |= CLONE_PARENT; });
    with("no stack", [](clone_args& a) { a.stack = a.stack_size = 0; });
    with("no size", [](clone_args& a) { a.stack_size = 0; });
    with("no begin", [](clone_args& a) { a.stack = 0; });
    with("a tiny stack", [](clone_args& a) { a.stack_size = 64; });
    with("beyond the end", [](clone_args& a) { a.stack_size = ~std::uint64_t{0}; });
    with("a stack that is read only", [&](clone_args& a) {
      a.stack = at(1);
      a.stack_size = kPage;
    });
    with("a stack that is not there", [&](clone_args& a) {
      a.stack = at(3);
      a.stack_size = kPage;
    });
    const Registers before = some_fork(guest, SYS_clone3, &args);
    args.stack = before.rsp - 2 * kPage;
    args.stack_size = 2 * kPage;
    try_call(before, "the parent's stack");
  });
  EXPECT_EQ(calls(), Calls(36, PrivateCall::kNone));
}

// What is at the very end of memory that can be read, and a stack below the parent's.
TEST_F(AgentFork, Clone3sAtTheEdgeAreServed) {
  in_guest([&](Guest& guest) {
    auto* const pages = static_cast<unsigned char*>(
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    must(pages != MAP_FAILED);
    must(mprotect(pages + kPage, kPage, PROT_NONE) == 0);
    for (const std::size_t size : {64, 88}) {
      auto* const args = reinterpret_cast<clone_args*>(pages + kPage - size);
      clone_args whole;
      Registers before = some_fork(guest, SYS_clone3, &whole);
      std::memcpy(static_cast<void*>(args), &whole, size);
      before.rdi = reinterpret_cast<std::uint64_t>(args);
      before.rsi = size;
      guest.call(SYS_clone3, before);
      check_fork(guest, before, args->stack + args->stack_size, std::to_string(size));
    }
    clone_args args;
    const Registers before = some_fork(guest, SYS_clone3, &args);
    args.stack_size = 2 * kPage;
    args.stack = before.rsp - 3 * kPage;
    guest.call(SYS_clone3, before);
    check_fork(guest, before, args.stack + args.stack_size, "below the parent's");
  });
  EXPECT_EQ(events_.size(), 9u);
}

// A notification that a signal precedes; where the call itself waits, that may be its result.
TEST_F(AgentFork, OtherCallsAreAskedForAgain) {
  int repeat = 0;
  handler_ = [&](const Event&, pid_t) { return Answer{++repeat % 3 != 0 ? long{-EINTR} : kAsked}; };
  in_guest([&](Guest& guest) {
    for (const int nr : {SYS_getpid, SYS_stat, SYS_openat, SYS_getcwd}) {
      Registers before = guest.registers();
      const Registers after = guest.call(nr, before);
      before.rax = static_cast<std::uint64_t>(nr == SYS_openat ? long{-EINTR} : kAsked);
      check_registers(after, before, std::to_string(nr));
      if (nr == SYS_openat) {
        check(static_cast<long>(guest.call(SYS_open, before).rax) == -EINTR, "open");
        check(static_cast<long>(guest.call(SYS_mkdir, before).rax) == kAsked, "mkdir");
      }
    }
  });
  EXPECT_EQ(events_.size(), 12u);
  for (const Event& event : events_) {
    EXPECT_EQ(event.data.instruction_pointer, agent_header().asking_ip);
  }
}

TEST_F(AgentFork, WhoIsTracedIsToldOfSignals) {
  image_->serve_forks(false);
  handler_ = [&](const Event&, pid_t) { return Answer{-EINTR}; };
  in_guest([&](Guest& guest) {
    check(static_cast<long>(guest.call(SYS_stat, guest.registers()).rax) == -EINTR, "stat");
  });
  EXPECT_EQ(events_.size(), 1u);
}

}  // namespace
}  // namespace warren::inject
