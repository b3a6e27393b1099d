// For tests of the agent's code for forks and waits, as sites of a guest that is not traced run it:
// a child maps the image and calls through a slot, and the test is the supervisor: it answers the
// agent's private calls as a listener of the child's filter.
#pragma once

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
HIDDEN extern warren::inject::Registers fork_before, fork_after, fork_child;
HIDDEN extern std::uint64_t fork_site_entry;
HIDDEN extern std::uint32_t fork_site_forks;  // zero: the call makes no child
HIDDEN extern warren::inject::Registers* fork_child_seen;
HIDDEN extern std::uint64_t fork_child_looks;
HIDDEN extern unsigned char* fork_spoil;
HIDDEN extern std::uint64_t fork_spoil_size;
HIDDEN extern const char* fork_program;
HIDDEN extern const char* const* fork_program_arguments;
HIDDEN extern std::uint64_t fork_site_stack;
#undef HIDDEN
}

namespace warren::inject {

inline constexpr long kAsked = -1002;
inline constexpr std::uint64_t kNumber = 4242;
inline constexpr std::uint64_t kVforkBit = 1 << 30;
inline constexpr int kChildStatus = 7 << 8;

// Everything that the agent does is notified, but for what the project's filter lets through.
inline int filter_agent() {
  const Header& header = agent_header();
  constexpr auto kIp = offsetof(seccomp_data, instruction_pointer);
  constexpr auto kNr = offsetof(seccomp_data, nr);
  const auto low = [](std::uint64_t address) { return static_cast<std::uint32_t>(address); };
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 13),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(kBase), 0, 11),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(kShared), 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(header.ppid_ip), 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(header.wait_ip), 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(header.clone_end), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low(header.clone_begin), 10, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getcpu, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigtimedwait, 2, 0),
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
  // The begin of the child's inject::State, and the word at `fork_child_looks` in its memory.
  struct {
    std::int32_t pid, tid, ppid_plus_1, host_ppid;
    std::uint32_t ordinary_paths, unused;
    std::uint64_t key, vfork_key, vfork_r9, vfork_scratch, more_unused;
  } child_state;
  int child_word;
  std::uint64_t key;  // of the last fork
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
    fork_site_forks = serves_tree(service) && service != kServeWait4;
    fork_site();
    return fork_after;
  }

  static State& state() { return *reinterpret_cast<State*>(kState); }
  // What the agent knows of the process's children.
  static void knows(pid_t host, std::uint32_t number) {
    child_at(number) = {.number = number, .host = host};
  }
  // 0: none that lives.
  static pid_t known(std::uint32_t number) {
    const State::Child& child = child_at(number);
    return child.number == number ? child.host : 0;
  }
  static State::Child& child_at(std::uint32_t number) {
    return state().children[number % WARREN_AGENT_NR_CHILDREN];
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

}  // namespace warren::inject
