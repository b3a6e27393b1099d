// Where the agent lives in a guest, and what supervisor and agent share. Included by the agent's
// assembler too.
//
// A system-call site is `mov $NR, %eax; syscall`, seven bytes; so is a jump through a word at a
// 32-bit absolute address. The addresses here have 0x050f as their upper half: the last two bytes
// of such a jump are then those of `syscall` itself. Whoever arrives in the middle of a patched
// site (a thread that was just there, a call that the kernel restarts, a jump of the program's own)
// finds the instruction that it expects.
#pragma once

#define WARREN_AGENT_BASE 0x50f0000
#define WARREN_AGENT_SHARED 0x50f7000  // one page of the agent's file: the whole container's
#define WARREN_AGENT_STATE 0x50f8000   // one private page, zero again in every child
#define WARREN_AGENT_SLOTS 0x50f9000   // one private page
#define WARREN_AGENT_END 0x50fa000
#define WARREN_AGENT_SLOT_SIZE 32
#define WARREN_AGENT_NR_SLOTS 127
#define WARREN_AGENT_STUB_SIZE 40
#define WARREN_AGENT_CLONE_STUB_SIZE 96
#define WARREN_AGENT_QUIET_STUB_SIZE 24

// Where State keeps the children that the process forked itself, and how many it has room for.
#define WARREN_AGENT_CHILDREN_OFFSET 64
#define WARREN_AGENT_NR_CHILDREN 64
#define WARREN_CHILD_REAPED 0x80000000
#define WARREN_AGENT_LEAVE_ALONE_OFFSET 20
#define WARREN_AGENT_KEY_OFFSET 24
#define WARREN_AGENT_VFORK_OFFSET 32
#define WARREN_AGENT_PLAIN_HANDLERS_OFFSET 56
#define WARREN_AGENT_IGNORED_OFFSET 576

// Marks a call that the tracer lets a guest make again (TraceMark); the agent's last boot call too.
#define WARREN_TRACE_MARK 0x77726e22

// In an argument that the kernel does not read: a call of warren's own, let through.
#define WARREN_OWN_CALL 0x77726e21

// In si_errno, with a code in the lowest byte: a signal that the supervisor sent in a guest's name
// (sent_signal.h).
#define WARREN_SENT_MARK 0x77726e00

// Where a siginfo that an agent made has WARREN_OWN_CALL: nothing that the kernel defines is there
// for its codes. The numbers in it are the receiver's own already.
#define WARREN_OWN_MARK_OFFSET 40

// Descriptors that mean the caller itself (linux/pidfd.h, Linux 6.18).
#define WARREN_PIDFD_SELF_THREAD -10000
#define WARREN_PIDFD_SELF_THREAD_GROUP -10001

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

namespace warren::inject {

inline constexpr std::uint64_t kBase = WARREN_AGENT_BASE;
inline constexpr std::uint64_t kShared = WARREN_AGENT_SHARED;
inline constexpr std::uint64_t kState = WARREN_AGENT_STATE;
inline constexpr std::uint64_t kSlots = WARREN_AGENT_SLOTS;
inline constexpr std::uint64_t kEnd = WARREN_AGENT_END;
inline constexpr std::uint64_t kPage = 0x1000;
inline constexpr int kNrSlots = WARREN_AGENT_NR_SLOTS;

// What holds for every guest of the container. The supervisor writes it, guests can only read it.
struct Shared {
  std::uint32_t ask_paths;  // not zero: no path is ordinary by its text
  // Not zero: guests are not traced. The agent serves forks and wait4(2), and makes calls again
  // that a signal interrupted before the supervisor took them.
  std::uint32_t serve_forks;
  std::uint32_t probe_paths;  // not zero: nobody would catch the fault of a path's being read
  std::uint32_t tell_waits;   // not zero: whoever has waited for a child says so at once
  std::uint32_t signal_self;  // not zero: the host lets a process signal itself without a number
};

// What the supervisor lets the agent know about its process; zero: ask. The kernel makes it zero in
// every child (MADV_WIPEONFORK), so that nothing that was true of the parent alone is inherited.
struct State {
  // A child of this process, at the place of its number modulo kNrChildren, so that a wait for it
  // need ask nobody. Of one that came by a quiet fork, the supervisor learns from here.
  struct Child {
    std::uint32_t number;  // and kReaped, once this process has waited for its end
    std::int32_t host;
  };
  static constexpr std::uint32_t kReaped = WARREN_CHILD_REAPED;

  std::int32_t pid;
  std::int32_t tid;              // known only while the process has one thread
  std::int32_t ppid_plus_1;      // 0 is a parent's number, too
  std::int32_t host_ppid;        // the host's number of that parent, if guests are not traced
  std::uint32_t ordinary_paths;  // not zero: a path that does not name /proc cannot lead there
  std::uint32_t leave_alone;     // not zero: every call is asked for, whatever else is said
  std::uint64_t key;             // of the quiet fork that made this process; the agent's own
  // Of a vfork whose child has this memory, the agent's own: the key (0: none), what was in r9, and
  // room for one register.
  std::uint64_t vfork_key;
  std::uint64_t vfork_r9;
  std::uint64_t vfork_scratch;
  // Signals (bit N - 1 is signal N's) whose handler sees no sender and restarts calls, as far as
  // the agent has installed it: nobody has to stop the process for such a one. The agent's own.
  std::uint64_t plain_handlers;
  Child children[WARREN_AGENT_NR_CHILDREN];  // the agent's own
  // Of an init that nobody traces: signals (bits as above) that its agent has made ignored, because
  // an init gets none that it has no handler for. Its program takes them for the default. The
  // agent's own.
  std::uint64_t ignored;
  std::uint32_t changing;  // not zero: a thread is about to change them
  // Not zero: a filter of the guest's own might kill for the calls by which the agent sends
  // signals, looks for programs, or has an init left.
  std::uint32_t ask_signals;
};
static_assert(offsetof(State, ppid_plus_1) % 8 == 0);  // both numbers are read at once
static_assert(offsetof(State, leave_alone) == WARREN_AGENT_LEAVE_ALONE_OFFSET);
static_assert(offsetof(State, key) == WARREN_AGENT_KEY_OFFSET);
static_assert(offsetof(State, vfork_key) == WARREN_AGENT_VFORK_OFFSET);
static_assert(offsetof(State, plain_handlers) == WARREN_AGENT_PLAIN_HANDLERS_OFFSET);
static_assert(offsetof(State, children) == WARREN_AGENT_CHILDREN_OFFSET);
static_assert(offsetof(State, ignored) == WARREN_AGENT_IGNORED_OFFSET);
static_assert(offsetof(State, changing) == WARREN_AGENT_IGNORED_OFFSET + 8);
static_assert(offsetof(State, ask_signals) == WARREN_AGENT_IGNORED_OFFSET + 12);

// A patched site. The site jumps through `entry`.
struct Slot {
  std::uint64_t entry;           // address of this slot's stub
  std::uint64_t return_address;  // behind the site
  std::uint64_t service;         // address of the code that serves the call
  std::uint32_t nr;              // the call's number
  std::uint32_t unused;
};
static_assert(sizeof(Slot) == WARREN_AGENT_SLOT_SIZE);

// The page of slots.
struct Slots {
  std::uint64_t used;
  std::uint64_t unused[3];
  Slot slot[kNrSlots];
};
static_assert(sizeof(Slots) == kPage);

// What the agent's trampoline has to know. The texts that are to be mapped over the program's own
// follow: address, length, offset, each of 8 bytes.
struct Trampoline {
  std::uint64_t again;  // where the call is made again, if the code cannot be mapped
  std::uint32_t nr;     // that call's number
  std::int32_t fd;      // the agent's file
  std::int32_t texts_fd;
  std::uint32_t nr_texts;
};
static_assert(sizeof(Trampoline) == 24);

// What the agent can do for a call.
enum Service : std::uint32_t {
  kServeNone,
  kServePid,
  kServeTid,
  kServeParentPid,
  kServePath0,      // the path is the first argument
  kServePath1,      // the second
  kServePathAtCwd,  // the second; the first is AT_FDCWD, which the patched instruction set
  kServeDirectory,  // no path, but a directory that might be inside /proc
  kServeClone,
  kServeFork,
  kServeVfork,
  kServeClone3,
  kServeWait4,
  kServeSigaction,
  kServeSigwait,
  kServeExec,
  kServeStat0,  // looks at what the first argument names
  kServeStat1,  // the second
  kServeStatx,
  kServeAccess0,
  kServeAccess1,
  kServeReadlink0,
  kServeReadlink1,
  kServeKill,
  kServeTgkill,
  kNrServices,
};

// What the agent tells the supervisor, and asks it, on its own account: getpid(2) from a place that
// nobody else calls from. The arguments are the six registers of one; one that comes back with
// EINTR is made again, so nothing else is ever answered with that.
//
// A fork begins with one of the first three. An error is the guest's result, but for ENOSYS: then
// the fork is asked for, from a place of `fork_asking_ip`. Otherwise the answer is a key: in the
// low 29 bits the child's number as the parent gets it; bit 29 if the fork is a quiet one; bit 30
// if the parent is suspended while its child has its memory (vfork); bit 31 if the parent is an
// init that is to do without the supervisor from now on (State::ignored), before anything else; in
// bits 32 to 62 what the supervisor likes. The key is r9 of the clone(2), fork(2) or vfork(2) that
// follows, and of parent and child after it. CLONE_PARENT_SETTID and CLONE_CHILD_SETTID are not
// left to the kernel.
//
// Of a quiet fork nobody tells but by what State says: the child has its key there, the parent the
// child. Only for a child that has memory of its own and its parent's stack; and for vfork, in a
// process of one thread, whose agent notes the key before it.
enum class PrivateCall {
  kNone,
  kBegin,      // the arguments are clone(2)'s, for clone3(2), too; r9 is the guest's
  kBeginFork,  // the arguments are whatever the guest has there
  kBeginVfork,
  kRegister,  // the child, before it does anything else; r9: the key. Answer: the parent's own r9
  // The parent; r9: the key's upper half, and the host's number of the child in the lower. Answer:
  // the child's number, once it is known.
  kForked,
  kVforked,  // the parent, when its child gave the memory back. As kRegister
  kFailed,   // there is no child; r9: the key
  // wait4(2) for a number of the guest's, which is below -1 or above 0; rdi: that number. Answer:
  // the host's number of the process, or of the group (positive, too), or an error. ENOSYS: the
  // wait is asked for.
  kWaitTarget,
  // What a wait4(2) found. rdi: the host's number; rsi, rdx: the guest's arguments; r10: where the
  // usage is, always; r8: the guest's first argument. Answer: the number for the guest; 0 if it
  // does not see that child, and the wait goes on.
  kWaited,
  // What an rt_sigtimedwait(2) took. rsi: the siginfo, whose numbers are to be the guest's.
  kSignalTaken,
  // An init that nobody traced is about to do something that its ignored signals would show in: the
  // supervisor sees to them from now on, and the agent restores them. Answer: 0.
  kInitActs,
  // An init that may be traced is about to do what would stop it. Answer: 1 if it is to do without
  // the supervisor from now on, as bit 31 of a key says, or 0.
  kLeaveInit,
  // The trampoline's last. rdi: where the private pages are; rsi: 0. Answer: where to go on.
  kBooted,
};

// The begin of the agent's code: where things are in it. Addresses as in the guest.
struct Header {
  std::uint64_t magic;
  // Where the instruction pointer of calls is that the agent vouches for, and of those that it
  // leaves to the supervisor.
  std::uint64_t trusted_ip;
  std::uint64_t asking_ip;
  // That of the agent's own getppid(2).
  std::uint64_t ppid_ip;
  // The code that reads guests' paths, and where to go on when it hits bad memory.
  std::uint64_t reader_begin;
  std::uint64_t reader_end;
  std::uint64_t reader_failed;
  // Maps the rest and ends in a system call of number `boot_ends`; rdi: the agent's descriptor.
  // rsi, edx, r10d: texts to be mapped in place of the program's own (address, length, offset, each
  // of 8 bytes), their number, and the descriptor that they are mapped from.
  std::uint64_t boot;
  std::uint64_t boot_ends;
  // What brings the agent into a program that nobody stops: code to be written behind the call that
  // it waits in, followed by a Trampoline. Where it is in the agent, its size, and the distance to
  // the instruction pointer of the call by which it says that it failed.
  std::uint64_t trampoline;
  std::uint64_t trampoline_size;
  std::uint64_t trampoline_failed;
  std::uint64_t booted_ip;
  std::uint64_t first_stub;
  std::uint64_t stub_size;
  // Where private calls come from. Those of the second line are slot 0's, followed by those of the
  // others at distances of `clone_stub_size`.
  std::uint64_t begin_ip, begin_fork_ip, begin_vfork_ip, failed_ip, forked_ip;
  std::uint64_t register_ip, vforked_ip;
  std::uint64_t clone_stub_size;
  // The agent's own forks come from between these.
  std::uint64_t clone_begin;
  std::uint64_t clone_end;
  // Where forks come from that are asked for: slot 0's, the others at distances of `stub_size`.
  // Arguments and stack are the guest's there.
  std::uint64_t fork_asking_ip;
  std::uint64_t wait_target_ip;
  std::uint64_t wait_ip;  // the agent's own wait4(2)
  // On the way there: from where on its frame, of that size, is on the stack, and from where on it
  // holds what the guest's registers did. And where to go on from then, so that the whole wait is
  // asked for; before, at the service of calls that the agent leaves to the supervisor.
  std::uint64_t wait_framed;
  std::uint64_t wait_saved;
  std::uint64_t wait_frame;
  std::uint64_t wait_asking;
  std::uint64_t waited_ip;
  std::uint64_t sigwait_ip;  // the agent's own rt_sigtimedwait(2)
  std::uint64_t signal_taken_ip;
  std::uint64_t init_acts_ip;
  std::uint64_t leave_init_ip;
  std::uint64_t signal_self_ip;  // the agent's own pidfd_send_signal(2), to its own process
  std::uint64_t services[kNrServices];
};
inline constexpr std::uint64_t kMagic = 0x0a746e6567617721;

}  // namespace warren::inject

#endif
