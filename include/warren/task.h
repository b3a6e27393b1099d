// Task and ThreadGroup: a thread, and the process that it belongs to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "warren/membership.h"
#include "warren/ref.h"
#include "warren/types.h"

namespace warren {

// One thread. Why a class: it is what a number names, and what forks, execs and exits.
// Owner: reference counted; the engine holds it until it is reaped (a thread other than the leader:
// until it exits). After that it keeps its numbers for whoever still holds it, but no lookup finds
// it. Every member is lock-free and thread-safe.
class Task : public RefCounted {
 public:
  // The process; the same for all its life.
  ThreadGroup& group() const;
  // Its identity. Changes when a thread that is not the leader execs.
  Ref<Pid> pid() const;
  // gettid(2) as seen from `ns`; 0 when not visible there.
  Nr nr_in(const PidNamespace& ns) const;
  Nr vnr() const;
  Nr level0() const;
  std::vector<Nr> numbers() const noexcept;
  // The namespace it is in (/proc/PID/ns/pid).
  Ref<PidNamespace> ns() const;
  // The namespace its children will be in (/proc/PID/ns/pid_for_children).
  Ref<PidNamespace> pid_ns_for_children() const;

  bool is_leader() const;
  // False once exit_task() was called, or exec() or the reaper dropped it.
  bool alive() const;
  // The signal that the parent gets at the end of the process; 0 for none. See ThreadGroup.
  int exit_signal() const;

  // A word for the embedder; the engine never looks at it.
  void* data() const;
  void set_data(void* data);
  // What ties it to its groups; theirs alone (groups.h).
  Membership& membership() const;

 protected:
  using RefCounted::RefCounted;
  ~Task() = default;
};

enum class GroupState {
  kAlive,   // at least one thread runs
  kZombie,  // every thread has exited; numbers and exit status wait for the parent
  kDead,    // reaped
};

// One process. Why a class: parents, process groups, sessions and waiting are matters of processes.
// Owner: as Task. Members are lock-free and thread-safe, except those marked (lock), which take the
// engine's writer lock to give a consistent list.
class ThreadGroup : public RefCounted {
 public:
  // The leader (it may have exited while other threads run). Null once reaped.
  Ref<Task> leader() const;
  // The identity of the process.
  Ref<Pid> pid() const;
  // getpid(2) as seen from `ns`; 0 when not visible there.
  Nr nr_in(const PidNamespace& ns) const;
  Nr vnr() const;
  Nr level0() const;
  Ref<PidNamespace> ns() const;

  // Null when it was adopted from outside, or was left without a reaper.
  Ref<ThreadGroup> parent() const;
  // getppid(2) as seen from `ns`; 0 without a parent or when `ns` does not contain it.
  Nr parent_nr_in(const PidNamespace& ns) const;
  // The process group and the session. Never null.
  Ref<Pid> pgid() const;
  Ref<Pid> sid() const;
  Nr pgid_nr_in(const PidNamespace& ns) const;
  Nr sid_nr_in(const PidNamespace& ns) const;

  // Whether it is the init of a namespace (of several, when it grew more than once); until reaped.
  bool is_init() const;
  // Whether it called setsid() and so leads its session.
  bool is_session_leader() const;
  // prctl(2), PR_SET_CHILD_SUBREAPER.
  bool is_child_subreaper() const;
  // Whether exec() ran since the fork (setpgid(2): EACCES).
  bool did_exec() const;

  GroupState state() const;
  // As wait(2) encodes it. Meaningful once the leader has exited.
  int exit_status() const;
  // SIGCHLD after an ordinary fork; 0 for none.
  int exit_signal() const;

  // Children that are not reaped, oldest first, at most `limit` of them. (lock)
  std::vector<Ref<ThreadGroup>> children(std::size_t limit = SIZE_MAX) const noexcept;
  // Threads that are not reaped, leader first, then oldest first. (lock)
  std::vector<Ref<Task>> threads() const noexcept;
  // Threads that have not exited.
  int nr_threads() const;

  void* data() const;
  void set_data(void* data);

 protected:
  using RefCounted::RefCounted;
  ~ThreadGroup() = default;
};

}  // namespace warren
