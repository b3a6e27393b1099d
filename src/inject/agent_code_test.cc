// Runs the agent's code, as a guest's patched sites do: a child maps the image where guests have
// it, jumps through a slot, and looks at what came back. A filter of the child's own stands for the
// supervisor's: it answers the calls that the agent makes with the place that they came from.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "inject/image.h"
#include "inject/mapped_agent.h"
#include "inject/path_text.h"
#include "inject/served_calls.h"

extern "C" {
// Where agent_site() jumps through, and where it comes back to.
[[gnu::visibility("hidden")]] std::uint64_t agent_site_entry;
extern const char agent_site_return[];
// A site: jumps with these registers, the stack included, and stores those it comes back with.
void agent_site(warren::inject::Registers* registers);
}

asm(R"(
  .pushsection .text
  .globl agent_site
  .hidden agent_site
  .type agent_site, @function
agent_site:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, agent_site_stack(%rip)
  mov %rdi, agent_site_registers(%rip)
  mov %rdi, %rax
  mov 8(%rax), %rbx
  mov 16(%rax), %rcx
  mov 24(%rax), %rdx
  mov 32(%rax), %rsi
  mov 40(%rax), %rdi
  mov 48(%rax), %rbp
  mov 56(%rax), %r8
  mov 64(%rax), %r9
  mov 72(%rax), %r10
  mov 80(%rax), %r11
  mov 88(%rax), %r12
  mov 96(%rax), %r13
  mov 104(%rax), %r14
  mov 112(%rax), %r15
  mov 120(%rax), %rsp
  mov (%rax), %rax
  jmp *agent_site_entry(%rip)
  .globl agent_site_return
  .hidden agent_site_return
agent_site_return:
  xchg %rax, agent_site_registers(%rip)
  mov %rbx, 8(%rax)
  mov %rcx, 16(%rax)
  mov %rdx, 24(%rax)
  mov %rsi, 32(%rax)
  mov %rdi, 40(%rax)
  mov %rbp, 48(%rax)
  mov %r8, 56(%rax)
  mov %r9, 64(%rax)
  mov %r10, 72(%rax)
  mov %r11, 80(%rax)
  mov %r12, 88(%rax)
  mov %r13, 96(%rax)
  mov %r14, 104(%rax)
  mov %r15, 112(%rax)
  mov %rsp, 120(%rax)
  mov agent_site_registers(%rip), %rcx
  mov %rcx, (%rax)
  mov agent_site_stack(%rip), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size agent_site, . - agent_site
  .popsection
  .pushsection .bss
  .balign 8
agent_site_stack:
  .zero 8
agent_site_registers:
  .zero 8
  .popsection
)");

namespace warren::inject {
namespace {

// What the child's filter answers.
constexpr long kTrusted = -1001;
constexpr long kAsked = -1002;

void answer_by_place(bool trusted_runs) {
  const Header& header = agent_header();
  constexpr auto kLow = offsetof(seccomp_data, instruction_pointer);
  const auto errno_of = [](long answer) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(-answer);
  };
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kLow + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kLow),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(header.trusted_ip), 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(header.asking_ip), 3, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, trusted_runs ? SECCOMP_RET_ALLOW : errno_of(kTrusted)),
      BPF_STMT(BPF_RET | BPF_K, errno_of(kAsked)),
  };
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

int bad_reads = 0;

// What the supervisor does when the reader of paths hits bad memory.
void on_bad_read(int, siginfo_t*, void* context) {
  auto& ip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const auto at = static_cast<std::uint64_t>(ip);
  if (at < agent_header().reader_begin || at >= agent_header().reader_end) _exit(77);
  ip = static_cast<greg_t>(agent_header().reader_failed);
  ++bad_reads;
}

// A process with the agent in its memory, as guests have it. To be made in a child only.
class Guest {
 public:
  explicit Guest(const Image& image, bool trusted_runs) {
    map_agent_here(image);
    void* const alternate =
        mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(alternate != MAP_FAILED);
    const stack_t stack{.ss_sp = alternate, .ss_flags = 0, .ss_size = kStackSize};
    must(sigaltstack(&stack, nullptr) == 0);
    struct sigaction action = {};
    action.sa_sigaction = on_bad_read;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    must(sigaction(SIGSEGV, &action, nullptr) == 0);
    must(sigaction(SIGBUS, &action, nullptr) == 0);
    answer_by_place(trusted_runs);
  }

  State& state() { return *reinterpret_cast<State*>(kState); }

  // A call from a patched site of that slot; the registers are changed to those after it.
  void call(int nr, Service service, Registers* registers, int index = 0) {
    Slot& slot = fill_slot(index, nr, service, agent_site_return);
    agent_site_entry = slot.entry;
    agent_site(registers);
    slot = {};
  }

  // The result of a call whose path lies there.
  long path_call(int nr, const char* path) {
    Registers registers{};
    const Service service = service_of(nr);
    (path_argument(service) == 1 ? registers.rsi : registers.rdi) =
        reinterpret_cast<std::uint64_t>(path);
    registers.rsp = stack_top();
    call(nr, service, &registers);
    return static_cast<long>(registers.rax);
  }

  std::uint64_t stack_top() { return reinterpret_cast<std::uint64_t>(&stack_[kStackSize / 2]); }
  std::array<unsigned char, 1 << 16>& stack() { return stack_; }

 private:
  static constexpr std::size_t kStackSize = 1 << 16;
  alignas(64) std::array<unsigned char, kStackSize> stack_{};
};

class AgentCode : public testing::Test {
 protected:
  void SetUp() override {
    auto image = Image::create();
    ASSERT_TRUE(image);
    image_ = std::move(*image);
  }

  // Runs `f(guest)` in a child; what it says is a failure.
  template <typename F>
  void in_guest(F f) {
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_fds[0]);
      said_ = pipe_fds[1];
      // Too large for a stack that is switched away from.
      auto* const guest = new Guest(*image_, trusted_runs_);
      f(*guest);
      _exit(0);
    }
    close(pipe_fds[1]);
    std::string said;
    char buffer[4096];
    for (ssize_t n; (n = read(pipe_fds[0], buffer, sizeof buffer)) > 0;) {
      said.append(buffer, static_cast<std::size_t>(n));
    }
    close(pipe_fds[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(said, "");
  }

  static void check(bool right, const std::string& what) {
    if (right || ++failures_ > 10) return;
    const std::string line = what + "\n";
    must(write(said_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }

  std::unique_ptr<Image> image_;
  bool trusted_runs_ = false;  // what the agent vouches for is really made

 private:
  static inline int said_ = -1;
  static inline int failures_ = 0;
};

// Both ways of not being harmed by a bad address.
class AgentPaths : public AgentCode, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    AgentCode::SetUp();
    if (image_) image_->probe_paths(probes());
  }
  static bool probes() { return GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(AgentCode, AgentPaths, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Probing" : "Faulting");
});

std::string shown(const std::string& path) {
  return path.size() <= 60 ? path : path.substr(0, 60) + "… of " + std::to_string(path.size());
}

long expected_for(const std::string& path) {
  // PATH_MAX, the NUL included; a longer one is the kernel's to refuse, by either way.
  return mentions_proc(path) || path.size() >= 4096 ? kAsked : kTrusted;
}

// Paths that lie in wait for a hand-written reader.
std::vector<std::string> edge_paths() {
  std::vector<std::string> paths = {"", "/", "p", "f", "/p", "/f", "/pr", "/pro", "proc", "fd"};
  const std::vector<std::string> words = {"",     "p",   "pr",     "pro",  "proc", "procs", "pproc",
                                          "prxc", "fd",  "f",      "fdd",  "ffd",  ".",     "..",
                                          "Proc", "pr/", "proc\n", "\x80", "p/c",  "fp",    "pf"};
  for (const std::string& a : words) {
    for (const std::string& b : words) {
      for (const char* between : {"/", "//", ""}) {
        for (const std::string& c : {std::string(), std::string("/"), "/" + a}) {
          paths.push_back(a + between + b + c);
          paths.push_back("/" + paths.back());
        }
      }
    }
  }
  for (const std::size_t length : {4090u, 4091u, 4094u, 4095u, 4096u, 4097u, 5000u}) {
    paths.push_back(std::string(length, 'x'));
    paths.push_back(std::string(length, '/'));
    paths.push_back(std::string(length, 'p'));
    paths.push_back(std::string(length - 5, 'x') + "/proc");
    paths.push_back(std::string(length - 3, 'x') + "/fd");
    paths.push_back(std::string(length - 4, 'x') + "proc");
    paths.push_back("proc/" + std::string(length - 5, 'x'));
  }
  return paths;
}

std::string random_path(std::mt19937& random) {
  static constexpr std::string_view kLetters = "procfd/procfd//x.s\xff";
  std::string path;
  const std::size_t length = random() % 24;
  for (std::size_t i = 0; i < length; ++i) {
    switch (random() % 8) {
      case 0:
        path += "/proc";
        break;
      case 1:
        path += "fd";
        break;
      default:
        path += kLetters[random() % kLetters.size()];
    }
  }
  return path;
}

// Two pages, of which the second cannot be read; strings are put against the end of the first.
class PageEnd {
 public:
  PageEnd() {
    void* const at =
        mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED);
    end_ = static_cast<char*>(at) + 3 * kPage;
    must(mprotect(end_, kPage, PROT_NONE) == 0);
  }
  const char* put(const char* bytes, std::size_t size) {
    return static_cast<const char*>(std::memcpy(end_ - size, bytes, size));
  }

 private:
  char* end_;
};

TEST_P(AgentPaths, PathsGoTheWayThatTheirTextSays) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    PageEnd page;
    const auto try_path = [&](const std::string& path) {
      const long expected = expected_for(path);
      // Its last byte is the last that can be read: a reader that looks further is found out.
      const char* const at = page.put(path.c_str(), path.size() + 1);
      bad_reads = 0;
      check(guest.path_call(SYS_access, at) == expected, "access " + shown(path));
      check(guest.path_call(SYS_newfstatat, at) == expected, "newfstatat " + shown(path));
      check(bad_reads == 0, "read beyond " + shown(path));
    };
    for (const std::string& path : edge_paths()) try_path(path);
    std::mt19937 random(20250131);
    for (int i = 0; i < 20000; ++i) try_path(random_path(random));
  });
}

TEST_P(AgentPaths, BadAddressesAreAskedFor) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    PageEnd page;
    for (const std::uint64_t address :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4095}, std::uint64_t{1} << 46,
          (std::uint64_t{1} << 47) - 8, std::uint64_t{1} << 47, std::uint64_t{1} << 62,
          std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{7}}) {
      const auto* const path = reinterpret_cast<const char*>(address);
      check(guest.path_call(SYS_readlink, path) == kAsked, std::to_string(address));
      check(guest.path_call(SYS_openat, path) == kAsked, std::to_string(address));
    }
    check(!probes() || bad_reads == 0, "a bad address was read");
    bad_reads = 0;
    for (const std::int64_t address : {0L, 1L, 4095L, -1L, -4096L}) {
      check(guest.path_call(SYS_access, reinterpret_cast<const char*>(address)) == kAsked,
            std::to_string(address));
    }
    check(bad_reads == 0, "what is no address was read");
    // Paths without an end, of every length up to some, and each beginning of the words.
    for (const std::string word : {"/etc/passwd", "/proc", "/a/proc", "/dev/fd", "x/f", "x/pro"}) {
      for (std::size_t size = 0; size <= word.size(); ++size) {
        const int before = bad_reads;
        const char* const at = page.put(word.data(), size);
        check(guest.path_call(SYS_stat, at) == kAsked, word.substr(0, size) + " without an end");
        check(bad_reads == (probes() ? 0 : before + 1),
              word.substr(0, size) + " was not read to its end, or was without asking");
      }
    }
    const std::string endless(4096, 'x');
    bad_reads = 0;
    check(guest.path_call(SYS_stat, page.put(endless.data(), endless.size())) == kAsked, "endless");
    check(bad_reads == 0, "more than PATH_MAX was read");
    for (const std::string end : {"/p", "/pro", "/proc", "/f", "/fd"}) {
      const std::string path = std::string(4096 - end.size(), 'x') + end;
      check(guest.path_call(SYS_stat, page.put(path.data(), path.size())) == kAsked, shown(path));
    }
    check(!probes() || bad_reads == 0, "more than PATH_MAX was read without asking");
  });
}

// From every offset in its first page: the words may lie across the border of two.
TEST_P(AgentPaths, PathsMayGoOnInTheNextPage) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    void* const pages =
        mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pages != MAP_FAILED);
    auto* const border = static_cast<char*>(pages) + kPage;
    for (const std::string& path :
         {std::string("/usr/pro/x"), std::string("/usr/proc"), std::string("/dev/fd/1"),
          std::string("/dev/fdx"), std::string(4095, 'x'), std::string(4096, 'x')}) {
      for (std::size_t before = 0; before <= std::min<std::size_t>(path.size() + 1, 64); ++before) {
        std::memcpy(border - before, path.c_str(), path.size() + 1);
        check(guest.path_call(SYS_stat, border - before) == expected_for(path),
              shown(path) + " " + std::to_string(before) + " before the next page");
      }
    }
    check(bad_reads == 0, "read beyond");
  });
}

TEST_F(AgentCode, WithoutBeingToldItAsks) {
  in_guest([&](Guest& guest) {
    check(guest.path_call(SYS_access, "/etc/passwd") == kAsked, "a path");
    check(guest.path_call(SYS_getcwd, "") == kAsked, "a directory");
    guest.state().ordinary_paths = 1;
    check(guest.path_call(SYS_access, "/etc/passwd") == kTrusted, "an ordinary path");
    check(guest.path_call(SYS_getcwd, "") == kTrusted, "an ordinary directory");
    guest.state() = State{.pid = 5, .tid = 6, .ppid_plus_1 = 7, .ordinary_paths = 0};
    check(guest.path_call(SYS_access, "/etc/passwd") == kAsked, "a path, with the rest known");
    check(guest.path_call(SYS_getcwd, "") == kAsked, "a directory, with the rest known");
  });
}

TEST_F(AgentCode, AskPathsHoldsForGuestsThatRunAlready) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    check(guest.path_call(SYS_access, "/etc/passwd") == kTrusted, "before");
    image_->ask_paths();
    check(guest.path_call(SYS_access, "/etc/passwd") == kAsked, "after");
    check(guest.path_call(SYS_openat, "/etc/passwd") == kAsked, "after, the second argument");
  });
}

TEST_F(AgentCode, NumbersComeFromTheState) {
  in_guest([&](Guest& guest) {
    const auto number = [&](int nr) { return guest.path_call(nr, nullptr); };
    for (const int nr : {SYS_getpid, SYS_gettid, SYS_getppid}) {
      check(number(nr) == kAsked, "unknown " + std::to_string(nr));
    }
    guest.state().pid = 4194303;
    check(number(SYS_getpid) == 4194303, "getpid");
    check(number(SYS_gettid) == kAsked && number(SYS_getppid) == kAsked, "only getpid is known");
    guest.state().tid = 17;
    check(number(SYS_gettid) == 17, "gettid");
    guest.state().ppid_plus_1 = 1;
    check(number(SYS_getppid) == 0, "a parent outside");
    guest.state().ppid_plus_1 = 2;
    check(number(SYS_getppid) == 1, "getppid");
    guest.state() = {};
    for (const int nr : {SYS_getpid, SYS_gettid, SYS_getppid}) {
      check(number(nr) == kAsked, "withdrawn " + std::to_string(nr));
    }
  });
}

TEST_F(AgentCode, EverySlotHasItsStub) {
  in_guest([&](Guest& guest) {
    guest.state().pid = 99;
    guest.state().ordinary_paths = 1;
    for (int index = 0; index < kNrSlots; ++index) {
      Registers registers{};
      registers.rsp = guest.stack_top();
      guest.call(SYS_getpid, kServePid, &registers, index);
      check(registers.rax == 99, "number of slot " + std::to_string(index));
      guest.call(SYS_getcwd, kServeDirectory, &registers, index);
      check(static_cast<long>(registers.rax) == kTrusted, "call of slot " + std::to_string(index));
    }
  });
}

// What a system call leaves alone: all registers but rax, rcx and r11, and the stack's red zone.
TEST_P(AgentPaths, TheRestOfTheProgramIsLeftAlone) {
  in_guest([&](Guest& guest) {
    const char* const paths[] = {
        "/etc/passwd", "/proc/self/stat", "/x/fd", "", reinterpret_cast<const char*>(8), nullptr};
    constexpr std::size_t kRedZone = 128;
    const auto try_call = [&](int nr, const char* path) {
      const bool readable = reinterpret_cast<std::uint64_t>(path) > kPage;
      const std::string what = std::to_string(nr) + " " + (readable ? path : "?");
      std::mt19937_64 random(static_cast<std::uint64_t>(nr));
      Registers before{};
      for (std::size_t i = 0; i < sizeof before / 8; ++i) {
        reinterpret_cast<std::uint64_t*>(&before)[i] = random();
      }
      const Service service = service_of(nr);
      if (path_argument(service) == 0) before.rdi = reinterpret_cast<std::uint64_t>(path);
      if (path_argument(service) == 1) before.rsi = reinterpret_cast<std::uint64_t>(path);
      before.rsp = guest.stack_top() + 8 * (random() % 3);
      guest.stack().fill(0xa5);
      Registers after = before;
      guest.call(nr, service, &after);
      const auto* const red_zone = reinterpret_cast<const unsigned char*>(before.rsp - kRedZone);
      check(std::all_of(
                red_zone,
                static_cast<const unsigned char*>(guest.stack().data()) + guest.stack().size(),
                [](unsigned char byte) { return byte == 0xa5; }),
            what + ": the stack");
      after.rax = before.rax;
      after.rcx = before.rcx;
      after.r11 = before.r11;
      check(std::memcmp(&before, &after, sizeof before) == 0, what + ": the registers");
    };
    for (const bool known : {false, true}) {
      guest.state() = {};
      if (known) guest.state() = {.pid = 1, .tid = 2, .ppid_plus_1 = 3, .ordinary_paths = 1};
      for (const int nr : {SYS_getpid, SYS_gettid, SYS_getppid, SYS_getcwd, SYS_getdents64}) {
        try_call(nr, nullptr);
      }
      for (const int nr : {SYS_open, SYS_stat, SYS_access, SYS_readlink, SYS_openat, SYS_statx,
                           SYS_faccessat2, SYS_rename, SYS_renameat2}) {
        for (const char* path : paths) try_call(nr, path);
      }
    }
  });
}

// Calls that change nothing, really made: results and what is written are the kernel's, and what
// leads to /proc, or cannot be read, is asked for.
class AgentQueries : public AgentCode {
 protected:
  struct Query {
    int nr;
    int size;  // of what is written; 0: nothing
    std::array<std::uint64_t, 6> arguments;
    int path, out;  // which arguments; -1: none
  };
  static constexpr auto kCwd = static_cast<std::uint64_t>(-100);  // AT_FDCWD

  void SetUp() override {
    AgentCode::SetUp();
    trusted_runs_ = true;
    if (image_) image_->probe_paths(true);
    directory_ = testing::TempDir() + "warren-query-XXXXXX";
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    ASSERT_EQ(symlink("/the/target", (directory_ + "/link").c_str()), 0);
    ASSERT_EQ(symlink("loop", (directory_ + "/loop").c_str()), 0);
    ASSERT_GE(mknod((directory_ + "/file").c_str(), S_IFREG | 0600, 0), 0);
  }
  void TearDown() override {
    for (const char* name : {"/link", "/loop", "/file"}) unlink((directory_ + name).c_str());
    rmdir(directory_.c_str());
  }

  static std::vector<Query> queries() {
    return {
        {SYS_stat, 144, {}, 0, 1},
        {SYS_lstat, 144, {}, 0, 1},
        {SYS_statfs, 120, {}, 0, 1},
        {SYS_access, 0, {0, 4}, 0, -1},
        {SYS_readlink, 64, {0, 0, 64}, 0, 1},
        {SYS_readlink, 3, {0, 0, 3}, 0, 1},
        {SYS_readlinkat, 64, {kCwd, 0, 0, 64}, 1, 2},
        {SYS_newfstatat, 144, {kCwd, 0, 0, 0x100}, 1, 2},
        {SYS_statx, 256, {kCwd, 0, 0, 0x7ff}, 1, 4},
        {SYS_faccessat, 0, {kCwd, 0, 4}, 1, -1},
        {SYS_faccessat2, 0, {kCwd, 0, 0, 0x200}, 1, -1},
        // Refused before the path is read.
        {SYS_access, 0, {0, 077}, 0, -1},
        {SYS_newfstatat, 144, {kCwd, 0, 0, 0x80000000}, 1, 2},
        {SYS_statx, 256, {kCwd, 0, 0x80000000, 0x7ff}, 1, 4},
        {SYS_readlink, 64, {0, 0, 0}, 0, 1},
        {SYS_readlinkat, 64, {kCwd, 0, 0, 0xffffffff}, 1, 2},
        {SYS_newfstatat, 144, {77, 0, 0, 0}, 1, 2},  // no such directory
    };
  }
  static std::array<std::uint64_t, 6> arguments_of(const Query& query, const void* path,
                                                   void* out) {
    auto arguments = query.arguments;
    arguments[static_cast<std::size_t>(query.path)] = reinterpret_cast<std::uint64_t>(path);
    if (query.out >= 0) {
      arguments[static_cast<std::size_t>(query.out)] = reinterpret_cast<std::uint64_t>(out);
    }
    return arguments;
  }
  static long raw(const Query& query, const void* path, void* out) {
    const auto a = arguments_of(query, path, out);
    const long result = syscall(query.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result < 0 ? -errno : result;
  }
  // By the agent; checks the other registers and the red zone.
  static long ask(Guest& guest, const Query& query, const void* path, void* out) {
    const auto a = arguments_of(query, path, out);
    Registers before{};
    before.rbx = before.rbp = before.r12 = before.r15 = 0x123456789abcdef;
    before.rdi = a[0], before.rsi = a[1], before.rdx = a[2];
    before.r10 = a[3], before.r8 = a[4], before.r9 = a[5];
    before.rsp = guest.stack_top();
    unsigned char* const red_zone = guest.stack().data() + guest.stack().size() / 2 - 128;
    std::memset(red_zone, 0xa5, 128);
    Registers after = before;
    guest.call(query.nr, service_of(query.nr), &after);
    check(std::all_of(red_zone, red_zone + 128, [](unsigned char byte) { return byte == 0xa5; }),
          "the red zone");
    const auto result = static_cast<long>(after.rax);
    after.rax = before.rax, after.rcx = before.rcx, after.r11 = before.r11;
    check(std::memcmp(&before, &after, sizeof before) == 0, "the registers");
    return result;
  }

  std::string directory_;
};

TEST_F(AgentQueries, AreAnsweredByTheKernel) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    PageEnd page;
    std::vector<char> native(256), agents(256);
    for (const std::string& name :
         {directory_, directory_ + "/file", directory_ + "/link", directory_ + "/loop",
          directory_ + "/missing", directory_ + "/file/x", directory_ + "/loop/x", std::string(),
          std::string("/"), std::string(4095, '/'), std::string(300, 'x')}) {
      const char* const path = page.put(name.c_str(), name.size() + 1);
      for (const Query& query : queries()) {
        const std::string what = std::to_string(query.nr) + " " + shown(name);
        std::fill(native.begin(), native.end(), 'n');
        std::fill(agents.begin(), agents.end(), 'n');
        check(ask(guest, query, path, agents.data()) == raw(query, path, native.data()), what);
        // A file system's counts of what is free may change.
        check(query.nr == SYS_statfs || native == agents, what + ": what is written");
      }
    }
    check(bad_reads == 0, "read beyond");
  });
}

TEST_F(AgentQueries, WhatLeadsToProcOrCannotBeReadIsAskedFor) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    PageEnd page;
    std::vector<char> out(256);
    for (const Query& query : queries()) {
      const std::string what = std::to_string(query.nr) + " ";
      for (const std::string name : {"/proc", "/proc/self/stat", "/x/../proc/1", "/dev/fd/0",
                                     "/proc/self/cwd/missing", "x/proc"}) {
        check(ask(guest, query, page.put(name.c_str(), name.size() + 1), out.data()) == kAsked,
              what + name);
      }
      for (const std::string name : {"/proc", "/etc/passwd", "/", "x/f"}) {
        check(ask(guest, query, page.put(name.data(), name.size()), out.data()) == kAsked,
              what + name + " without an end");
      }
      for (const std::uint64_t address :
           {std::uint64_t{0}, std::uint64_t{4095}, std::uint64_t{1} << 46, std::uint64_t{1} << 63,
            ~std::uint64_t{0}}) {
        check(ask(guest, query, reinterpret_cast<const void*>(address), out.data()) == kAsked,
              what + std::to_string(address));
      }
      const std::string endless(4096, '/');
      check(ask(guest, query, page.put(endless.data(), endless.size()), out.data()) == kAsked,
            what + "endless");
    }
    check(bad_reads == 0, "read beyond");
  });
}

// The path is judged by what it was before.
TEST_F(AgentQueries, MayOverwriteTheirPaths) {
  in_guest([&](Guest& guest) {
    guest.state().ordinary_paths = 1;
    PageEnd page;
    for (const std::string& name : {directory_ + "/link", std::string("/proc/self/exe")}) {
      for (const Query& query : queries()) {
        if (query.out < 0) continue;
        const auto length = static_cast<int>(name.size()) + 1;
        for (int distance = -query.size - 8; distance <= length + 8; ++distance) {
          std::vector<char> native(8192, 'n');
          std::memcpy(native.data() + 4096, name.c_str(), name.size() + 1);
          std::vector<char> agents = native;
          const long result =
              ask(guest, query, agents.data() + 4096, agents.data() + 4096 + distance);
          const long expected = raw(query, native.data() + 4096, native.data() + 4096 + distance);
          const std::string what = std::to_string(query.nr) + " " + name + " at a distance of " +
                                   std::to_string(distance);
          if (mentions_proc(name)) {
            check(result == kAsked, what);
            std::memset(native.data(), 'n', native.size());
            std::memcpy(native.data() + 4096, name.c_str(), name.size() + 1);
            const bool link = query.nr == SYS_readlink || query.nr == SYS_readlinkat;
            check(!link || native == agents, what + ": nothing is written before");
          } else {
            check(result == expected && (query.nr == SYS_statfs || native == agents), what);
          }
        }
      }
    }
    check(bad_reads == 0, "read beyond");
  });
}

TEST_F(AgentQueries, OfWhoIsNotToldAreAskedFor) {
  in_guest([&](Guest& guest) {
    std::vector<char> out(256);
    for (const bool all : {false, true}) {
      guest.state().ordinary_paths = all ? 1 : 0;
      if (all) image_->ask_paths();
      for (const Query& query : queries()) {
        check(ask(guest, query, "/etc/passwd", out.data()) == kAsked, std::to_string(query.nr));
      }
    }
  });
}

// The call that the filter sees is the one that the program makes: number and arguments.
TEST_F(AgentCode, TheCallArrivesAsItWasMade) {
  in_guest([&](Guest& guest) {
    const Header& header = agent_header();
    const auto refuse_unless = [&](std::uint64_t ip, int nr, const Registers& registers) {
      constexpr auto kArgs = offsetof(seccomp_data, args);
      const std::uint64_t arguments[] = {registers.rdi, registers.rsi, registers.rdx,
                                         registers.r10, registers.r8,  registers.r9};
      std::vector<sock_filter> code = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(ip), 1, 0),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(nr), 1, 0),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      };
      for (std::uint32_t i = 0; i < 12; ++i) {
        std::uint32_t half = 0;
        std::memcpy(&half, reinterpret_cast<const char*>(arguments) + i * sizeof half, sizeof half);
        code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                static_cast<std::uint32_t>(kArgs + i * sizeof half)));
        code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, half, 1, 0));
        code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
      }
      code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
      const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
      must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    };
    const auto make_call = [&](const char* path) {
      Registers registers{};
      registers.rdi = 0x1111111122222222;
      registers.rsi = reinterpret_cast<std::uint64_t>(path);
      registers.rdx = 0x3333333344444444;
      registers.r10 = 0x5555555566666666;
      registers.r8 = 0x7777777788888888;
      registers.r9 = 0x99999999aaaaaaaa;
      registers.rsp = guest.stack_top();
      return registers;
    };
    guest.state().ordinary_paths = 1;
    Registers registers = make_call("/etc/passwd");
    refuse_unless(header.trusted_ip, SYS_statx, registers);
    guest.call(SYS_statx, service_of(SYS_statx), &registers);
    check(static_cast<long>(registers.rax) == kTrusted, "the trusted call");
    registers = make_call("/proc/1");
    refuse_unless(header.asking_ip, SYS_faccessat2, registers);
    guest.call(SYS_faccessat2, service_of(SYS_faccessat2), &registers);
    check(static_cast<long>(registers.rax) == kAsked, "the call that is asked for");
  });
}

}  // namespace
}  // namespace warren::inject
