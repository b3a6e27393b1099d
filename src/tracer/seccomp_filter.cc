#include "tracer/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <utility>

#include "inject/image.h"
#include "inject/served_calls.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace warren {

namespace {

constexpr std::uint32_t kX32Bit = 0x40000000;

// What guests have an agent for, and which calls of the dynamic loader are let through.
struct Agent {
  bool paths;
  bool untraced;
  std::span<const LoaderCall> loader;
};

class Assembler {
 public:
  void statement(std::uint16_t code, std::uint32_t k) { code_.push_back({code, 0, 0, k}); }
  void load(std::size_t offset) {
    statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void answer(std::uint32_t action) { statement(BPF_RET | BPF_K, action); }
  // A conditional jump whose offsets are in instructions from the next one.
  void jump(std::uint16_t op, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
    code_.push_back({static_cast<std::uint16_t>(BPF_JMP | op | BPF_K), if_true, if_false, k});
  }
  // An unconditional jump to a place not yet known.
  std::size_t forward() {
    statement(BPF_JMP | BPF_JA, 0);
    return code_.size() - 1;
  }
  void land(std::size_t jump) {
    code_[jump].k = static_cast<std::uint32_t>(code_.size() - jump - 1);
  }
  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  std::vector<sock_filter> code_;
};

void emit_action(Assembler& out, const SyscallEntry& entry, bool untraced) {
  switch (entry.way) {
    case Way::kPtrace:
    case Way::kNotifyFirst:
      if (untraced) {
        const TraceMark mark = trace_mark(entry.nr);
        out.load(offsetof(seccomp_data, args) +
                 static_cast<std::size_t>(mark.argument) * sizeof(std::uint64_t) +
                 (mark.upper ? sizeof(std::uint32_t) : 0));
        out.jump(BPF_JEQ, TraceMark::kWord, 1, 0);
        out.answer(SECCOMP_RET_USER_NOTIF);
      }
      out.answer(SECCOMP_RET_TRACE);
      return;
    case Way::kNotify:
    case Way::kNotifyUntraced:
      out.answer(SECCOMP_RET_USER_NOTIF);
      return;
    case Way::kRefuse:
      out.answer(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(entry.error));
      return;
  }
}

// Code that goes on behind itself when the test holds; the returned jump is taken when not.
std::size_t emit_test(Assembler& out, const ArgumentTest& test) {
  out.load(offsetof(seccomp_data, args) + test.argument * sizeof(std::uint64_t));
  if (test.mask != 0xffffffff) out.statement(BPF_ALU | BPF_AND | BPF_K, test.mask);
  for (std::uint8_t i = 0; i < test.count; ++i) {
    // Equal: over the remaining comparisons and the one instruction that follows them.
    const auto over = static_cast<std::uint8_t>(test.count - i);
    out.jump(BPF_JEQ, test.values[i], over, 0);
  }
  // Wanted: only "none was equal" arrives here, and fails. Unwanted: it steps over the jump that
  // the equal ones land on.
  if (!test.wanted) out.statement(BPF_JMP | BPF_JA, 1);
  return out.forward();
}

// A call that the agent made from its trusted place is let through. Only calls that it may make are
// looked at this way: the kernel remembers which calls a filter always allows, but for those where
// it looks at more than the number.
void emit_trusted(Assembler& out) {
  const std::uint64_t ip = inject::agent_header().trusted_ip;
  constexpr std::size_t kLow = offsetof(seccomp_data, instruction_pointer);
  out.load(kLow);
  out.jump(BPF_JEQ, static_cast<std::uint32_t>(ip), 0, 3);
  out.load(kLow + sizeof(std::uint32_t));
  out.jump(BPF_JEQ, static_cast<std::uint32_t>(ip >> 32), 0, 1);
  out.answer(SECCOMP_RET_ALLOW);
}

// A call from an instruction pointer in [begin, end), which lies below 4 GiB, is let through if the
// lower half of its first argument has none of the bits.
void emit_place(Assembler& out, std::uint64_t begin, std::uint64_t end, std::uint32_t bits) {
  constexpr std::size_t kLow = offsetof(seccomp_data, instruction_pointer);
  const std::uint8_t last = bits == 0 ? 1 : 3;
  out.load(kLow);
  out.jump(BPF_JGE, static_cast<std::uint32_t>(begin), 0, last + 3);
  out.jump(BPF_JGE, static_cast<std::uint32_t>(end), last + 2, 0);
  out.load(kLow + sizeof(std::uint32_t));
  out.jump(BPF_JEQ, 0, 0, last);
  if (bits != 0) {
    out.load(offsetof(seccomp_data, args));
    out.jump(BPF_JSET, bits, 1, 0);
  }
  out.answer(SECCOMP_RET_ALLOW);
}

// What guests that are not traced make by themselves: an ordinary child or thread, which the
// supervisor knows of by the agent, and waiting for one.
void emit_untraced(Assembler& out, inject::Service service) {
  constexpr std::uint32_t kNotOrdinary =
      CLONE_UNTRACED | CLONE_PTRACE | CLONE_PARENT | CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWCGROUP |
      CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  const inject::Header& header = inject::agent_header();
  switch (service) {
    case inject::kServeClone:
      return emit_place(out, header.clone_begin, header.clone_end, kNotOrdinary);
    case inject::kServeFork:
    case inject::kServeVfork:
      return emit_place(out, header.clone_begin, header.clone_end, 0);
    case inject::kServeParentPid:
      return emit_place(out, header.ppid_ip, header.ppid_ip + 1, 0);
    case inject::kServeWait4:
      return emit_place(out, header.wait_ip, header.wait_ip + 1, 0);
    case inject::kServeSigwait:
      return emit_place(out, header.sigwait_ip, header.sigwait_ip + 1, 0);
    default:
      return;
  }
}

// pidfd_send_signal(2) of the agent's, to the caller's own process or thread and to nobody else:
// any signal, and any siginfo, may a process send itself.
void emit_signal_self(Assembler& out) {
  const std::uint64_t ip = inject::agent_header().signal_self_ip;
  constexpr std::size_t kIp = offsetof(seccomp_data, instruction_pointer);
  constexpr std::size_t kTo = offsetof(seccomp_data, args);
  constexpr std::size_t kFlags = kTo + 3 * sizeof(std::uint64_t);
  out.load(kIp);
  out.jump(BPF_JEQ, static_cast<std::uint32_t>(ip), 0, 8);
  out.load(kIp + sizeof(std::uint32_t));
  out.jump(BPF_JEQ, 0, 0, 6);
  out.load(kFlags);
  out.jump(BPF_JEQ, 0, 0, 4);
  out.load(kTo);
  out.jump(BPF_JEQ, static_cast<std::uint32_t>(WARREN_PIDFD_SELF_THREAD), 1, 0);
  out.jump(BPF_JEQ, static_cast<std::uint32_t>(WARREN_PIDFD_SELF_THREAD_GROUP), 0, 1);
  out.answer(SECCOMP_RET_ALLOW);
}

// A call that the dynamic loader makes with a path of its own, or a library's, is let through. The
// upper halves of both addresses are one, but where the loader lies across 4 GiB; such a call goes
// on as others.
void emit_loader(Assembler& out, const LoaderCall& call) {
  constexpr std::size_t kIp = offsetof(seccomp_data, instruction_pointer);
  const std::size_t path = offsetof(seccomp_data, args) +
                           static_cast<std::size_t>(call.argument) * sizeof(std::uint64_t);
  out.load(kIp);
  out.statement(BPF_MISC | BPF_TAX, 0);
  out.statement(BPF_ALU | BPF_AND | BPF_K, inject::kPage - 1);
  out.jump(BPF_JEQ, call.ip_offset, 0, 10);
  out.load(path);
  out.statement(BPF_ALU | BPF_SUB | BPF_X, 0);
  out.statement(BPF_ALU | BPF_SUB | BPF_K, static_cast<std::uint32_t>(call.distance));
  out.jump(BPF_JGE, call.size, 6, 0);
  out.load(kIp + sizeof(std::uint32_t));
  out.statement(BPF_MISC | BPF_TAX, 0);
  out.load(path + sizeof(std::uint32_t));
  out.statement(BPF_ALU | BPF_SUB | BPF_X, 0);
  out.jump(BPF_JEQ, 0, 0, 1);
  out.answer(SECCOMP_RET_ALLOW);
}

// Every entry of one call number, in order; what matches none is let through.
void emit_call(Assembler& out, std::span<const SyscallEntry> entries, const Agent& agent) {
  const inject::Service service = inject::service_of(entries[0].nr);
  if (agent.paths && inject::is_trusted(service)) emit_trusted(out);
  for (const LoaderCall& call : agent.loader) {
    if (agent.paths && call.nr == entries[0].nr) emit_loader(out, call);
  }
  if (agent.untraced) emit_untraced(out, service);
  if (agent.untraced && entries[0].nr == SYS_pidfd_send_signal) emit_signal_self(out);
  for (const SyscallEntry& entry : entries) {
    std::vector<std::size_t> fails;
    for (std::uint8_t i = 0; i < entry.condition.count; ++i) {
      fails.push_back(emit_test(out, entry.condition.tests[i]));
    }
    emit_action(out, entry, agent.untraced);
    for (std::size_t f : fails) out.land(f);
    if (fails.empty()) return;
  }
  out.answer(SECCOMP_RET_ALLOW);
}

// The call number is in the accumulator. `groups` are runs of equal numbers.
void emit_search(Assembler& out, std::span<const std::span<const SyscallEntry>> groups,
                 const Agent& agent) {
  if (groups.size() == 1) {
    out.jump(BPF_JEQ, static_cast<std::uint32_t>(groups[0][0].nr), 1, 0);
    out.answer(SECCOMP_RET_ALLOW);
    emit_call(out, groups[0], agent);
    return;
  }
  const std::size_t half = groups.size() / 2;
  out.jump(BPF_JGE, static_cast<std::uint32_t>(groups[half][0].nr), 0, 1);
  const std::size_t right = out.forward();
  emit_search(out, groups.first(half), agent);
  out.land(right);
  emit_search(out, groups.subspan(half), agent);
}

}  // namespace

std::vector<sock_filter> build_seccomp_filter(std::span<const SyscallEntry> table, bool agent_paths,
                                              bool untraced, std::span<const LoaderCall> loader) {
  Assembler out;
  out.load(offsetof(seccomp_data, arch));
  out.jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
  out.answer(SECCOMP_RET_ERRNO | ENOSYS);
  out.load(offsetof(seccomp_data, nr));
  out.jump(BPF_JGE, kX32Bit, 0, 1);
  out.answer(SECCOMP_RET_ERRNO | ENOSYS);
  std::vector<std::span<const SyscallEntry>> groups;
  // What is looked at only untraced is left out before the runs are made: an empty one would trap.
  std::vector<SyscallEntry> kept;
  if (!untraced) {
    std::copy_if(table.begin(), table.end(), std::back_inserter(kept),
                 [](const SyscallEntry& entry) { return entry.way != Way::kNotifyUntraced; });
    table = kept;
  }
  for (std::size_t i = 0; i < table.size();) {
    std::size_t end = i;
    while (end < table.size() && table[end].nr == table[i].nr) ++end;
    groups.push_back(table.subspan(i, end - i));
    i = end;
  }
  if (groups.empty()) {
    out.answer(SECCOMP_RET_ALLOW);
  } else {
    emit_search(out, groups, {.paths = agent_paths, .untraced = untraced, .loader = loader});
  }
  return out.take();
}

Result<int> install_seccomp_filter(std::span<const sock_filter> program) {
  const sock_fprog prog{static_cast<unsigned short>(program.size()),
                        const_cast<sock_filter*>(program.data())};
  // Once a handler has read a notification, only death may interrupt the caller: else a signal
  // would make the guest repeat a call that has already had its effect.
  const unsigned long flags =
      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
  if (fd < 0) return Errno{errno};
  return static_cast<int>(fd);
}

bool set_synchronous_wakeup(int listener, bool on) {
  const unsigned long flags = on ? SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP : 0;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) == 0;
}

}  // namespace warren
