// Deaths of processes that are not traced: seen by their pidfds, in one epoll set. Its thread also
// looks for what nobody tells, a moment after somebody has said that there may be some.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/unique_fd.h"
#include "warren/kernel.h"

namespace warren {

// Why a class: ptrace tells of deaths by wait(2), but only of what is traced; the parent of another
// guest is a guest, and only a pidfd tells us. Owner: Tracer. Thread-safe. One thread at a time
// tells; mutex_ is a leaf, and the observers are called without it.
class DeathWatch {
 public:
  // `gone`: the process was reaped; else it has ended, and is a zombie. Told once each, the second
  // where the host tells (Linux 6.9). By the watch's own thread, or whoever calls drain().
  using Observer = std::function<void(const Ref<ThreadGroup>&, bool gone)>;
  // A process that nobody knows yet has ended.
  using StrangerObserver = std::function<void(pid_t host, std::uint64_t key)>;

  DeathWatch() = default;
  ~DeathWatch() { stop(); }

  // Looks for what nobody tells; says how many things are still to come. By the watch's own thread.
  using Looker = std::function<std::size_t()>;
  // Errors: as epoll_create1(2), eventfd(2).
  Result<void> start(Observer observer, StrangerObserver stranger_observer, Looker looker);
  void stop();

  // Watches the process; nothing if it is watched already. ESRCH: it is gone. EMFILE, ENOMEM.
  Result<void> watch(ThreadGroup& process);
  // A process that is about to become known. Errors: as watch().
  Result<void> watch_stranger(pid_t host, std::uint64_t key);
  // It has become known, and is watched as this process from now on. False: it was not watched.
  bool adopt_stranger(pid_t host, ThreadGroup& process);
  void forget(ThreadGroup& process);
  // The looker is asked before long, and as often as something is still to come. Costs a look at a
  // word as a rule, else one system call.
  void expect_news();
  // Returns when all has been told that happened until now. Not from an observer.
  void drain();

 private:
  struct Watched {
    UniqueFd pidfd;
    Ref<ThreadGroup> process;  // null: a stranger
    pid_t host;
    std::uint64_t key;
  };
  Result<void> add(pid_t host, Ref<ThreadGroup> process, std::uint64_t key);
  void run();
  void wake();
  void tell();
  std::size_t tell_some();  // how many; 0: those were all

  Observer observer_;
  StrangerObserver stranger_observer_;
  Looker looker_;
  UniqueFd epoll_, wake_;
  std::atomic<bool> expects_news_{false}, stopping_{false};
  std::thread thread_;
  std::mutex telling_;  // held while events are taken and told; before everything else
  std::mutex mutex_;
  std::uint64_t next_id_ = 1;                           // guarded by mutex_; 0: wake_
  std::unordered_map<std::uint64_t, Watched> watched_;  // guarded by mutex_
  std::unordered_map<pid_t, std::uint64_t> ids_;        // guarded by mutex_
};

}  // namespace warren
