// Which subsystems there are: those registered by the program's files, and the table of a Groups.
#include <algorithm>
#include <cerrno>

#include "group/core.h"

namespace warren {

namespace {

// Made at first use, since registrations of other files may run before this file's own objects.
std::vector<const Subsystem*>& registered() {
  static std::vector<const Subsystem*> all;
  return all;
}

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
  });
}

std::size_t hash_of(const Subsystem* subsystem) {
  return static_cast<std::size_t>(
      (reinterpret_cast<std::uintptr_t>(subsystem) * 0x9E3779B97F4A7C15u) >> 58);
}

}  // namespace

SubsystemRegistration::SubsystemRegistration(const Subsystem& subsystem) {
  std::vector<const Subsystem*>& all = registered();
  all.insert(
      std::upper_bound(all.begin(), all.end(), &subsystem,
                       [](const Subsystem* a, const Subsystem* b) { return a->name < b->name; }),
      &subsystem);
}

std::span<const Subsystem* const> registered_subsystems() { return registered(); }

int GroupsImpl::check(const Subsystem& subsystem, const std::vector<const Subsystem*>& others) {
  if (!good_name(subsystem.name) || subsystem.create == nullptr) return EINVAL;
  for (std::size_t i = 0; i < subsystem.files.size(); ++i) {
    const std::string_view file = subsystem.files[i].name;
    if (file.empty() || file.size() > 255 || file.find_first_of("/\n") != std::string_view::npos) {
      return EINVAL;
    }
    if (find_common(file) != nullptr) return EEXIST;
    for (std::size_t j = 0; j < i; ++j) {
      if (subsystem.files[j].name == file) return EEXIST;
    }
  }
  for (const Subsystem* other : others) {
    if (other->name == subsystem.name) return EEXIST;
    for (const GroupFile& theirs : other->files) {
      for (const GroupFile& file : subsystem.files) {
        if (file.name == theirs.name) return EEXIST;
      }
    }
  }
  return others.size() >= Groups::kMaxSubsystems ? ENOSPC : 0;
}

int GroupsImpl::index_of(const Subsystem& subsystem) const {
  for (std::size_t at = hash_of(&subsystem);; at = (at + 1) % places.size()) {
    const Subsystem* key = places[at].subsystem.load(std::memory_order_acquire);
    if (key == &subsystem) return places[at].index;
    if (key == nullptr) return -1;
  }
}

namespace {

// Charges a subsystem that came later for the tasks that are there already. 0, or its error; then
// nobody is charged.
int charge_all(const Subsystem& subsystem, SubsystemState& state, const std::vector<Task*>& tasks) {
  for (std::size_t i = 0; subsystem.can_fork != nullptr && i < tasks.size(); ++i) {
    if (Result<void> charged = subsystem.can_fork(state, *tasks[i]); !charged) {
      while (i-- > 0) {
        if (subsystem.cancel_fork != nullptr) subsystem.cancel_fork(state);
      }
      return charged.error_code();
    }
  }
  for (Task* task : tasks) {
    if (subsystem.fork != nullptr) subsystem.fork(state, *task);
    if (task->membership().exited && subsystem.exit != nullptr) subsystem.exit(state, *task);
  }
  return 0;
}

}  // namespace

// Readers get to know it last, so that a failure leaves no trace.
Result<void> GroupsImpl::add(const Subsystem& subsystem, const std::vector<Task*>& tasks) {
  const int index = nr_subsystems();
  const auto at = static_cast<std::size_t>(index);
  table[at].store(&subsystem, std::memory_order_release);
  Group& root = *slots[kDefault].root;
  if (Result<void> made = make_state(root, index); !made) return made;
  SubsystemState* state = root.inner_->states[at].load(std::memory_order_relaxed);
  set_in_proxies(index, state);
  Result<void> spread_out = spread(index);
  int error = spread_out.error_code();
  const bool own = mirror == nullptr || !mirror->takes_over(subsystem.name);
  if (error == 0 && own) error = charge_all(subsystem, *state, tasks);
  if (error != 0) {
    set_in_proxies(index, nullptr);
    if (spread_out) unspread(index);
    destroy_state(root, index);
    return Errno{error};
  }
  std::size_t place = hash_of(&subsystem);
  while (places[place].subsystem.load(std::memory_order_relaxed) != nullptr) {
    place = (place + 1) % places.size();
  }
  root.hierarchy_->mask_.fetch_or(bit(index), std::memory_order_relaxed);
  if (!own) {
    taken_over.fetch_or(bit(index), std::memory_order_relaxed);
  } else {
    if (subsystem.can_fork != nullptr) with_can_fork |= bit(index);
    if (subsystem.fork != nullptr) with_fork |= bit(index);
    if (subsystem.exit != nullptr) with_exit |= bit(index);
    if (subsystem.release != nullptr) with_release |= bit(index);
  }
  places[place].index = index;
  places[place].subsystem.store(&subsystem, std::memory_order_release);
  count.store(index + 1, std::memory_order_release);
  return {};
}

Result<void> Groups::add_subsystem(const Subsystem& subsystem) {
  GroupsImpl::Writer writer(*impl_);
  if (const int bad = GroupsImpl::check(subsystem, subsystems())) return Errno{bad};
  if (impl_->pending != nullptr) return Errno{EBUSY};
  const Group* root = impl_->slots[GroupsImpl::kDefault].root;
  std::vector<Task*> tasks;
  for (Proxy* proxy = impl_->proxies; proxy != nullptr; proxy = proxy->all.next) {
    if (proxy->members[GroupsImpl::kDefault].load(std::memory_order_relaxed) != root) {
      return Errno{EBUSY};
    }
    for (Task* list : {proxy->first, proxy->zombies}) {
      for (Task* task = list; task != nullptr; task = task->membership().next) {
        tasks.push_back(task);
      }
    }
  }
  return impl_->add(subsystem, tasks);
}

const Subsystem* Groups::find_subsystem(std::string_view name) const {
  for (int i = 0; i < impl_->nr_subsystems(); ++i) {
    if (impl_->subsystem(i).name == name) return &impl_->subsystem(i);
  }
  return nullptr;
}

std::vector<const Subsystem*> Groups::subsystems() const {
  std::vector<const Subsystem*> all;
  for (int i = 0; i < impl_->nr_subsystems(); ++i) all.push_back(&impl_->subsystem(i));
  return all;
}

}  // namespace warren
