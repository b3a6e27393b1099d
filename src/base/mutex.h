// Mutexes that know their place in the lock order.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <mutex>

// Annotations for clang's -Wthread-safety; nothing with other compilers.
#if defined(__clang__)
#define WARREN_TSA(x) __attribute__((x))
#else
#define WARREN_TSA(x)
#endif
#define WARREN_CAPABILITY(x) WARREN_TSA(capability(x))
#define WARREN_SCOPED_CAPABILITY WARREN_TSA(scoped_lockable)
#define WARREN_GUARDED_BY(x) WARREN_TSA(guarded_by(x))
#define WARREN_PT_GUARDED_BY(x) WARREN_TSA(pt_guarded_by(x))
#define WARREN_REQUIRES(...) WARREN_TSA(requires_capability(__VA_ARGS__))
#define WARREN_EXCLUDES(...) WARREN_TSA(locks_excluded(__VA_ARGS__))
#define WARREN_ACQUIRE(...) WARREN_TSA(acquire_capability(__VA_ARGS__))
#define WARREN_RELEASE(...) WARREN_TSA(release_capability(__VA_ARGS__))
#define WARREN_TRY_ACQUIRE(...) WARREN_TSA(try_acquire_capability(__VA_ARGS__))
#define WARREN_NO_THREAD_SAFETY_ANALYSIS WARREN_TSA(no_thread_safety_analysis)

namespace warren {

// The one lock order: a thread may lock only a mutex of a higher rank than all that it holds. Gaps
// leave room. Two mutexes of one rank are never held together.
enum class LockRank : int {
  kControl = 10,   // control server: its connections
  kTracer = 20,    // tracer: its tables
  kGroups = 40,    // groups: trees of task groups, and who is in which
  kTasklist = 50,  // kernel: everything that changes the tree of tasks and namespaces
  kLog = 90,       // logging: may be wanted anywhere
};

#ifndef NDEBUG
namespace lock_order {

// The ranks that this thread holds, in the order of locking.
struct Held {
  static constexpr int kMax = 16;
  int ranks[kMax];
  int count = 0;
};
inline thread_local Held held;

inline void acquiring(LockRank rank) {
  const int value = static_cast<int>(rank);
  if (held.count > 0 && held.ranks[held.count - 1] >= value) {
    std::fprintf(stderr, "warren: lock order broken: rank %d wanted while %d is held\n", value,
                 held.ranks[held.count - 1]);
    std::abort();
  }
  if (held.count == Held::kMax) std::abort();
  held.ranks[held.count++] = value;
}

inline void released(LockRank rank) {
  for (int i = held.count - 1; i >= 0; --i) {
    if (held.ranks[i] != static_cast<int>(rank)) continue;
    for (int j = i + 1; j < held.count; ++j) held.ranks[j - 1] = held.ranks[j];
    --held.count;
    return;
  }
  std::abort();
}

}  // namespace lock_order
#endif

// A std::mutex with a rank (checked when NDEBUG is not set) and clang's annotations.
class WARREN_CAPABILITY("mutex") Mutex {
 public:
  explicit Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() WARREN_ACQUIRE() {
#ifndef NDEBUG
    lock_order::acquiring(rank_);
#endif
    mutex_.lock();
  }
  void unlock() WARREN_RELEASE() {
    mutex_.unlock();
#ifndef NDEBUG
    lock_order::released(rank_);
#endif
  }
  LockRank rank() const { return rank_; }

 private:
  std::mutex mutex_;
  const LockRank rank_;
};

// Holds a Mutex for a scope.
class WARREN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) WARREN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() WARREN_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace warren
