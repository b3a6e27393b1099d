// Kernel: the engine. Hierarchical PID namespaces with processes, threads, process groups and
// sessions in them, and no system call anywhere.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "warren/pid.h"
#include "warren/pid_namespace.h"
#include "warren/read_section.h"
#include "warren/ref.h"
#include "warren/result.h"
#include "warren/snapshot.h"
#include "warren/task.h"
#include "warren/types.h"

namespace warren {

struct KernelOptions {
  // False: the engine gives the numbers of level 0, as of every other level.
  // True: level 0 belongs to somebody else (the host's kernel), who names each number when a task
  // is published. The root then needs no init, and any positive number is accepted there.
  bool pin_level0 = false;
  // The limit of the root namespace; others inherit their parent's.
  Nr pid_max = kPidMaxDefault;
  // The root's inode number, and the first of those given to namespaces made later.
  std::uint64_t root_inode = 0xEFFFFFFCu;
  std::uint64_t first_inode = 0xF0000000u;
};

struct NamespaceArgs {
  std::uint64_t inode = 0;  // 0: the engine chooses
};

struct AdoptArgs {
  // With pin_level0: the task's number at level 0, > 0. Without: ignored.
  Nr level0 = 0;
  // Null: those of a new session that it leads itself.
  Ref<Pid> pgid;
  Ref<Pid> sid;
  // Numbers wanted, innermost first (clone3(2), set_tid).
  std::span<const Nr> set_tid;
  // True: EEXIST when the namespace has an init. False: it becomes init only if there is none.
  bool as_init = false;
  int exit_signal = SIGCHLD;
};

struct ForkArgs {
  bool thread = false;          // CLONE_THREAD
  bool new_pid_ns = false;      // CLONE_NEWPID
  bool clone_parent = false;    // CLONE_PARENT
  int exit_signal = SIGCHLD;    // ignored for a thread; with clone_parent the caller's own is taken
  std::span<const Nr> set_tid;  // innermost first, as clone3(2) has it
};

// Numbers that are taken for a child which nobody can see yet. Kernel::publish_fork() makes the
// child of it; otherwise its end gives the numbers (and a new namespace) back. Move-only, one
// thread at a time.
class ForkReservation {
 public:
  ForkReservation(ForkReservation&& other) noexcept;
  ForkReservation& operator=(ForkReservation&& other) noexcept;
  ~ForkReservation();

  // The child's number in `ns`; 0 where it will not be visible, and 0 at level 0 when pinned.
  Nr nr_in(const PidNamespace& ns) const;
  // The child's number in its own namespace.
  Nr vnr() const;
  // The namespace it will be in.
  PidNamespace& ns() const;
  bool is_thread() const;
  // False once published, cancelled or moved from.
  explicit operator bool() const { return state_ != nullptr; }
  // Nobody has seen the numbers: the next child may have them.
  void cancel();
  // A child has had them, and is gone: they count as given.
  void abandon();

 private:
  friend class Kernel;
  struct State;
  void end(bool seen);
  explicit ForkReservation(State* state) : state_(state) {}
  State* state_;
};

struct ExitResult {
  // This was the last thread: the process is a zombie now.
  bool group_dead = false;
  // Processes whose parent has changed, zombies among them. The new parent is theirs to ask for.
  std::vector<Ref<ThreadGroup>> reparented;
  // Namespaces whose init this was, outermost first. No task can be made in them any more; the
  // embedder kills what begin_zap() returns until zap_complete().
  std::vector<Ref<PidNamespace>> dying;
};

// Owner: the embedder, who drops every Ref before it (abort otherwise). Every member is
// thread-safe: lookups are lock-free (RCU; a thread needs no registration), everything that changes
// the tree takes the one writer lock. No call blocks otherwise, makes a signal, or calls back.
// Members with no Result cannot fail; memory that runs out gives ENOMEM where a Result can say so
// and ends the process where not.
class Kernel {
 public:
  // EINVAL: pid_max out of range. ENOMEM.
  static Result<std::unique_ptr<Kernel>> create(const KernelOptions& options = {});
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  PidNamespace& root() const;

  // --- Lookup (lock-free). Null when there is none; never something half made. ---

  // Without a reference: valid while `section` lives. The cheapest lookup.
  const Pid* lookup_pid(const PidNamespace& ns, Nr nr, const ReadSection& section) const;
  Ref<Pid> find_pid(const PidNamespace& ns, Nr nr) const;
  // The task whose own id (gettid(2)) is `tid`; zombies until reaped.
  Ref<Task> find_task(const PidNamespace& ns, Nr tid) const;
  // The process whose id (getpid(2)) is `tgid`; zombies until reaped.
  Ref<ThreadGroup> find_group(const PidNamespace& ns, Nr tgid) const;
  // The process with the smallest number (getpid(2)) at or above `at_least`, zombies included; 0
  // when there is none. For listing a namespace in order, a bit at a time. (writer lock)
  Nr next_group(const PidNamespace& ns, Nr at_least) const;
  // Members of the process group or session (types kPgid, kSid), oldest first. (writer lock)
  std::vector<Ref<ThreadGroup>> members(const Pid& pid, PidType type) const noexcept;

  // --- Level 0 from outside ---

  // Finds or makes the Pid that exists at level 0 only, for a process group or session of the host
  // that guests sit in. It is forgotten when the last process leaves it, or, never used, with the
  // last reference. 0 makes another Pid without any number: a group or session whose leader is
  // outside the host's own pid namespace, where getsid(2) gives 0. EINVAL: level0 < 0. EBUSY: the
  // number is reserved for a task. ENOMEM.
  Result<Ref<Pid>> host_pid(Nr level0);
  // The first task of a container, with no parent (getppid(2) gives 0): joins `ns`, or becomes its
  // init with number 1. It also becomes init of those namespaces above that are still empty.
  // EAGAIN: no number free. ENOMEM: memory, or a namespace is dead or its first task is not
  // published yet. EEXIST: a number of set_tid is taken, or as_init and there is an init. EINVAL:
  // bad number.
  Result<Ref<Task>> adopt(PidNamespace& ns, const AdoptArgs& args);

  // --- Namespaces ---

  // A namespace with no task in it; the first one becomes its init. ENOMEM: memory, or `parent` is
  // dead.
  Result<Ref<PidNamespace>> create_namespace(PidNamespace& parent, const NamespaceArgs& args = {});

  // --- Fork: reserve, then publish or cancel ---

  // Takes the numbers of a child of `parent` at every level (with pin_level0: from level 1 on) of
  // parent.pid_ns_for_children(), or of a new namespace in it.
  // EAGAIN: no number free (fork(2)). ENOMEM: memory; the namespace is dead or its init is reserved
  // but not yet there (clone(2)). EEXIST: a number of set_tid is taken. EINVAL: set_tid has more
  // entries than levels, one outside 1..pid_max-1, or one other than 1 for an init (clone3(2));
  // thread with new_pid_ns, or with pid_ns_for_children() other than ns(); new_pid_ns likewise;
  // clone_parent by an init (clone(2)). EPERM: set_tid reaches a pinned level 0.
  Result<ForkReservation> reserve_fork(Task& parent, const ForkArgs& args = {});
  // Makes the child visible to all. With pin_level0 `level0` is its number there; when that is
  // still held by a zombie which the host has recycled, the zombie is reaped first. Never fails.
  // Without pin_level0, `level0` is ignored.
  Ref<Task> publish_fork(ForkReservation&& reservation, Nr level0 = 0);

  // --- Life ---

  // execve(2) by any thread: `task` becomes the leader and takes over its Pid; its own number is
  // freed; all other threads are dropped as if they had exited.
  void exec(Task& task);
  // The death of one thread. A leader stays, as zombie, until reap(); others vanish at once.
  // `wait_status` as wait(2) encodes it; the leader's is the process's (see set_exit_status).
  // No effect on a task that is dead already.
  ExitResult exit_task(Task& task, int wait_status) noexcept;
  // Corrects the status of the process (exit_group(2) by another thread than the leader).
  void set_exit_status(ThreadGroup& group, int wait_status);
  // A zombie is waited for and gone: its numbers are free unless a process group or session uses
  // them. No effect unless it is a zombie.
  void reap(ThreadGroup& group);

  // Forbids new tasks in `ns` and below (ENOMEM) and returns every live process there, except those
  // that are init of `ns`. To be called again until zap_complete().
  std::vector<Ref<ThreadGroup>> begin_zap(PidNamespace& ns) noexcept;
  // Whether no task but init's own, not even a zombie or a reservation, is left in `ns` and below.
  bool zap_complete(const PidNamespace& ns) const;
  // prctl(2), PR_SET_CHILD_SUBREAPER.
  void set_child_subreaper(ThreadGroup& group, bool on);

  // --- Process groups and sessions ---

  // setpgid(2) by `caller`, numbers as `caller` sees them. EINVAL: pgid < 0, or pid is a thread.
  // ESRCH: pid is neither the caller nor a child. EACCES: the child has exec'ed. EPERM: a session
  // leader; a child in another session; no such group in the session.
  Result<void> setpgid(Task& caller, Nr pid, Nr pgid);
  // setsid(2). EPERM: it leads a session, or its number is that of a process group.
  Result<void> setsid(ThreadGroup& group);
  // The same, unchecked, for an embedder whose host kernel has agreed already.
  void set_pgrp(ThreadGroup& group, Pid& pgid);
  void set_session(ThreadGroup& group, Pid& sid);
  void commit_setsid(ThreadGroup& group);

  // --- Namespaces of live tasks ---

  // unshare(2), CLONE_NEWPID: children will be in a new namespace. EINVAL: it has done so, or
  // setns, before. ENOMEM.
  Result<void> unshare_pid(Task& task);
  // setns(2) with a PID namespace: children will be in `ns`. EINVAL: `ns` is not the task's own or
  // below it. Threads do not matter (unlike for user and mount namespaces).
  Result<void> setns_pid(Task& task, PidNamespace& ns);
  // The process itself enters a new namespace below its own, as its init: each thread gains a
  // level. May be repeated; the process is then init of each, and all end with it. Returns the
  // number of the process there (1). EINVAL: pid_ns_for_children() of a thread is not its own
  // namespace. EBUSY: a thread of it is reserved and not published. ENOMEM. ESRCH: not alive.
  Result<Nr> grow(ThreadGroup& group);
  // The process itself changes to `ns`, anywhere in the tree: it keeps its numbers in namespaces
  // that contain both, loses those that it leaves, and gets numbers where it enters, the same ones
  // as before if they are free. Its children stay. EBUSY: it is init of a namespace that it would
  // leave; a thread of it is reserved and not published. EAGAIN: no number free. ENOMEM: memory;
  // `ns` is dead or has no init. ESRCH: not alive.
  Result<void> move(ThreadGroup& group, PidNamespace& ns);

  // --- Signals ---

  // Whom kill(2) by `sender` with `pid` means, zombies among them: one process (pid > 0, any
  // thread's number will do), the sender's process group (0), everybody but the sender's own
  // process and number 1 (-1), a process group (< -1). Only processes that the sender's namespace
  // contains. ESRCH: nobody. ENOMEM.
  Result<std::vector<Ref<ThreadGroup>>> signal_targets(Task& sender, Nr pid) const;
  // Whether `target` is init of a namespace that also contains the sender, and so only gets signals
  // that it handles (pid_namespaces(7)). A null sender is the kernel: never protected.
  static bool init_protected(const Task* sender, const ThreadGroup& target);

  // All namespaces and tasks at one moment. (writer lock)
  Snapshot snapshot() const noexcept;

 private:
  explicit Kernel(std::unique_ptr<kernel::Core> core);
  std::unique_ptr<kernel::Core> core_;
  friend class ForkReservation;
};

}  // namespace warren
