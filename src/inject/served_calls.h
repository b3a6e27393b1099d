// Which calls the agent serves in the guest, and how.
#pragma once

#include "inject/layout.h"

namespace warren::inject {

// kServeNone: the agent does not know the call.
Service service_of(int nr);

// Whether the service is an answer without a call.
inline bool answers(Service service) {
  return service == kServePid || service == kServeTid || service == kServeParentPid;
}

// Whether the service is for guests that are not traced alone. The calls that it makes itself come
// from places of their own.
inline bool serves_untraced(Service service) {
  return service >= kServeClone && service <= kServeWait4;
}

// Whether the agent may make the call itself, from its trusted place.
inline bool is_trusted(Service service) {
  return service != kServeNone && !answers(service) && !serves_untraced(service);
}

}  // namespace warren::inject
