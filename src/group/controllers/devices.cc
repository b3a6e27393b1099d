// devices: which device nodes a group's tasks may open and make, with the files of cgroup v1.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "group/controllers/device_rules.h"
#include "kernel/rcu.h"
#include "warren/device_access.h"
#include "warren/groups.h"
#include "warren/subsystem.h"

namespace warren {

using group::DeviceException;
using group::DeviceRequest;
using group::DeviceRules;

namespace {

// How many groups of this process have rules.
std::atomic<int> restricted{0};

// `rules` is replaced as a whole, under the lock of Groups, and read under RCU: null for a group
// that allows everything, so that most lookups end at once.
class DevicesState final : public SubsystemState {
 public:
  ~DevicesState() override { delete replace(nullptr); }

  const DeviceRules* rules() const { return rules_.load(std::memory_order_acquire); }
  DeviceRules copy() const { return rules() != nullptr ? *rules() : DeviceRules(); }

  // The rules before, for the caller to free once no reader has them.
  const DeviceRules* replace(const DeviceRules* rules) {
    const DeviceRules* old = rules_.exchange(rules, std::memory_order_acq_rel);
    restricted.fetch_add((rules != nullptr) - (old != nullptr), std::memory_order_relaxed);
    return old;
  }

 private:
  std::atomic<const DeviceRules*> rules_{nullptr};
};

DevicesState& devices(SubsystemState& state) { return static_cast<DevicesState&>(state); }

// Rules that have been replaced, kept until no reader can have them. Its end waits for readers, so
// it must not come under the lock of Groups.
class Replaced {
 public:
  Replaced() = default;
  Replaced(const Replaced&) = delete;
  Replaced& operator=(const Replaced&) = delete;
  ~Replaced() {
    if (!old_.empty()) kernel::wait_for_readers();
  }

  void put(DevicesState& state, DeviceRules rules) {
    const bool trivial = rules.trivial();
    auto fresh = trivial ? nullptr : std::make_unique<const DeviceRules>(std::move(rules));
    if (state.rules() == nullptr && fresh != nullptr) state.groups().host().watch_devices();
    std::unique_ptr<const DeviceRules> old(state.replace(fresh.release()));
    if (old) old_.push_back(std::move(old));
  }

 private:
  std::vector<std::unique_ptr<const DeviceRules>> old_;
};

bool has_children(Groups& groups, Group& top) {
  int count = 0;
  groups.for_each_group(top, [&](Group&) { ++count; });
  return count > 1;
}

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost&, SubsystemState* parent) {
  auto state = std::make_unique<DevicesState>();
  if (parent != nullptr && devices(*parent).rules() != nullptr) {
    (void)state->replace(new DeviceRules(*devices(*parent).rules()));
  }
  return std::unique_ptr<SubsystemState>(std::move(state));
}

Result<std::string> read_list(SubsystemState& state, const GroupCaller&) {
  std::string text;
  state.groups().locked([&] { text = devices(state).copy().text(); });
  return text;
}

// "a": all that the parent has, or nothing. EINVAL: the group has children. EPERM: the parent
// denies by default.
Result<void> write_everything(SubsystemState& state, bool allow, Replaced& replaced) {
  if (has_children(state.groups(), state.group())) return Errno{EINVAL};
  DeviceRules rules;
  rules.reset(allow);
  if (allow && state.parent() != nullptr) {
    const DeviceRules parent = devices(*state.parent()).copy();
    if (!parent.allows_by_default()) return Errno{EPERM};
    rules.allow_as(parent);
  }
  replaced.put(devices(state), std::move(rules));
  return {};
}

Result<void> allow_one(SubsystemState& state, const DeviceException& what, Replaced& replaced) {
  DeviceRules rules = devices(state).copy();
  const DeviceRules parent = state.parent() ? devices(*state.parent()).copy() : DeviceRules();
  Result<void> allowed = rules.allow(what, state.parent() != nullptr ? &parent : nullptr);
  if (allowed) replaced.put(devices(state), std::move(rules));
  return allowed;
}

void deny_one(SubsystemState& state, const DeviceException& what, Replaced& replaced) {
  DeviceRules top = devices(state).copy();
  top.deny(what);
  replaced.put(devices(state), top);
  state.groups().for_each_group(state.group(), [&](Group& group) {
    if (&group == &state.group()) return;
    DevicesState& below = devices(*group.state(devices_subsystem()));
    DeviceRules rules = below.copy();
    rules.follow_denial(what, top, devices(*below.parent()).copy());
    replaced.put(below, std::move(rules));
  });
}

template <bool allow>
Result<void> write(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<DeviceRequest> request = DeviceRequest::parse(text);
  if (!request) return request.error();
  Replaced replaced;
  Result<void> result;
  state.groups().locked([&] {
    if (request->everything) {
      result = write_everything(state, allow, replaced);
    } else if (allow) {
      result = allow_one(state, request->exception, replaced);
    } else {
      deny_one(state, request->exception, replaced);
    }
  });
  return result;
}

constexpr GroupFile kFiles[] = {
    {"devices.allow", 0, nullptr, write<true>},
    {"devices.deny", 0, nullptr, write<false>},
    {"devices.list", 0, read_list},
};

constexpr Subsystem kDevices{.name = "devices", .create = create, .files = kFiles};

const SubsystemRegistration registration(kDevices);

}  // namespace

const Subsystem& devices_subsystem() { return kDevices; }

bool devices_restricted() { return restricted.load(std::memory_order_relaxed) != 0; }

bool device_allowed(const SubsystemState& state, bool block, unsigned major, unsigned minor,
                    unsigned access) {
  const auto& devices = static_cast<const DevicesState&>(state);
  if (devices.rules() == nullptr) return true;
  const kernel::RcuGuard guard;
  const DeviceRules* rules = devices.rules();
  return rules == nullptr || rules->allows(block, major, minor, access);
}

}  // namespace warren
