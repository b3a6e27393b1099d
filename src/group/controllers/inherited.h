// A setting that a group has from the nearest group at or above it which has one, and that is
// brought to the members: what nice values and resource limits have in common.
#pragma once

#include <optional>

#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {

// Guarded by the lock of Groups.
template <typename Value>
struct Inherited {
  std::optional<Value> own;        // what was written to its file
  std::optional<Value> effective;  // its own, or the parent's effective one

  bool follow(const Inherited* parent) {
    const std::optional<Value> now = own || parent == nullptr ? own : parent->effective;
    if (now == effective) return false;
    effective = now;
    return true;
  }
};

// Gives the group `top` a value of its own, or none, and brings what changes by that to the members
// of the groups below: `apply(task, value)`. When that fails for one, the first error is returned
// and all is as before, as far as the host allows the way back. A value that a group no longer has
// stays with its members. Takes the lock of Groups.
//   `slot(group)`: the Inherited<Value>& of a group; `parent(group)`: a pointer to the parent's.
template <typename Value, typename Slot, typename Apply>
Result<void> change_inherited(Groups& groups, Group& top, std::optional<Value> value, Slot slot,
                              Apply apply) {
  Result<void> result;
  const auto spread = [&] {
    Result<void> first;
    groups.for_each_group(top, [&](Group& group) {
      Inherited<Value>& here = slot(group);
      Inherited<Value>* above = group.parent() != nullptr ? &slot(*group.parent()) : nullptr;
      // Written once more, it is brought to those once more who have gone their own way.
      const bool changed = here.follow(above) || &group == &top;
      if (!changed || !here.effective) return;
      groups.for_each_task(group, [&](Task& task) {
        const Result<void> applied = apply(task, *here.effective);
        if (!applied && first) first = applied;
      });
    });
    return first;
  };
  groups.locked([&] {
    const std::optional<Value> old = slot(top).own;
    slot(top).own = value;
    result = spread();
    if (result) return;
    slot(top).own = old;
    (void)spread();
  });
  return result;
}

}  // namespace warren::group
