// The files that every group has, whatever its subsystems.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>

#include "group/core.h"

namespace warren {

namespace {

// As the kernel's kstrtoull(text, 0): decimal, 0x…, 0…; one leading '+'. EINVAL, ERANGE.
Result<std::uint64_t> parse_unsigned(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error == std::errc::result_out_of_range) return Errno{ERANGE};
  if (error != std::errc() || end != text.data() + text.size()) return Errno{EINVAL};
  return value;
}

// kstrtoint(text, 0).
Result<int> parse_int(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative && text.size() > 1 && text[1] == '+') return Errno{EINVAL};
  Result<std::uint64_t> value = parse_unsigned(negative ? text.substr(1) : text);
  if (!value) return value.error();
  if (*value > static_cast<std::uint64_t>(INT_MAX) + (negative ? 1 : 0)) return Errno{ERANGE};
  return negative ? static_cast<int>(-static_cast<std::int64_t>(*value)) : static_cast<int>(*value);
}

std::string lines(std::vector<Nr>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  Nr last = 0;  // no task's number that the reader has
  for (const Nr nr : numbers) {
    if (nr == last) continue;
    text += std::to_string(nr) + "\n";
    last = nr;
  }
  return text;
}

bool may_write(const GroupAttributes& file, const GroupCaller& caller) {
  if (caller.uid == 0) return true;
  if (caller.uid == file.uid) return (file.mode & 0200) != 0;
  if (caller.gid == file.gid) return (file.mode & 0020) != 0;
  return (file.mode & 0002) != 0;
}

}  // namespace

// What the table below refers to. All run under the lock.
struct GroupsImpl::Files {
  using Caller = const GroupCaller&;

  static std::string read_tasks(GroupsImpl& groups, Group& group, Caller caller)
      WARREN_REQUIRES(groups.lock) {
    const PidNamespace& ns = caller.ns ? *caller.ns : groups.kernel.root();
    std::vector<Nr> numbers;
    groups.each_task(group, [&](Task& task) { numbers.push_back(task.nr_in(ns)); });
    return lines(numbers);
  }

  static std::string read_procs(GroupsImpl& groups, Group& group, Caller caller)
      WARREN_REQUIRES(groups.lock) {
    const PidNamespace& ns = caller.ns ? *caller.ns : groups.kernel.root();
    std::vector<Nr> numbers;
    groups.each_task(group, [&](Task& task) { numbers.push_back(task.group().nr_in(ns)); });
    return lines(numbers);
  }

  // cgroups(7): who moves a task must be allowed to write the cgroup.procs of the nearest common
  // ancestor too.
  static Result<void> check_migration(GroupsImpl& groups, const Group& to, const Task& task,
                                      Caller caller) WARREN_REQUIRES(groups.lock) {
    Group* common = groups.group_of(task, to.hierarchy_->slot_);
    while (common != nullptr && !groups.within(to, *common)) common = common->parent_;
    if (common == nullptr) return {};
    if (!may_write(groups.attributes(*common, "cgroup.procs"), caller)) return Errno{EACCES};
    return groups.may_change(*common, caller, GroupChange::kInside);
  }

  static Result<Ref<Task>> find(GroupsImpl& groups, std::string_view text, Caller caller) {
    Result<int> nr = parse_int(text);
    // "pid_t": what does not fit cannot be understood either.
    if (!nr || *nr < 0) return Errno{EINVAL};
    Ref<Task> task =
        *nr == 0 ? caller.task
                 : groups.kernel.find_task(caller.ns ? *caller.ns : groups.kernel.root(), *nr);
    if (!task || proxy_of(*task) == nullptr) return Errno{ESRCH};
    return task;
  }

  static Result<void> write_tasks(GroupsImpl& groups, Group& group, std::string_view text,
                                  Caller caller) WARREN_REQUIRES(groups.lock) {
    Result<Ref<Task>> task = find(groups, text, caller);
    if (!task) return task.error();
    if (Result<void> allowed = check_migration(groups, group, **task, caller); !allowed) {
      return allowed;
    }
    if (groups.mirrored(group) && groups.is_whole_process(**task)) {
      return groups.move(group, (*task)->group(), caller.ns.get());
    }
    return groups.move(group, std::vector<Ref<Task>>{*task}, caller.ns.get());
  }

  static Result<void> write_procs(GroupsImpl& groups, Group& group, std::string_view text,
                                  Caller caller) WARREN_REQUIRES(groups.lock) {
    Result<Ref<Task>> task = find(groups, text, caller);
    if (!task) return task.error();
    if (Result<void> allowed = check_migration(groups, group, **task, caller); !allowed) {
      return allowed;
    }
    Result<void> moved = groups.move(group, (*task)->group(), caller.ns.get());
    // Nothing of a zombie is left to be moved, and that is no error.
    if (moved.error_code() == ESRCH) return {};
    return moved;
  }

  static Result<void> write_kill(GroupsImpl& groups, Group& group, std::string_view text, Caller)
      WARREN_REQUIRES(groups.lock) {
    Result<int> value = parse_int(text);
    if (!value) return value.error();
    if (*value != 1) return Errno{ERANGE};
    std::vector<ThreadGroup*> processes;
    for (Group* at = &group; at != nullptr; at = next(group, *at)) {
      groups.each_task(*at, [&](Task& task) { processes.push_back(&task.group()); });
    }
    std::sort(processes.begin(), processes.end());
    processes.erase(std::unique(processes.begin(), processes.end()), processes.end());
    for (ThreadGroup* process : processes) groups.host.kill(*process, SIGKILL);
    // Their children that are being made end as soon as they are there.
    const auto slot = static_cast<std::size_t>(group.hierarchy_->slot_);
    for (PendingFork* fork = groups.pending; fork != nullptr; fork = fork->next) {
      const Group* of = fork->proxy->members[slot].load(std::memory_order_relaxed);
      if (groups.within(*of, group)) fork->killed = true;
    }
    return {};
  }

  static std::string read_events(GroupsImpl& groups, Group& group, Caller)
      WARREN_REQUIRES(groups.lock) {
    std::string text = populated(group) ? "populated 1\n" : "populated 0\n";
    for (int i = 0; i < groups.nr_subsystems(); ++i) {
      SubsystemState* state =
          group.inner_->states[static_cast<std::size_t>(i)].load(std::memory_order_relaxed);
      if (state != nullptr && groups.subsystem(i).events != nullptr) {
        text += groups.subsystem(i).events(*state);
      }
    }
    return text;
  }

  static std::string read_stat(GroupsImpl& groups, Group& group, Caller)
      WARREN_REQUIRES(groups.lock) {
    return "nr_descendants " + std::to_string(group.inner_->nr_descendants) +
           "\nnr_dying_descendants " +
           std::to_string(group.inner_->nr_dying.load(std::memory_order_relaxed)) + "\nnr_forks " +
           std::to_string(groups.forks(group)) + "\n";
  }

  static std::string limit(int value) {
    return value == INT_MAX ? "max\n" : std::to_string(value) + "\n";
  }

  static Result<void> set_limit(int& limit, std::string_view text) {
    Result<int> value = text == "max" ? Result<int>(INT_MAX) : parse_int(text);
    if (!value) return value.error();
    if (*value < 0) return Errno{ERANGE};
    limit = *value;
    return {};
  }

  static std::string read_depth(GroupsImpl&, Group& group, Caller) {
    return limit(group.inner_->max_depth);
  }
  static Result<void> write_depth(GroupsImpl&, Group& group, std::string_view text, Caller) {
    return set_limit(group.inner_->max_depth, text);
  }
  static std::string read_descendants(GroupsImpl&, Group& group, Caller) {
    return limit(group.inner_->max_descendants);
  }
  static Result<void> write_descendants(GroupsImpl&, Group& group, std::string_view text, Caller) {
    return set_limit(group.inner_->max_descendants, text);
  }

  static std::string read_controllers(GroupsImpl&, Group& group, Caller) {
    std::string text;
    for (const Subsystem* subsystem : group.hierarchy_->subsystems()) {
      if (!text.empty()) text += ' ';
      text += subsystem->name;
    }
    return text.empty() ? text : text + "\n";
  }

  // Every controller of the hierarchy is on in all its groups: switching one on changes nothing,
  // switching one off is not supported.
  static Result<void> write_subtree(GroupsImpl& groups, Group& group, std::string_view text,
                                    Caller) {
    while (!text.empty()) {
      const std::size_t blank = std::min(text.find(' '), text.size());
      const std::string_view word = text.substr(0, blank);
      text.remove_prefix(std::min(blank + 1, text.size()));
      if (word.empty()) continue;
      if (word[0] != '+' && word[0] != '-') return Errno{EINVAL};
      const Subsystem* subsystem = groups.self.find_subsystem(word.substr(1));
      if (subsystem == nullptr) return Errno{EINVAL};
      if (group.state(*subsystem) == nullptr) return Errno{ENOENT};
      if (word[0] == '-') return Errno{EOPNOTSUPP};
    }
    return {};
  }

  static std::string read_type(GroupsImpl&, Group&, Caller) { return "domain\n"; }
  static Result<void> write_type(GroupsImpl&, Group&, std::string_view text, Caller) {
    return Errno{text == "threaded" ? EOPNOTSUPP : EINVAL};
  }

  static Result<bool> flag(std::string_view text) {
    Result<std::uint64_t> value = parse_unsigned(text);
    if (!value) return value.error();
    return *value != 0;
  }

  static std::string read_notify(GroupsImpl&, Group& group, Caller) {
    return group.inner_->notify_on_release ? "1\n" : "0\n";
  }
  static Result<void> write_notify(GroupsImpl&, Group& group, std::string_view text, Caller) {
    Result<bool> on = flag(text);
    if (!on) return on.error();
    group.inner_->notify_on_release = *on;
    return {};
  }
  static std::string read_clone(GroupsImpl&, Group& group, Caller) {
    return group.clone_children() ? "1\n" : "0\n";
  }
  static Result<void> write_clone(GroupsImpl&, Group& group, std::string_view text, Caller) {
    Result<bool> on = flag(text);
    if (!on) return on.error();
    group.inner_->clone_children.store(*on, std::memory_order_relaxed);
    return {};
  }

  static std::string read_agent(GroupsImpl& groups, Group& group, Caller)
      WARREN_REQUIRES(groups.lock) {
    return groups.slot_of(group).release_agent + "\n";
  }
  static Result<void> write_agent(GroupsImpl& groups, Group& group, std::string_view text, Caller)
      WARREN_REQUIRES(groups.lock) {
    if (text.size() >= 4096) return Errno{E2BIG};
    groups.slot_of(group).release_agent = text;
    return {};
  }

  static constexpr CommonFile kAll[] = {
      {"tasks", 0, read_tasks, write_tasks},
      {"cgroup.procs", 0, read_procs, write_procs},
      {"cgroup.threads", 0, read_tasks, write_tasks},
      {"cgroup.kill", GroupFile::kNotOnRoot, nullptr, write_kill},
      {"cgroup.events", GroupFile::kNotOnRoot | GroupFile::kPollable, read_events, nullptr},
      {"cgroup.stat", 0, read_stat, nullptr},
      {"cgroup.max.depth", 0, read_depth, write_depth},
      {"cgroup.max.descendants", 0, read_descendants, write_descendants},
      {"cgroup.controllers", 0, read_controllers, nullptr},
      {"cgroup.subtree_control", 0, read_controllers, write_subtree},
      {"cgroup.type", GroupFile::kNotOnRoot, read_type, write_type},
      {"cgroup.clone_children", 0, read_clone, write_clone},
      {"notify_on_release", 0, read_notify, write_notify},
      {"release_agent", GroupFile::kOnlyOnRoot, read_agent, write_agent},
  };
};

std::span<const CommonFile> GroupsImpl::common_files() { return Files::kAll; }

}  // namespace warren
