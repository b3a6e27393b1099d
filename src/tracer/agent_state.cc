#include "tracer/agent_state.h"

#include "tracer/remote_memory.h"

namespace warren::agent_state {

namespace {

constexpr std::uint64_t kChildren = inject::kState + offsetof(inject::State, children);
constexpr std::uint64_t kKeys = inject::kState + offsetof(inject::State, key);

}  // namespace

std::size_t place_of(Nr number) {
  return static_cast<std::size_t>(number) % WARREN_AGENT_NR_CHILDREN;
}

std::optional<Children> children_of(pid_t tid) {
  const auto children = RemoteMemory(tid).read(RemotePtr<Children>(kChildren));
  if (!children) return std::nullopt;
  return *children;
}

Keys keys_of(pid_t tid) {
  static_assert(offsetof(inject::State, vfork_key) == offsetof(inject::State, key) + 8);
  const auto keys = RemoteMemory(tid).read(RemotePtr<Keys>(kKeys));
  return keys ? *keys : Keys{};
}

std::uint64_t ignored_of(pid_t tid) {
  constexpr auto kAt = inject::kState + offsetof(inject::State, ignored);
  const auto ignored = RemoteMemory(tid).read(RemotePtr<std::uint64_t>(kAt));
  return ignored ? *ignored : 0;
}

void forget_child(pid_t tid, Nr number, pid_t host) {
  using Child = inject::State::Child;
  const RemotePtr<Child> at(kChildren + place_of(number) * sizeof(Child));
  const RemoteMemory memory(tid);
  const auto child = memory.read(at);
  if (child && child->number == static_cast<std::uint32_t>(number) && child->host == host) {
    (void)memory.write(at, Child{});
  }
}

}  // namespace warren::agent_state
