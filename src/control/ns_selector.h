// How a user names a namespace of a container: NAME[:NS].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "control/container_view.h"
#include "warren/result.h"

namespace warren::control {

// NAME[:NS] cut at the first colon; `ns` may be empty.
struct Target {
  std::string name;
  std::string ns;
};
Target split_target(std::string_view text);

// The inode of the namespace that `selector` means within `view`:
//   ""          the view's topmost namespace
//   4026532500  the one with this inode number, as `warren ns` prints it
//   3           the only one at level 3
//   /17/5       from the topmost down, the number of each init in the namespace above; "/" is
//   topmost web         the one with this name
// Errors: ESRCH none matches; EINVAL not a selector; ENOTUNIQ several match.
Result<uint64_t> resolve_selector(const ContainerInfo& view, std::string_view selector);

}  // namespace warren::control
