// Memberships without proxies, the obvious way: each task has an array of pointers to the states of
// its groups, and each group a list of its tasks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>

#include "warren/subsystem.h"

namespace warren::bench {

inline constexpr std::size_t kSubsystems = 10;

struct PlainTask;

struct PlainGroup {
  std::array<SubsystemState*, kSubsystems> states{};
  std::list<PlainTask*> tasks;
};

struct PlainTask {
  std::array<std::atomic<SubsystemState*>, kSubsystems> states{};
  PlainGroup* group = nullptr;
  std::list<PlainTask*>::iterator place;
};

class PlainTable {
 public:
  // The child's states are its parent's.
  void fork(const PlainTask& parent, PlainTask& child) {
    std::lock_guard guard(mutex_);
    for (std::size_t i = 0; i < kSubsystems; ++i) {
      child.states[i].store(parent.states[i].load(std::memory_order_relaxed),
                            std::memory_order_release);
    }
    enter(*parent.group, child);
  }
  void exit(PlainTask& task) {
    std::lock_guard guard(mutex_);
    task.group->tasks.erase(task.place);
  }
  void move(PlainGroup& to, PlainTask& task) {
    std::lock_guard guard(mutex_);
    task.group->tasks.erase(task.place);
    for (std::size_t i = 0; i < kSubsystems; ++i) {
      task.states[i].store(to.states[i], std::memory_order_release);
    }
    enter(to, task);
  }
  // A task that is in no group yet.
  void adopt(PlainGroup& group, PlainTask& task) {
    for (std::size_t i = 0; i < kSubsystems; ++i) task.states[i].store(group.states[i]);
    enter(group, task);
  }

 private:
  static void enter(PlainGroup& group, PlainTask& task) {
    group.tasks.push_back(&task);
    task.place = std::prev(group.tasks.end());
    task.group = &group;
  }
  std::mutex mutex_;
};

}  // namespace warren::bench
