// Which calls the agent serves in the guest, and how.
#pragma once

#include "inject/layout.h"

namespace warren::inject {

// kServeNone: the agent does not know the call. Of the others, those that it may make itself are
// let through from its trusted place.
Service service_of(int nr);

// Whether the service is an answer without a call.
inline bool answers(Service service) {
  return service == kServePid || service == kServeTid || service == kServeParentPid;
}

}  // namespace warren::inject
