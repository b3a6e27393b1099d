// Subsystem "uts": a group's host and domain name, as uname(2) gives them. A new group copies its
// parent's, as CLONE_NEWUTS does.
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "warren/group_host.h"
#include "warren/uts_names.h"

namespace warren {
namespace {

constexpr std::uint64_t kCloneNewUts = 0x04000000;

using Name = std::optional<std::string> UtsNames::*;

// How many groups have a name of their own.
std::atomic<int> states_in_use{0};

// Why: holds the names. Its mutex is a leaf, held for a copy, so readers need no lock of Groups.
class UtsState final : public SubsystemState {
 public:
  UtsState(GroupHost& host, UtsNames names) : host_(host), names_(std::move(names)) {
    count(names_);
  }
  ~UtsState() override {
    if (counted_) states_in_use.fetch_sub(1, std::memory_order_relaxed);
  }

  UtsNames names() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }
  void set(Name name, std::string_view text) {
    const std::lock_guard lock(mutex_);
    names_.*name = std::string(text);
    count(names_);
  }
  GroupHost& host() const { return host_; }

 private:
  void count(const UtsNames& names) {
    if (counted_ || (!names.nodename && !names.domainname)) return;
    counted_ = true;
    states_in_use.fetch_add(1, std::memory_order_relaxed);
  }

  GroupHost& host_;
  mutable std::mutex mutex_;
  UtsNames names_;
  bool counted_ = false;
};

UtsState& uts(SubsystemState& state) { return static_cast<UtsState&>(state); }

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost& host, SubsystemState* parent) {
  return std::unique_ptr<SubsystemState>(
      std::make_unique<UtsState>(host, parent != nullptr ? uts(*parent).names() : UtsNames{}));
}

bool unshare(SubsystemState&, std::uint64_t clone_flags) {
  return (clone_flags & kCloneNewUts) != 0;
}

// sethostname(2)
Result<void> set(SubsystemState& state, Name name, std::string_view text) {
  if (text.size() > kUtsNameMax) return Errno{EINVAL};
  uts(state).set(name, text.substr(0, text.find('\0')));
  return {};
}

Result<std::string> read_nodename(SubsystemState& state, const GroupCaller&) {
  const UtsNames names = uts(state).names();
  return (names.nodename ? *names.nodename : uts(state).host().nodename()) + "\n";
}

Result<std::string> read_domainname(SubsystemState& state, const GroupCaller&) {
  const UtsNames names = uts(state).names();
  return (names.domainname ? *names.domainname : uts(state).host().domainname()) + "\n";
}

// A line of text is asked for: a newline in the middle would come back as two.
Result<void> write(SubsystemState& state, Name name, std::string_view text) {
  if (text.find('\n') != text.npos) return Errno{EINVAL};
  return set(state, name, text);
}

Result<void> write_nodename(SubsystemState& state, std::string_view text, const GroupCaller&) {
  return write(state, &UtsNames::nodename, text);
}

Result<void> write_domainname(SubsystemState& state, std::string_view text, const GroupCaller&) {
  return write(state, &UtsNames::domainname, text);
}

constexpr GroupFile kFiles[] = {
    {.name = "uts.nodename", .read = read_nodename, .write = write_nodename},
    {.name = "uts.domainname", .read = read_domainname, .write = write_domainname},
};

constexpr Subsystem kUts{.name = "uts", .create = create, .unshare = unshare, .files = kFiles};
const SubsystemRegistration registration(kUts);

Result<void> set_of(const Groups& groups, const Task& task, Name name, std::string_view text) {
  const ReadSection section;
  SubsystemState* state = groups.state(task, kUts, section);
  if (state == nullptr) return Errno{EPERM};
  return set(*state, name, text);
}

}  // namespace

const Subsystem& uts_subsystem() { return kUts; }

bool uts_names_in_use() { return states_in_use.load(std::memory_order_relaxed) != 0; }

UtsNames uts_names(const Groups& groups, const Task& task) {
  const ReadSection section;
  SubsystemState* state = groups.state(task, kUts, section);
  return state != nullptr ? uts(*state).names() : UtsNames{};
}

Result<void> set_uts_nodename(const Groups& groups, const Task& task, std::string_view name) {
  return set_of(groups, task, &UtsNames::nodename, name);
}

Result<void> set_uts_domainname(const Groups& groups, const Task& task, std::string_view name) {
  return set_of(groups, task, &UtsNames::domainname, name);
}

}  // namespace warren
