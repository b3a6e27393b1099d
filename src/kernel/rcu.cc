#include "kernel/rcu.h"

#include <urcu-bp.h>

#include "warren/read_section.h"

namespace warren {

namespace kernel {

void wait_for_readers() {
  urcu_bp_synchronize_rcu();
#ifdef WARREN_TSAN
  __tsan_acquire(&rcu_order);
#endif
}

}  // namespace kernel

ReadSection::ReadSection() { _urcu_bp_read_lock(); }

ReadSection::~ReadSection() {
#ifdef WARREN_TSAN
  __tsan_release(&kernel::rcu_order);
#endif
  _urcu_bp_read_unlock();
}

}  // namespace warren
