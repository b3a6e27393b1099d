// rlimit: resource limits (getrlimit(2)) for the members of a group. Processes take them on when
// they come in or when one is written; children have their parent's, by fork(2). A process is where
// its leader is.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "group/controllers/inherited.h"
#include "group/controllers/number.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {
namespace {

extern const Subsystem kRlimit;

// By number: RLIMIT_CPU, RLIMIT_FSIZE, … of Linux's generic ABI.
constexpr std::string_view kNames[] = {
    "rlimit.cpu",      "rlimit.fsize", "rlimit.data",   "rlimit.stack",
    "rlimit.core",     "rlimit.rss",   "rlimit.nproc",  "rlimit.nofile",
    "rlimit.memlock",  "rlimit.as",    "rlimit.locks",  "rlimit.sigpending",
    "rlimit.msgqueue", "rlimit.nice",  "rlimit.rtprio", "rlimit.rttime",
};
constexpr std::size_t kCount = std::size(kNames);
constexpr std::uint64_t kUnlimited = UINT64_MAX;

struct Limit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
  friend bool operator==(const Limit&, const Limit&) = default;
};

class RlimitState final : public SubsystemState {
 public:
  std::array<Inherited<Limit>, kCount> limits;
};

RlimitState& rlimit(SubsystemState& state) { return static_cast<RlimitState&>(state); }

// Whether this thread's coming means that the process comes. A leader that has exited comes no
// more.
bool stands_for_process(const Task& task) {
  if (task.is_leader()) return true;
  const Ref<Task> leader = task.group().leader();
  return !leader || !leader->alive();
}

Result<void> set(GroupHost& host, Task& task, std::size_t resource, const Limit& limit) {
  if (!stands_for_process(task)) return {};
  return host.set_rlimit(task.group(), static_cast<int>(resource), limit.soft, limit.hard);
}

// Those that `to` has and that are not `from`'s too.
Result<void> set_all(RlimitState& to, RlimitState& from, Task& task) {
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::optional<Limit>& limit = to.limits[i].effective;
    if (!limit || limit == from.limits[i].effective) continue;
    if (Result<void> result = set(to.groups().host(), task, i, *limit); !result) return result;
  }
  return {};
}

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState* parent) {
  auto state = std::make_unique<RlimitState>();
  for (std::size_t i = 0; parent != nullptr && i < kCount; ++i) {
    state->limits[i].follow(&rlimit(*parent).limits[i]);
  }
  return std::unique_ptr<SubsystemState>(std::move(state));
}

Result<void> can_attach(SubsystemState& to, SubsystemState& from, Task& task) {
  Result<void> result = set_all(rlimit(to), rlimit(from), task);
  if (!result) (void)set_all(rlimit(from), rlimit(to), task);
  return result;
}

void cancel_attach(SubsystemState& to, SubsystemState& from, Task& task) {
  (void)set_all(rlimit(from), rlimit(to), task);
}

// Only the first task of a container, or one from outside, has nobody to inherit from. Most groups
// have no limits, so that is looked at first.
void fork(SubsystemState& state, Task& child) {
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::optional<Limit>& limit = rlimit(state).limits[i].effective;
    if (!limit) continue;
    if (!child.is_leader() || child.group().parent()) return;
    (void)set(state.groups().host(), child, i, *limit);
  }
}

std::string format(std::uint64_t value) {
  return value == kUnlimited ? std::string("unlimited") : std::to_string(value);
}

Result<std::uint64_t> parse(std::string_view text) {
  if (text == "unlimited") return kUnlimited;
  return parse_magnitude(text);
}

template <std::size_t resource>
Result<std::string> read(SubsystemState& state, const GroupCaller&) {
  std::optional<Limit> limit;
  state.groups().locked([&] { limit = rlimit(state).limits[resource].own; });
  if (!limit) return std::string("none\n");
  return format(limit->soft) + " " + format(limit->hard) + "\n";
}

// "soft hard", or one for both.
Result<Limit> parse_limit(std::string_view text) {
  const std::size_t blank = text.find_first_of(" \t");
  const Result<std::uint64_t> soft = parse(text.substr(0, blank));
  if (!soft) return soft.error();
  if (blank == std::string_view::npos) return Limit{*soft, *soft};
  const Result<std::uint64_t> hard = parse(text.substr(text.find_first_not_of(" \t", blank)));
  if (!hard) return hard.error();
  // setrlimit(2): EINVAL, the soft limit above the hard one.
  if (*soft > *hard) return Errno{EINVAL};
  return Limit{*soft, *hard};
}

template <std::size_t resource>
Result<void> write(SubsystemState& state, std::string_view text, const GroupCaller&) {
  std::optional<Limit> value;
  if (!text.empty() && text != "none") {
    const Result<Limit> limit = parse_limit(text);
    if (!limit) return limit.error();
    value = *limit;
  }
  GroupHost& host = state.groups().host();
  return change_inherited(
      state.groups(), state.group(), value,
      [](Group& group) -> Inherited<Limit>& {
        return rlimit(*group.state(kRlimit)).limits[resource];
      },
      [&](Task& task, const Limit& limit) { return set(host, task, resource, limit); });
}

template <std::size_t... resources>
constexpr std::array<GroupFile, kCount> make_files(std::index_sequence<resources...>) {
  return {GroupFile{kNames[resources], 0, read<resources>, write<resources>}...};
}

constexpr std::array<GroupFile, kCount> kFiles = make_files(std::make_index_sequence<kCount>());

constexpr Subsystem kRlimit{
    .name = "rlimit",
    .create = create,
    .can_attach = can_attach,
    .cancel_attach = cancel_attach,
    .fork = fork,
    .files = kFiles,
};

const SubsystemRegistration registration(kRlimit);

}  // namespace
}  // namespace warren::group
