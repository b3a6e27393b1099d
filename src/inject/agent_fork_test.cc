// Runs the agent's code for forks and waits, as sites of a guest that is not traced do: a child
// maps the image, forks through a slot, and parent and child look at what they came back with. The
// test is the supervisor: it answers the agent's private calls as a listener of the child's filter.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "inject/image.h"
#include "inject/mapped_agent.h"
#include "inject/served_calls.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

extern "C" {
// A site: jumps with the registers `fork_before`, the stack included. The parent comes back, and
// has stored its registers in `fork_after`. A child stores its own at `fork_child_seen`, overwrites
// the memory at `fork_spoil`, executes the program if there is one, or exits.
void fork_site();
extern const char fork_site_return[];
#define HIDDEN [[gnu::visibility("hidden")]]
HIDDEN warren::inject::Registers fork_before, fork_after, fork_child;
HIDDEN std::uint64_t fork_site_entry;
HIDDEN std::uint32_t fork_site_forks;  // zero: the call makes no child
HIDDEN warren::inject::Registers* fork_child_seen;
HIDDEN unsigned char* fork_spoil;
HIDDEN std::uint64_t fork_spoil_size;
HIDDEN const char* fork_program;
HIDDEN const char* const* fork_program_arguments;
HIDDEN std::uint64_t fork_site_stack;
#undef HIDDEN
}

asm(R"(
  .pushsection .text
  .macro store_registers to
  mov %rax, \to + 0(%rip)
  mov %rbx, \to + 8(%rip)
  mov %rcx, \to + 16(%rip)
  mov %rdx, \to + 24(%rip)
  mov %rsi, \to + 32(%rip)
  mov %rdi, \to + 40(%rip)
  mov %rbp, \to + 48(%rip)
  mov %r8, \to + 56(%rip)
  mov %r9, \to + 64(%rip)
  mov %r10, \to + 72(%rip)
  mov %r11, \to + 80(%rip)
  mov %r12, \to + 88(%rip)
  mov %r13, \to + 96(%rip)
  mov %r14, \to + 104(%rip)
  mov %r15, \to + 112(%rip)
  mov %rsp, \to + 120(%rip)
  .endm

  .globl fork_site
  .hidden fork_site
  .type fork_site, @function
fork_site:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, fork_site_stack(%rip)
  mov fork_before + 0(%rip), %rax
  mov fork_before + 8(%rip), %rbx
  mov fork_before + 16(%rip), %rcx
  mov fork_before + 24(%rip), %rdx
  mov fork_before + 32(%rip), %rsi
  mov fork_before + 40(%rip), %rdi
  mov fork_before + 48(%rip), %rbp
  mov fork_before + 56(%rip), %r8
  mov fork_before + 64(%rip), %r9
  mov fork_before + 72(%rip), %r10
  mov fork_before + 80(%rip), %r11
  mov fork_before + 88(%rip), %r12
  mov fork_before + 96(%rip), %r13
  mov fork_before + 104(%rip), %r14
  mov fork_before + 112(%rip), %r15
  mov fork_before + 120(%rip), %rsp
  jmp *fork_site_entry(%rip)
  .globl fork_site_return
  .hidden fork_site_return
fork_site_return:
  cmpl $0, fork_site_forks(%rip)
  je 1f
  test %rax, %rax
  jz 2f
1:
  store_registers fork_after
  mov fork_site_stack(%rip), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
2:
  store_registers fork_child
  mov fork_child_seen(%rip), %rdi
  lea fork_child(%rip), %rsi
  mov $16, %ecx
  rep movsq
  mov fork_spoil(%rip), %rdi
  mov fork_spoil_size(%rip), %rcx
  mov $0xee, %al
  rep stosb
  mov fork_program(%rip), %rdi
  test %rdi, %rdi
  jz 3f
  mov fork_program_arguments(%rip), %rsi
  xor %edx, %edx
  mov $59, %eax  # execve
  syscall
3:
  mov $7, %edi
  mov $60, %eax  # exit
  syscall
  hlt
  .size fork_site, . - fork_site
  .popsection
)");

namespace warren::inject {
namespace {

constexpr long kAsked = -1002;
constexpr std::uint64_t kNumber = 4242;
constexpr std::uint64_t kVforkBit = 1 << 30;
constexpr int kChildStatus = 7 << 8;

// Everything that the agent does is notified, but for what the project's filter lets through.
int filter_agent() {
  const Header& header = agent_header();
  constexpr auto kIp = offsetof(seccomp_data, instruction_pointer);
  constexpr auto kNr = offsetof(seccomp_data, nr);
  const auto low = [](std::uint64_t address) { return static_cast<std::uint32_t>(address); };
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 10),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(kBase), 0, 8),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(kShared), 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(header.wait_ip), 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(header.clone_end), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(header.clone_begin), 8, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 2, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      // Waiting.
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_wait4, 4, 5),
      // Forks.
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
  };
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  const long fd =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  must(fd >= 0);
  return static_cast<int>(fd);
}

// What guest and supervisor of a test both see.
struct Common {
  Registers child;
  pid_t hidden;
  pid_t visible;
};

// A process with the agent in its memory. To be made in a child only.
class Guest {
 public:
  explicit Guest(const Image& image, Common* common) : common(*common) {
    map_agent_here(image);
    fork_child_seen = &common->child;
  }

  // The registers before a call: of random values, but for the stack.
  Registers registers() {
    Registers registers;
    for (std::size_t i = 0; i < sizeof registers / 8; ++i) {
      reinterpret_cast<std::uint64_t*>(&registers)[i] = random_();
    }
    registers.rsp = reinterpret_cast<std::uint64_t>(&stack_[stack_.size() / 2]) + random_() % 3 * 8;
    return registers;
  }

  // The registers after a call; the slot is another one each time.
  const Registers& call(int nr, const Registers& before) {
    slot_ = (slot_ + 63) % kNrSlots;
    const Slot& slot = fill_slot(slot_, nr, service_of(nr), fork_site_return);
    fork_site_entry = slot.entry;
    fork_before = before;
    fork_after = {};
    common.child = {};
    const Service service = service_of(nr);
    fork_site_forks = serves_untraced(service) && service != kServeWait4;
    fork_site();
    return fork_after;
  }

  // Where a child's stack begins, not always aligned.
  std::uint64_t child_stack_top() {
    return reinterpret_cast<std::uint64_t>(child_stack_.data() + child_stack_.size()) -
           random_() % 16 * 8;
  }
  std::uint64_t child_stack() { return reinterpret_cast<std::uint64_t>(child_stack_.data()); }
  std::uint64_t tls() { return reinterpret_cast<std::uint64_t>(&tls_[512]); }
  std::array<unsigned char, 1 << 16>& stack() { return stack_; }

  Common& common;

 private:
  alignas(64) std::array<unsigned char, 1 << 16> stack_{};
  alignas(64) std::array<unsigned char, 1 << 16> child_stack_{};
  alignas(64) std::array<unsigned char, 1024> tls_{};
  std::mt19937_64 random_{20250131};
  int slot_ = 0;
};

struct Event {
  PrivateCall call;
  seccomp_data data;
};

struct Answer {
  std::int64_t value = 0;
  bool go_on = false;  // the kernel makes the call
};

class AgentFork : public testing::Test {
 protected:
  void SetUp() override {
    auto image = Image::create();
    ASSERT_TRUE(image);
    image_ = std::move(*image);
    image_->serve_forks(true);
    void* const common =
        mmap(nullptr, sizeof(Common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(common, MAP_FAILED);
    common_ = new (common) Common{};
  }
  void TearDown() override { munmap(common_, sizeof *common_); }

  // Runs `f(guest)` in a child, and answers the agents of that one and its children; what it says
  // is a failure.
  template <typename F>
  void in_guest(F f) {
    int pipe_fds[2];
    int ready[2];
    int taken[2];
    ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(taken, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      said_ = pipe_fds[1];
      auto* const guest = new Guest(*image_, common_);
      const int listener = filter_agent();
      must(write(ready[1], &listener, sizeof listener) == sizeof listener);
      // Until the supervisor has the listener.
      close(taken[1]);
      char nothing;
      must(read(taken[0], &nothing, 1) == 0);
      for (const int fd : {pipe_fds[0], ready[0], ready[1], taken[0]}) close(fd);
      f(*guest);
      _exit(0);
    }
    for (const int fd : {pipe_fds[1], ready[1], taken[0]}) close(fd);
    UniqueFd waits(taken[1]);
    const UniqueFd said(pipe_fds[0]);
    const UniqueFd begun(ready[0]);
    int number = -1;
    ASSERT_EQ(read(begun.get(), &number, sizeof number), static_cast<ssize_t>(sizeof number));
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    const UniqueFd listener(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
    ASSERT_TRUE(listener.ok()) << std::strerror(errno);
    waits.reset();
    EXPECT_EQ(supervise(said.get(), listener.get()), "");
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }

  // What the guest said until its end.
  std::string supervise(int said, int listener) {
    std::string text;
    for (;;) {
      pollfd fds[2] = {{said, POLLIN, 0}, {listener, POLLIN, 0}};
      if (poll(fds, 2, 20'000) <= 0) return text + "(nothing happens any more)";
      if (fds[1].revents & POLLIN) answer(listener);
      if (fds[0].revents == 0) continue;
      char buffer[4096];
      const ssize_t size = read(said, buffer, sizeof buffer);
      if (size <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(size));
    }
  }

  void answer(int listener) {
    seccomp_notif notification{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) return;
    const PrivateCall call = notification.data.nr == SYS_getpid
                                 ? private_call_at(notification.data.instruction_pointer)
                                 : PrivateCall::kNone;
    events_.push_back({call, notification.data});
    std::optional<Answer> answer;
    if (handler_) answer = handler_(events_.back(), static_cast<pid_t>(notification.pid));
    if (answer && !answer->go_on && answer->value == kNoAnswer) return;
    if (!answer) answer = usual_answer(events_.back());
    seccomp_notif_resp response{};
    response.id = notification.id;
    response.val = answer->value;
    if (answer->go_on) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }

  Answer usual_answer(const Event& event) {
    switch (event.call) {
      case PrivateCall::kBegin:
      case PrivateCall::kBeginFork:
      case PrivateCall::kBeginVfork: {
        r9_ = event.data.args[5];
        const bool vfork =
            event.call == PrivateCall::kBeginVfork ||
            (event.call == PrivateCall::kBegin &&
             (event.data.args[0] & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK));
        key_ = kNumber | (vfork ? kVforkBit : 0) | (random_() & 0x7fffffff) << 32;
        return {static_cast<std::int64_t>(key_)};
      }
      case PrivateCall::kRegister:
      case PrivateCall::kVforked:
        EXPECT_EQ(event.data.args[5], key_);
        return {static_cast<std::int64_t>(r9_)};
      case PrivateCall::kForked:
        EXPECT_EQ(event.data.args[5] >> 32, key_ >> 32);
        EXPECT_NE(event.data.args[5] & 0xffffffff, 0u);
        return {static_cast<std::int64_t>(kNumber)};
      case PrivateCall::kFailed:
        EXPECT_EQ(event.data.args[5], key_);
        return {0};
      default:
        return {kAsked};
    }
  }

  std::vector<PrivateCall> calls() const {
    std::vector<PrivateCall> calls;
    for (const Event& event : events_) calls.push_back(event.call);
    std::sort(calls.begin(), calls.end());
    return calls;
  }
  // What was asked for, and that it came from a place of a slot's own if it is a fork.
  void expect_asked(int nr, const std::vector<std::uint64_t>& arguments) const {
    ASSERT_FALSE(events_.empty());
    const seccomp_data& data = events_.back().data;
    EXPECT_EQ(data.nr, nr);
    EXPECT_EQ(is_fork_asking_place(data.instruction_pointer), nr != SYS_wait4);
    for (std::size_t i = 0; i < arguments.size(); ++i) EXPECT_EQ(data.args[i], arguments[i]) << i;
  }

  // In the guest.
  static void check(bool right, const std::string& what) {
    if (right || ++failures_ > 10) return;
    const std::string line = what + "\n";
    must(write(said_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }
  static void check_registers(Registers got, Registers want, const std::string& whose) {
    static constexpr const char* kNames[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                             "rbp", "r8",  "r9",  "r10", "r11", "r12",
                                             "r13", "r14", "r15", "rsp"};
    got.rcx = want.rcx;
    got.r11 = want.r11;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      const std::uint64_t a = reinterpret_cast<const std::uint64_t*>(&got)[i];
      const std::uint64_t b = reinterpret_cast<const std::uint64_t*>(&want)[i];
      check(a == b,
            whose + "'s " + kNames[i] + ": " + std::to_string(a) + " and not " + std::to_string(b));
    }
  }
  // Both sides of a fork, once the child has ended with that status.
  static void check_fork(Guest& guest, Registers before, std::uint64_t child_stack,
                         const std::string& what, int expected_status = kChildStatus) {
    int status = -1;
    check(waitpid(-1, &status, __WALL) > 0, what + ": no child");
    check(status == expected_status, what + ": ended with " + std::to_string(status));
    check_both(guest, before, child_stack, what);
  }
  static void check_both(Guest& guest, Registers before, std::uint64_t child_stack,
                         const std::string& what) {
    before.rax = kNumber;
    check_registers(fork_after, before, what + ": the parent");
    before.rax = 0;
    if (child_stack != 0) before.rsp = child_stack;
    check_registers(guest.common.child, before, what + ": the child");
  }
  // The child overwrites the stack that it has from its parent.
  static void spoil_below(const Registers& registers) {
    fork_spoil_size = 1 << 14;
    fork_spoil = reinterpret_cast<unsigned char*>(registers.rsp - fork_spoil_size);
  }

  static constexpr std::int64_t kNoAnswer = 0x7fffffffffffffff;

  std::unique_ptr<Image> image_;
  Common* common_ = nullptr;
  std::vector<Event> events_;
  std::function<std::optional<Answer>(const Event&, pid_t)> handler_;
  std::uint64_t key_ = 0;

 private:
  std::uint64_t r9_ = 0;
  std::mt19937_64 random_{1};
  static inline int said_ = -1;
  static inline int failures_ = 0;
};

using Calls = std::vector<PrivateCall>;

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
