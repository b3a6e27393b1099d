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

ReadSection::ReadSection() { kernel::enter_read_section(); }

ReadSection::~ReadSection() { kernel::leave_read_section(); }

}  // namespace warren
