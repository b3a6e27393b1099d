// RCU as the engine uses it: liburcu's "bulletproof" flavour, so that an embedder's threads need no
// registration.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__clang_analyzer__)
#define WARREN_RCU_CALLS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define WARREN_RCU_CALLS 1
#endif
#endif

#ifdef WARREN_RCU_CALLS
// liburcu aligns its reader records less than their type demands, and the sanitizers report that
// wherever its functions are compiled in (the analyzer has complaints of its own); call them in the
// library instead.
#include <urcu-bp.h>
#else
// The small inline functions of this header are meant for callers of any licence (see its text).
#include <urcu/static/urcu-bp.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define WARREN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WARREN_TSAN 1
#endif
#endif

#ifdef WARREN_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace warren::kernel {

#ifdef WARREN_TSAN
// ThreadSanitizer does not see that a grace period orders readers before the free; this tells it.
inline char rcu_order;
#endif

inline void enter_read_section() {
#ifdef WARREN_RCU_CALLS
  urcu_bp_read_lock();
#else
  _urcu_bp_read_lock();
#endif
}

inline void leave_read_section() {
#ifdef WARREN_TSAN
  __tsan_release(&rcu_order);
#endif
#ifdef WARREN_RCU_CALLS
  urcu_bp_read_unlock();
#else
  _urcu_bp_read_unlock();
#endif
}

// A read-side section; the public ReadSection without the call.
class RcuGuard {
 public:
  RcuGuard() { enter_read_section(); }
  ~RcuGuard() { leave_read_section(); }
  RcuGuard(const RcuGuard&) = delete;
  RcuGuard& operator=(const RcuGuard&) = delete;
};

// Returns when every section that was open at the call has ended. Not to be called inside one.
void wait_for_readers();

}  // namespace warren::kernel
