// The names that uname(2) gives, by group (subsystem "uts"): what a runtime asks for its guests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "warren/groups.h"
#include "warren/result.h"
#include "warren/subsystem.h"

namespace warren {

// uname(2), __NEW_UTS_LEN: bytes, without the NUL.
inline constexpr std::size_t kUtsNameMax = 64;

// Nothing: the host's.
struct UtsNames {
  std::optional<std::string> nodename;
  std::optional<std::string> domainname;
};

const Subsystem& uts_subsystem();

// A hint, at the price of one load: false when no group of this process has a name of its own, so
// that uname(2) needs no look.
bool uts_names_in_use();

// Those of the task's group. No lock of Groups is taken; thread-safe. A task in no group, or a
// Groups without the subsystem: the host's.
UtsNames uts_names(const Groups& groups, const Task& task);

// sethostname(2), setdomainname(2) by the task, for all of its group. What follows a NUL is
// dropped. EINVAL: longer than kUtsNameMax; EPERM: the task is in no group. Privilege is the
// caller's to check. Thread-safe; not under the lock of Groups.
Result<void> set_uts_nodename(const Groups& groups, const Task& task, std::string_view name);
Result<void> set_uts_domainname(const Groups& groups, const Task& task, std::string_view name);

}  // namespace warren
