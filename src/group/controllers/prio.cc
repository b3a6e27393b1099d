// prio: a nice value for the members of a group. They take it on when they come in or when it is
// written; children have their parent's, by fork(2), and what a task then does to itself is its own
// business.
#include <memory>
#include <optional>
#include <string>

#include "group/controllers/inherited.h"
#include "group/controllers/number.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren::group {
namespace {

extern const Subsystem kPrio;

// setpriority(2).
constexpr int kMinNice = -20;
constexpr int kMaxNice = 19;

class PrioState final : public SubsystemState {
 public:
  Inherited<int> nice;
};

PrioState& prio(SubsystemState& state) { return static_cast<PrioState&>(state); }

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState* parent) {
  auto state = std::make_unique<PrioState>();
  state->nice.follow(parent != nullptr ? &prio(*parent).nice : nullptr);
  return std::unique_ptr<SubsystemState>(std::move(state));
}

Result<void> can_attach(SubsystemState& to, SubsystemState& from, Task& task) {
  const std::optional<int> nice = prio(to).nice.effective;
  if (!nice || nice == prio(from).nice.effective) return {};
  return to.groups().host().set_nice(task, *nice);
}

void cancel_attach(SubsystemState& to, SubsystemState& from, Task& task) {
  const std::optional<int> nice = prio(from).nice.effective;
  if (nice && nice != prio(to).nice.effective) (void)to.groups().host().set_nice(task, *nice);
}

// Only the first task of a container, or one from outside, has nobody to inherit from.
void fork(SubsystemState& state, Task& child) {
  const std::optional<int> nice = prio(state).nice.effective;
  if (!nice || !child.is_leader() || child.group().parent()) return;
  (void)state.groups().host().set_nice(child, *nice);
}

Result<std::string> read_nice(SubsystemState& state, const GroupCaller&) {
  std::optional<int> nice;
  state.groups().locked([&] { nice = prio(state).nice.own; });
  return nice ? std::to_string(*nice) + "\n" : std::string("none\n");
}

Result<void> write_nice(SubsystemState& state, std::string_view text, const GroupCaller&) {
  std::optional<int> nice;
  if (!text.empty() && text != "none") {
    const Result<std::int64_t> number = parse_number(text, kMinNice, kMaxNice);
    if (!number) return number.error();
    nice = static_cast<int>(*number);
  }
  GroupHost& host = state.groups().host();
  return change_inherited(
      state.groups(), state.group(), nice,
      [](Group& group) -> Inherited<int>& { return prio(*group.state(kPrio)).nice; },
      [&](Task& task, int value) { return host.set_nice(task, value); });
}

constexpr GroupFile kFiles[] = {{"prio.nice", 0, read_nice, write_nice}};

constexpr Subsystem kPrio{
    .name = "prio",
    .create = create,
    .can_attach = can_attach,
    .cancel_attach = cancel_attach,
    .fork = fork,
    .files = kFiles,
};

const SubsystemRegistration registration(kPrio);

}  // namespace
}  // namespace warren::group
