// Which calls the agent serves in the guest, and how.
#pragma once

#include "inject/layout.h"

namespace warren::inject {

// kServeNone: the agent does not know the call.
Service service_of(int nr);

// Which argument of the service's calls is a path; -1: none.
int path_argument(Service service);

// Whether the service is an answer without a call.
inline bool answers(Service service) {
  return service == kServePid || service == kServeTid || service == kServeParentPid;
}

// Whether it is a fork or a wait. The calls that such a service makes itself come from places of
// their own.
inline bool serves_tree(Service service) {
  return service >= kServeClone && service <= kServeWait4;
}

// Whether it is a signal, which may be to the caller itself.
inline bool signals(Service service) { return service == kServeKill || service == kServeTgkill; }

// Whether the service is for guests that are not traced alone.
inline bool serves_untraced(Service service) {
  return serves_tree(service) || service == kServeSigaction || service == kServeSigwait ||
         service == kServeExec || signals(service);
}

// Whether the agent may make the call itself, from its trusted place.
inline bool is_trusted(Service service) {
  return service != kServeNone && !answers(service) && !serves_tree(service) &&
         service != kServeSigwait && service != kServeExec && !signals(service);
}

}  // namespace warren::inject
