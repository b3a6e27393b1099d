// Runs the filter's program on calls from everywhere, by an interpreter of its few instructions.
#include "tracer/seccomp_filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <random>
#include <vector>

#include "arch/x86_64/loader.h"
#include "inject/image.h"
#include "inject/served_calls.h"

namespace warren {
namespace {

constexpr int kCalls = 600;
constexpr std::uint64_t kElsewhere = 0x400123;

// What the program answers; none if it does something that the kernel would not let it.
std::optional<std::uint32_t> answer(const std::vector<sock_filter>& program,
                                    const seccomp_data& data) {
  std::uint32_t a = 0, x = 0;
  for (std::size_t pc = 0; pc < program.size();) {
    const sock_filter& at = program[pc++];
    const auto branch = [&](bool taken) { pc += taken ? at.jt : at.jf; };
    switch (at.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (at.k % 4 != 0 || at.k + 4 > sizeof data) return std::nullopt;
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + at.k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= at.k;
        break;
      case BPF_ALU | BPF_SUB | BPF_X:
        a -= x;
        break;
      case BPF_ALU | BPF_SUB | BPF_K:
        a -= at.k;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_JMP | BPF_JA:
        pc += at.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        branch(a == at.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        branch(a >= at.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        branch((a & at.k) != 0);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        branch(a > at.k);
        break;
      case BPF_RET | BPF_K:
        return at.k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

// Whether the agent makes such a call itself when nothing in it leads to /proc.
bool tests_paths(int nr) {
  const inject::Service service = inject::service_of(nr);
  return inject::path_argument(service) >= 0 || service == inject::kServeDirectory;
}

seccomp_data call_of(int nr, std::uint64_t ip) {
  seccomp_data data{};
  data.nr = nr;
  data.arch = AUDIT_ARCH_X86_64;
  data.instruction_pointer = ip;
  return data;
}

// The same call with arguments that conditions on arguments see differently.
std::vector<seccomp_data> with_arguments(const seccomp_data& call) {
  std::vector<seccomp_data> calls(8, call);
  std::mt19937_64 random(static_cast<std::uint64_t>(call.nr));
  for (std::size_t i = 1; i < calls.size(); ++i) {
    for (auto& argument : calls[i].args) {
      argument = i == 1 ? ~std::uint64_t{0} : i < 5 ? i : random();
    }
  }
  return calls;
}

// Every word of the agent's header: its places of calls are among them, whichever there are.
std::vector<std::uint64_t> places_of_the_agent() {
  const auto* const words = reinterpret_cast<const std::uint64_t*>(&inject::agent_header());
  return {words, words + sizeof(inject::Header) / sizeof *words};
}

class SeccompFilter : public testing::Test {
 protected:
  const std::vector<sock_filter> with_ = build_seccomp_filter(syscall_table(), true, false);
  const std::vector<sock_filter> without_ = build_seccomp_filter(syscall_table(), false, false);
  const std::vector<sock_filter> untraced_ = build_seccomp_filter(syscall_table(), true, true);
  const std::vector<sock_filter> untraced_asking_ =
      build_seccomp_filter(syscall_table(), false, true);
  const std::uint64_t trusted_ = inject::agent_header().trusted_ip;
};

TEST_F(SeccompFilter, IsShortEnoughForTheKernel) {
  EXPECT_LE(with_.size(), 4096u);
  EXPECT_GT(with_.size(), without_.size());
}

TEST_F(SeccompFilter, EveryCallHasItsAnswer) {
  for (int nr = 0; nr < kCalls; ++nr) {
    for (const seccomp_data& call : with_arguments(call_of(nr, kElsewhere))) {
      const auto action = answer(with_, call);
      ASSERT_TRUE(action) << nr;
      EXPECT_EQ(action, answer(without_, call))
          << "elsewhere the agent makes no difference: " << nr;
    }
  }
}

TEST_F(SeccompFilter, TheTableSaysWhatTraps) {
  for (const SyscallEntry& entry : syscall_table()) {
    if (entry.condition.count != 0 || entry.way == Way::kNotifyUntraced) continue;
    if (entry.nr == SYS_ptrace) continue;  // the only one for which other conditions come first
    const auto action = answer(with_, call_of(entry.nr, kElsewhere));
    switch (entry.way) {
      case Way::kPtrace:
      case Way::kNotifyFirst:
        EXPECT_EQ(action, SECCOMP_RET_TRACE) << entry.name;
        break;
      case Way::kNotify:
      case Way::kNotifyUntraced:
        EXPECT_EQ(action, SECCOMP_RET_USER_NOTIF) << entry.name;
        break;
      case Way::kRefuse:
        EXPECT_EQ(action, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(entry.error))
            << entry.name;
        break;
    }
  }
}

TEST_F(SeccompFilter, TheTrustedPlaceMayMakeOrdinaryPathCalls) {
  for (int nr = 0; nr < kCalls; ++nr) {
    if (!tests_paths(nr)) continue;
    for (const seccomp_data& call : with_arguments(call_of(nr, trusted_))) {
      EXPECT_EQ(answer(with_, call), SECCOMP_RET_ALLOW) << nr;
    }
    EXPECT_EQ(answer(without_, call_of(nr, trusted_)), answer(with_, call_of(nr, kElsewhere)))
        << "without an agent there is no such place: " << nr;
  }
}

TEST_F(SeccompFilter, WithoutTheAgentsPathsNoPlaceIsTrustedWithOne) {
  for (int nr = 0; nr < kCalls; ++nr) {
    const bool path = tests_paths(nr);
    for (const std::uint64_t ip : places_of_the_agent()) {
      const std::uint64_t like = path ? kElsewhere : ip;
      EXPECT_EQ(answer(untraced_asking_, call_of(nr, ip)), answer(untraced_, call_of(nr, like)))
          << nr << " at " << ip;
    }
  }
}

TEST_F(SeccompFilter, TheTrustedPlaceMayMakeNothingElse) {
  for (int nr = 0; nr < kCalls; ++nr) {
    if (tests_paths(nr)) continue;
    const auto there = with_arguments(call_of(nr, trusted_));
    const auto elsewhere = with_arguments(call_of(nr, kElsewhere));
    for (std::size_t i = 0; i < there.size(); ++i) {
      EXPECT_EQ(answer(with_, there[i]), answer(with_, elsewhere[i])) << nr;
    }
  }
}

TEST_F(SeccompFilter, OfTheLoadersCallsThoseThatItMakesWithItsOwnPathsAreLetThrough) {
  const std::vector<LoaderCall> loader = find_loader_calls(arch::kLoader, below_loader());
  const auto is_any_of = [&loader](const seccomp_data& data) {
    return std::any_of(loader.begin(), loader.end(), [&](const LoaderCall& call) {
      return static_cast<std::uint64_t>(data.nr) == static_cast<std::uint64_t>(call.nr) &&
             data.instruction_pointer % inject::kPage == call.ip_offset &&
             data.args[call.argument] - data.instruction_pointer -
                     static_cast<std::uint64_t>(std::int64_t{call.distance}) <
                 call.size;
    });
  };
  ASSERT_FALSE(loader.empty());
  const auto filter = build_seccomp_filter(syscall_table(), true, true, loader);
  const auto asking = build_seccomp_filter(syscall_table(), false, true, loader);
  EXPECT_LE(filter.size(), 4096u);
  for (const LoaderCall& call : loader) {
    for (const std::uint64_t page : {std::uint64_t{0x7f1234567000}, std::uint64_t{0x1000000}}) {
      seccomp_data data = call_of(call.nr, page + call.ip_offset);
      auto& path = data.args[call.argument];
      const std::uint64_t its_own =
          data.instruction_pointer + static_cast<std::uint64_t>(std::int64_t{call.distance});
      for (const std::uint64_t at : {0u, call.size / 2, call.size - 1}) {
        path = its_own + at;
        EXPECT_EQ(answer(filter, data), SECCOMP_RET_ALLOW) << call.nr;
        EXPECT_EQ(answer(asking, data), SECCOMP_RET_USER_NOTIF) << call.nr;
      }
      for (const std::uint64_t other :
           {its_own + call.size, its_own - 1, its_own + call.size + 0xfff, its_own + 0x100000000,
            its_own - 0x100000000, its_own & 0xffffffff, std::uint64_t{0}}) {
        path = other;
        if (is_any_of(data)) continue;
        EXPECT_EQ(answer(filter, data), SECCOMP_RET_USER_NOTIF) << call.nr << " of " << other;
      }
      path = its_own;
      for (const std::uint64_t off : {1, 2, 16, 0x800, 0x10000}) {
        seccomp_data elsewhere = data;
        elsewhere.instruction_pointer += off;
        EXPECT_EQ(answer(filter, elsewhere), SECCOMP_RET_USER_NOTIF) << call.nr << " from " << off;
      }
      for (const int nr : {SYS_open, SYS_stat, SYS_readlink, SYS_kill, SYS_execve}) {
        data.nr = nr;
        EXPECT_EQ(answer(filter, data), answer(untraced_, data)) << nr;
      }
    }
    // Across 4 GiB from each other.
    seccomp_data data = call_of(call.nr, 0xfffffffff000 + call.ip_offset);
    data.args[call.argument] =
        0x1000000000000 + call.ip_offset + static_cast<std::uint32_t>(call.distance) - 0x1000;
    EXPECT_EQ(answer(filter, data), SECCOMP_RET_USER_NOTIF) << call.nr;
  }
}

// Above all those that name a victim, or make a program that is not the supervisor's.
TEST_F(SeccompFilter, CallsThatTheAgentDoesNotKnowAreJudgedAlikeEverywhereInIt) {
  for (const std::uint64_t ip : places_of_the_agent()) {
    for (int nr = 0; nr < kCalls; ++nr) {
      const inject::Service service = inject::service_of(nr);
      if (service != inject::kServeNone && !inject::serves_untraced(service)) continue;
      const auto there = with_arguments(call_of(nr, ip));
      const auto elsewhere = with_arguments(call_of(nr, kElsewhere));
      for (std::size_t i = 0; i < there.size(); ++i) {
        EXPECT_EQ(answer(with_, there[i]), answer(with_, elsewhere[i])) << nr << " at " << ip;
      }
    }
    for (const int nr : {SYS_kill, SYS_tkill, SYS_tgkill, SYS_execve, SYS_execveat, SYS_clone3,
                         SYS_pidfd_open, SYS_vfork, SYS_setns}) {
      EXPECT_NE(answer(with_, call_of(nr, ip)), SECCOMP_RET_ALLOW) << nr << " at " << ip;
    }
  }
}

TEST_F(SeccompFilter, HandlersAreInstalledUnseenFromTheTrustedPlaceAlone) {
  for (const int signal : {SIGCHLD, SIGPIPE, SIGXFSZ}) {
    seccomp_data call = call_of(SYS_rt_sigaction, kElsewhere);
    call.args[0] = static_cast<std::uint64_t>(signal);
    call.args[1] = 0x1000;
    EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_USER_NOTIF);
    for (const std::uint64_t ip : places_of_the_agent()) {
      call.instruction_pointer = ip;
      EXPECT_EQ(answer(untraced_, call) == SECCOMP_RET_ALLOW, ip == trusted_) << std::hex << ip;
      EXPECT_EQ(answer(untraced_asking_, call), SECCOMP_RET_USER_NOTIF) << std::hex << ip;
    }
  }
}

// Untraced, with shared memory or in a namespace of its own, a child would be nobody's.
TEST_F(SeccompFilter, NoPlaceOfTheAgentMayMakeJustAnyChild) {
  for (const std::uint64_t ip : places_of_the_agent()) {
    for (const std::uint64_t flags :
         {std::uint64_t{0}, std::uint64_t{17 /* SIGCHLD */}, std::uint64_t{0x00800000},
          std::uint64_t{0x00800011}, std::uint64_t{0x00802011 /* UNTRACED with PTRACE */},
          std::uint64_t{0x00002111 /* VM */}, std::uint64_t{0x20002011 /* NEWPID */},
          std::uint64_t{0x00006011 /* VFORK */}, std::uint64_t{0x0000a011 /* PARENT */},
          std::uint64_t{0x00012111 /* THREAD */}, std::uint64_t{0x00002000},
          std::uint64_t{0x00002009 /* SIGKILL at its end */}}) {
      seccomp_data call = call_of(SYS_clone, ip);
      call.args[0] = flags;
      EXPECT_NE(answer(with_, call), SECCOMP_RET_ALLOW) << std::hex << flags << " at " << ip;
    }
    EXPECT_NE(answer(with_, call_of(SYS_fork, ip)), SECCOMP_RET_ALLOW) << std::hex << ip;
  }
}

constexpr std::uint64_t kForkBits[] = {0x00800000 /* UNTRACED */,
                                       0x00002000 /* PTRACE */,
                                       0x00008000 /* PARENT */,
                                       0x00001000 /* PIDFD */,
                                       0x00020000 /* NEWNS */,
                                       0x02000000 /* NEWCGROUP */,
                                       0x04000000 /* NEWUTS */,
                                       0x08000000 /* NEWIPC */,
                                       0x10000000 /* NEWUSER */,
                                       0x20000000 /* NEWPID */,
                                       0x40000000 /* NEWNET */};

TEST_F(SeccompFilter, UntracedTheAgentMakesOrdinaryForks) {
  const inject::Header& header = inject::agent_header();
  for (const std::uint64_t ip :
       {header.clone_begin, header.clone_begin + 2, header.clone_end - 1}) {
    for (const std::uint64_t flags :
         {std::uint64_t{0}, std::uint64_t{17}, std::uint64_t{0x4111}, std::uint64_t{0x003d0f00},
          std::uint64_t{0x0010000000200011} /* what the kernel does not look at */}) {
      seccomp_data call = call_of(SYS_clone, ip);
      call.args[0] = flags;
      EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_ALLOW) << std::hex << flags << " at " << ip;
      EXPECT_NE(answer(with_, call), SECCOMP_RET_ALLOW) << std::hex << flags << " at " << ip;
      for (const std::uint64_t bit : kForkBits) {
        call.args[0] = flags | bit;
        EXPECT_NE(answer(untraced_, call), SECCOMP_RET_ALLOW) << std::hex << call.args[0];
      }
    }
    for (const int nr : {SYS_fork, SYS_vfork}) {
      for (const seccomp_data& call : with_arguments(call_of(nr, ip))) {
        EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_ALLOW) << nr;
        EXPECT_NE(answer(with_, call), SECCOMP_RET_ALLOW) << nr;
      }
    }
    EXPECT_NE(answer(untraced_, call_of(SYS_clone3, ip)), SECCOMP_RET_ALLOW);
  }
}

TEST_F(SeccompFilter, UntracedTheAgentWaits) {
  const std::uint64_t ip = inject::agent_header().wait_ip;
  for (const seccomp_data& call : with_arguments(call_of(SYS_wait4, ip))) {
    EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(with_, call), answer(with_, call_of(SYS_wait4, kElsewhere)));
  }
  EXPECT_NE(answer(untraced_, call_of(SYS_waitid, ip)), SECCOMP_RET_ALLOW);
}

TEST_F(SeccompFilter, UntracedTheAgentTakesSignals) {
  const std::uint64_t ip = inject::agent_header().sigwait_ip;
  for (const seccomp_data& call : with_arguments(call_of(SYS_rt_sigtimedwait, ip))) {
    EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_ALLOW);
    seccomp_data elsewhere = call;
    elsewhere.instruction_pointer = kElsewhere;
    EXPECT_EQ(answer(with_, call), answer(with_, elsewhere));
  }
}

TEST_F(SeccompFilter, UntracedTheAgentSignalsNobodyButTheCaller) {
  const std::uint64_t ip = inject::agent_header().signal_self_ip;
  for (seccomp_data call : with_arguments(call_of(SYS_pidfd_send_signal, ip))) {
    for (const int self : {WARREN_PIDFD_SELF_THREAD, WARREN_PIDFD_SELF_THREAD_GROUP}) {
      for (const std::uint64_t upper : {std::uint64_t{0}, ~std::uint64_t{0} << 32}) {
        call.args[0] = upper | static_cast<std::uint32_t>(self);
        call.args[3] = upper;
        EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_ALLOW);
        EXPECT_EQ(answer(with_, call), SECCOMP_RET_USER_NOTIF);
        call.args[3] = 4;  // the caller's group
        EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_USER_NOTIF);
        call.args[3] = 0;
        seccomp_data elsewhere = call;
        for (const std::uint64_t other :
             {ip - 1, ip + 1, ip + (std::uint64_t{1} << 32), trusted_, kElsewhere}) {
          elsewhere.instruction_pointer = other;
          EXPECT_EQ(answer(untraced_, elsewhere), SECCOMP_RET_USER_NOTIF);
        }
      }
    }
    for (const std::uint32_t other : {0u, 3u, 0xffffffffu, 0xffffd8efu, 0xffffd8f1u}) {
      if (other == static_cast<std::uint32_t>(WARREN_PIDFD_SELF_THREAD_GROUP)) continue;
      call.args[0] = other;
      call.args[3] = 0;
      EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_USER_NOTIF) << std::hex << other;
    }
  }
  for (const int nr : {SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_pidfd_getfd}) {
    EXPECT_NE(answer(untraced_, call_of(nr, ip)), SECCOMP_RET_ALLOW) << nr;
  }
}

TEST_F(SeccompFilter, UntracedTheAgentAsksForTheHostsParent) {
  const std::uint64_t ip = inject::agent_header().ppid_ip;
  EXPECT_EQ(answer(untraced_, call_of(SYS_getppid, ip)), SECCOMP_RET_ALLOW);
  EXPECT_NE(answer(untraced_, call_of(SYS_getpid, ip)), SECCOMP_RET_ALLOW);
  EXPECT_NE(answer(with_, call_of(SYS_getppid, ip)), SECCOMP_RET_ALLOW);
}

// Whether the call says that the tracer lets it be made again.
bool marked(const seccomp_data& call) {
  const TraceMark mark = trace_mark(call.nr);
  const std::uint64_t argument = call.args[mark.argument];
  return static_cast<std::uint32_t>(mark.upper ? argument >> 32 : argument) == TraceMark::kWord;
}

// What a call is answered that is no agent's own.
std::uint32_t untraced_answer(const seccomp_data& call, std::uint32_t traced) {
  std::array<std::uint64_t, 6> args{};
  std::copy(std::begin(call.args), std::end(call.args), args.begin());
  const SyscallEntry* const entry = find_untraced_syscall(call.nr, args);
  if (traced == SECCOMP_RET_TRACE && !marked(call)) return SECCOMP_RET_USER_NOTIF;
  if (traced == SECCOMP_RET_ALLOW && entry && entry->way == Way::kNotifyUntraced) {
    return SECCOMP_RET_USER_NOTIF;
  }
  return traced;
}

// What needs a stop is notified first. All else is judged as if guests were traced, and so is this
// elsewhere.
TEST_F(SeccompFilter, UntracedOnlyThoseCallsFromOnlyThosePlaces) {
  const inject::Header& header = inject::agent_header();
  std::vector<std::uint64_t> places = places_of_the_agent();
  for (const std::uint64_t ip : {header.clone_begin, header.clone_end, header.wait_ip,
                                 header.ppid_ip, header.sigwait_ip, header.signal_self_ip}) {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0},
                                       std::uint64_t{1} << 32, std::uint64_t{1} << 63}) {
      places.push_back(ip + offset);
    }
  }
  places.push_back(kElsewhere);
  places.push_back(0);
  for (const std::uint64_t ip : places) {
    const bool forks = ip >= header.clone_begin && ip < header.clone_end;
    for (int nr = 0; nr < kCalls; ++nr) {
      if (forks && (nr == SYS_clone || nr == SYS_fork || nr == SYS_vfork)) continue;
      if (ip == header.wait_ip && nr == SYS_wait4) continue;
      if (ip == header.ppid_ip && nr == SYS_getppid) continue;
      if (ip == header.sigwait_ip && nr == SYS_rt_sigtimedwait) continue;
      for (const seccomp_data& call : with_arguments(call_of(nr, ip))) {
        const auto traced = answer(with_, call);
        ASSERT_TRUE(traced);
        EXPECT_EQ(answer(untraced_, call), untraced_answer(call, *traced))
            << nr << " at " << std::hex << ip;
      }
    }
  }
}

TEST_F(SeccompFilter, UntracedWhatIsMadeAgainMakesAStop) {
  for (const SyscallEntry& entry : syscall_table()) {
    if (entry.way != Way::kPtrace && entry.way != Way::kNotifyFirst) continue;
    for (seccomp_data call : with_arguments(call_of(entry.nr, kElsewhere))) {
      if (answer(with_, call) != SECCOMP_RET_TRACE) continue;
      EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_USER_NOTIF) << entry.name;
      const TraceMark mark = trace_mark(entry.nr);
      auto& argument = call.args[mark.argument];
      argument = mark.upper ? (argument & 0xffffffff) | std::uint64_t{TraceMark::kWord} << 32
                            : TraceMark::kWord;
      if (answer(with_, call) == SECCOMP_RET_TRACE) {
        EXPECT_EQ(answer(untraced_, call), SECCOMP_RET_TRACE) << entry.name;
      }
    }
  }
}

TEST_F(SeccompFilter, TheAskingPlaceAsks) {
  const std::uint64_t asking = inject::agent_header().asking_ip;
  for (int nr = 0; nr < kCalls; ++nr) {
    const auto there = with_arguments(call_of(nr, asking));
    const auto elsewhere = with_arguments(call_of(nr, kElsewhere));
    for (std::size_t i = 0; i < there.size(); ++i) {
      EXPECT_EQ(answer(with_, there[i]), answer(with_, elsewhere[i])) << nr;
    }
  }
}

TEST_F(SeccompFilter, OnlyTheExactAddressIsTrusted) {
  for (const std::uint64_t ip :
       {trusted_ - 2, trusted_ - 1, trusted_ + 1, trusted_ + (std::uint64_t{1} << 32),
        trusted_ | std::uint64_t{1} << 63, trusted_ << 32, std::uint64_t{0}}) {
    EXPECT_EQ(answer(with_, call_of(SYS_openat, ip)), SECCOMP_RET_USER_NOTIF) << std::hex << ip;
  }
}

TEST_F(SeccompFilter, OtherWaysIntoTheKernelAreRefusedThereToo) {
  for (const std::uint64_t ip : {kElsewhere, trusted_}) {
    seccomp_data call = call_of(SYS_openat, ip);
    call.arch = AUDIT_ARCH_I386;
    EXPECT_EQ(answer(with_, call), SECCOMP_RET_ERRNO | ENOSYS);
    call = call_of(SYS_openat | 0x40000000, ip);
    EXPECT_EQ(answer(with_, call), SECCOMP_RET_ERRNO | ENOSYS);
  }
}

}  // namespace
}  // namespace warren
