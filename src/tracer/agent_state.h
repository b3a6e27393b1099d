// What agents keep in their processes' memory (inject::State), read and written from outside. A
// guest can write there whatever it likes: nothing that is read is more than a claim.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

#include "inject/layout.h"
#include "warren/kernel.h"

namespace warren::agent_state {

using Children = std::array<inject::State::Child, WARREN_AGENT_NR_CHILDREN>;

// Where the table keeps the child with that number.
std::size_t place_of(Nr number);
// The children that the process of `tid` has made itself; nothing: it has no agent, or is gone.
std::optional<Children> children_of(pid_t tid);
// The keys of the quiet fork that made the process of `tid`, and of a quiet vfork whose child has
// its memory, which it may be itself; 0: none.
struct Keys {
  std::uint64_t fork = 0;
  std::uint64_t vfork = 0;
};
Keys keys_of(pid_t tid);
// Signals that the agent of an init has made ignored; bit N - 1 is signal N's.
std::uint64_t ignored_of(pid_t tid);
// The child is gone. Its place becomes free if it has it yet, unless its parent knows already.
void forget_child(pid_t tid, Nr number, pid_t host);

}  // namespace warren::agent_state
