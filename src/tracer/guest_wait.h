// Waits of guests that trace others.
#pragma once

#include "warren/types.h"

namespace warren {

// What a wait is for: wait4(2)'s pid, waitid(2)'s type and id, as the waiter means it.
struct GuestWait {
  int type;                 // P_ALL, P_PID, P_PGID
  Nr id;                    // P_PGID: 0 is the waiter's own group
  bool own_thread = false;  // __WNOTHREAD
  bool ends = true;         // WEXITED
  bool keeps = false;       // WNOWAIT
  bool blocks = true;       // not WNOHANG

  bool operator==(const GuestWait&) const = default;
};

}  // namespace warren
